/* session.h - a model at certain shapes, with the memory of its activations. */
#ifndef AMG_SESSION_H
#define AMG_SESSION_H

#include "plan.h"
#include "threads.h"

struct amg_session {
    const amg_model *model;
    amg_plan *plan;
    amg_session_options options; /* with the instruction set and the threads that were chosen */
    void *arena;                 /* 64-byte aligned */
    void *owned;                 /* what was allocated for it; NULL: the caller's */
#ifndef AMG_NO_THREADS
    amg_thread_pool *pool; /* NULL with one thread */
#endif
    char message[160];
};

#endif
