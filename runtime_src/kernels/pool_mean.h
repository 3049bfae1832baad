/* pool_mean.h - the sum of the taps of each window, divided by r->divisor. */
#ifndef AMG_KERNELS_POOL_MEAN_H
#define AMG_KERNELS_POOL_MEAN_H

#include "kernels/pool.h"

typedef struct amg_pool_mean_kernels {
    void (*run)(const amg_pool_run *r);
} amg_pool_mean_kernels;
AMG_KERNELS(pool_mean);

#endif
