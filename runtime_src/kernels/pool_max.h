/* pool_max.h - the largest of the taps of each window; -inf where there are none. */
#ifndef AMG_KERNELS_POOL_MAX_H
#define AMG_KERNELS_POOL_MAX_H

#include "kernels/pool.h"

typedef struct amg_pool_max_kernels {
    void (*run)(const amg_pool_run *r);
} amg_pool_max_kernels;
AMG_KERNELS(pool_max);

#endif
