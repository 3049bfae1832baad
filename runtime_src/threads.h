/* threads.h - the threads of a session. Absent with AMG_NO_THREADS, where amg_parallel runs everything itself. */
#ifndef AMG_THREADS_H
#define AMG_THREADS_H

#include "load.h"

typedef struct amg_thread_pool amg_thread_pool;

/* Makes threads - 1 threads, or none where options->parallel runs the work on the caller's. */
AMG_INTERNAL int32_t amg_pool_new(const amg_memory *memory, const amg_session_options *options, amg_thread_pool **out);

/* Ends the threads. NULL is fine. */
AMG_INTERNAL void amg_pool_free(amg_thread_pool *pool);

/* The pool, or NULL where its threads are not: in a child process that inherited the session. */
AMG_INTERNAL amg_thread_pool *amg_pool_here(amg_thread_pool *pool);

#endif
