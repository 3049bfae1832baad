/* threads.c - work spread over threads. For now the calling thread does all of it, as thread 0. */
#include "op.h"

AMG_INTERNAL void amg_parallel(const amg_context *t, int64_t count, int64_t grain, amg_job job, void *arg)
{
    (void)t;
    (void)grain;
    if (count > 0) {
        job(arg, 0, count, 0);
    }
}
