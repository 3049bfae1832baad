/* session.h - a model at certain shapes, with the memory of its activations. */
#ifndef AMG_SESSION_H
#define AMG_SESSION_H

#include "plan.h"

struct amg_session {
    const amg_model *model;
    amg_plan *plan;
    amg_session_options options; /* with the instruction set and the threads that were chosen */
    void *arena;                 /* 64-byte aligned */
    void *owned;                 /* what was allocated for it; NULL: the caller's */
    char message[160];
};

#endif
