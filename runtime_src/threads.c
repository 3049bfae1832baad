/* threads.c - spreads the work of a layer over the threads of a session, its own or the caller's.
 *
 * Work is cut into chunks, of which each thread has a share that lies together, so that it finds in its cache what it wrote
 * in the layer before; who is done with its share helps with the others'. The calling thread works too, and waits for
 * chunks under way only, never for a thread that has not come yet. Idle threads look for work for some ten microseconds,
 * then sleep. */
#ifndef AMG_NO_THREADS
#define _POSIX_C_SOURCE 200809L
#endif
#include "threads.h"
#include "system.h"

#ifndef AMG_NO_THREADS
#define THREADS_SPINS 1000 /* looks for work before a thread sleeps, 10 to 50 ns each */
#define THREADS_CHUNKS 4   /* per share */

/* The state of a pool, one word: is work open, how many threads have joined it, to how many it is open, which work it is. */
#define THREADS_OPEN 1u
#define THREADS_JOIN (1u << 1)
#define THREADS_PART (1u << 10)
#define THREADS_WORK (1u << 19)
#define THREADS_JOINED (THREADS_PART - THREADS_JOIN)
#define THREADS_OVER UINT32_MAX /* joined is never as large as this says */

typedef struct threads_seat { /* a thread, and its share of the work; 0 is the calling thread */
    amg_thread_pool *pool;
    int32_t index, made;
    system_thread handle;
    uint32_t work;       /* what it joined last; of the calling thread, what it gave out last */
    system_atomic next; /* chunk of its share */
    uint32_t end;        /* of its share */
    system_atomic asleep;
    system_lock lock;
    system_bell bell;
    char apart[AMG_ALIGN]; /* no two threads write to one cache line */
} threads_seat;

struct amg_thread_pool {
    amg_memory memory;
    void (*parallel)(void *user, int32_t pieces, void (*piece)(void *arg, int32_t index), void *arg);
    void *user;
    int64_t process;
    int32_t threads, parts;
    int64_t count, chunk;
    amg_job job;
    void *arg;
    char apart[AMG_ALIGN];
    system_atomic state;
    threads_seat seat[1]; /* [threads] */
};

/* Whether what a thread waits for has come: work that it has not joined yet, the end; or that nobody works any more. */
static int32_t threads_ready(const threads_seat *s, uint32_t state)
{
    const uint32_t parts = state % THREADS_WORK / THREADS_PART;
    if (s->index == 0) {
        return !(state & THREADS_JOINED);
    }
    return state == THREADS_OVER ||
           ((state & THREADS_OPEN) && state / THREADS_WORK != s->work && (uint32_t)s->index < parts);
}

/* Waits until a thread may go on; returns the state that says so. */
static uint32_t threads_wait(threads_seat *s)
{
    uint32_t state;
    for (int32_t i = 0; i < THREADS_SPINS; i += system_sleeps(s->index)) {
        state = system_get(&s->pool->state);
        if (threads_ready(s, state)) {
            return state;
        }
        system_pause();
    }
    system_acquire(&s->lock);
    system_set(&s->asleep, 1); /* first this, then a look: who changes the state looks here afterwards */
    while (!threads_ready(s, state = system_get(&s->pool->state))) {
        system_listen(&s->bell, &s->lock);
    }
    system_set(&s->asleep, 0);
    system_release(&s->lock);
    return state;
}

static void threads_wake(threads_seat *s)
{
    if (system_get(&s->asleep)) {
        system_acquire(&s->lock);
        system_ring(&s->bell);
        system_release(&s->lock);
    }
}

/* Does what is left of the shares, from its own on. */
static void threads_work(void *arg, int32_t index)
{
    amg_thread_pool *p = (amg_thread_pool *)arg;
    for (int32_t i = 0; i < p->parts; i++) {
        threads_seat *of = p->seat + (index + i) % p->parts;
        while (system_get(&of->next) < of->end) {
            const int64_t chunk = system_add(&of->next, 1);
            if (chunk < of->end) {
                p->job(p->arg, chunk * p->chunk, AMG_MIN(p->count, (chunk + 1) * p->chunk), index);
            }
        }
    }
}

/* The life of a thread. */
static void threads_live(threads_seat *s)
{
    amg_thread_pool *p = s->pool;
    for (uint32_t state; (state = threads_wait(s)) != THREADS_OVER;) {
        if (system_swap(&p->state, state, state + THREADS_JOIN)) {
            s->work = state / THREADS_WORK;
            threads_work(p, s->index);
            state = system_add(&p->state, 0u - THREADS_JOIN) - THREADS_JOIN;
            if (!(state & (THREADS_OPEN | THREADS_JOINED))) {
                threads_wake(p->seat);
            }
        }
    }
}

SYSTEM_MAIN(threads_main, seat)
{
    threads_live((threads_seat *)seat);
    return 0;
}

AMG_INTERNAL int32_t amg_pool_new(const amg_memory *memory, const amg_session_options *o, amg_thread_pool **out)
{
    const size_t bytes = sizeof(amg_thread_pool) + (size_t)(o->threads - 1) * sizeof(threads_seat);
    amg_thread_pool *p = (amg_thread_pool *)amg_memory_get(memory, bytes);
    int32_t status = AMG_OK;
    if (!p) {
        return AMG_E_MEMORY;
    }
    memset(p, 0, bytes);
    p->memory = *memory;
    p->parallel = o->parallel;
    p->user = o->pool_user;
    p->process = system_process();
    p->threads = o->threads;
    for (int32_t i = 0; i < p->threads; i++) {
        p->seat[i].pool = p;
        p->seat[i].index = i;
        system_lock_init(&p->seat[i].lock);
        system_bell_init(&p->seat[i].bell);
    }
    for (int32_t i = 1; i < p->threads && !p->parallel && status == AMG_OK; i++) {
        status = system_start(&p->seat[i].handle, threads_main, p->seat + i);
        p->seat[i].made = status == AMG_OK;
    }
    if (status != AMG_OK) {
        amg_pool_free(p);
        return status;
    }
    *out = p;
    return AMG_OK;
}

AMG_INTERNAL void amg_pool_free(amg_thread_pool *p)
{
    if (!p) {
        return;
    }
    const amg_memory memory = p->memory;
    if (amg_pool_here(p)) {
        system_set(&p->state, THREADS_OVER);
        for (int32_t i = 0; i < p->threads; i++) {
            if (p->seat[i].made) {
                threads_wake(p->seat + i);
                system_join(p->seat[i].handle);
            }
            system_bell_end(&p->seat[i].bell);
            system_lock_end(&p->seat[i].lock);
        }
    }
    amg_memory_put(&memory, p);
}

AMG_INTERNAL amg_thread_pool *amg_pool_here(amg_thread_pool *p)
{
    return p && (p->parallel || p->process == system_process()) ? p : NULL;
}

/* Cuts `units` of work into chunks and gives each of `parts` threads its share. */
static void threads_cut(amg_thread_pool *p, int32_t parts, int64_t units, int64_t grain)
{
    const int64_t per_chunk = AMG_MAX(1, units / parts / THREADS_CHUNKS), chunks = (units + per_chunk - 1) / per_chunk;
    p->parts = parts;
    p->chunk = per_chunk * grain;
    for (int32_t i = 0; i < parts; i++) {
        system_set(&p->seat[i].next, (uint32_t)(chunks * i / parts));
        p->seat[i].end = (uint32_t)(chunks * (i + 1) / parts);
    }
}
/* Opens the work to the threads, takes part, and waits for those that have joined. */
static void threads_share(amg_thread_pool *p)
{
    threads_seat *own = p->seat;
    own->work = (own->work + 1) % (UINT32_MAX / THREADS_WORK);
    system_set(&p->state, own->work * THREADS_WORK + (uint32_t)p->parts * THREADS_PART + THREADS_OPEN);
    for (int32_t i = 1; i < p->parts; i++) {
        threads_wake(own + i);
    }
    threads_work(p, 0);
    (void)system_add(&p->state, 0u - THREADS_OPEN);
    (void)threads_wait(own);
}
#endif

AMG_INTERNAL void amg_parallel(const amg_context *t, int64_t count, int64_t grain, amg_job job, void *arg)
{
#ifndef AMG_NO_THREADS
    amg_thread_pool *p = (amg_thread_pool *)t->pool;
    const int64_t units = count / grain + (count % grain != 0);
    const int32_t parts = p ? (int32_t)AMG_MIN(t->threads, units) : 1;
    if (parts > 1) {
        p->job = job;
        p->arg = arg;
        p->count = count;
        threads_cut(p, parts, units, grain);
        if (p->parallel) {
            p->parallel(p->user, parts, threads_work, p);
        } else {
            threads_share(p);
        }
        return;
    }
#else
    (void)t;
    (void)grain;
#endif
    if (count > 0) {
        job(arg, 0, count, 0);
    }
}
