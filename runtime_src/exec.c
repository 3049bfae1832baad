/* exec.c - runs the steps of a session in order, measures them, and reports what they cost. */
#ifndef AMG_NO_PROFILE
#define _POSIX_C_SOURCE 200809L
#endif
#include "session.h"

#ifndef AMG_THREAD_WORK
#define AMG_THREAD_WORK 8192 /* for each thread, at least: some microseconds, since telling a thread takes about one */
#endif

#ifndef AMG_NO_PROFILE
#ifdef _WIN32
#include <windows.h>

static uint64_t exec_now(void)
{
    LARGE_INTEGER ticks, per_second;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&per_second);
    return (uint64_t)((double)ticks.QuadPart * 1e9 / (double)per_second.QuadPart);
}
#else
#include <time.h>

static uint64_t exec_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
#endif
#else
static uint64_t exec_now(void)
{
    return 0;
}
#endif

/* How many of at most `most` threads a step is worth: all, unless it is done sooner than they would be told. */
static int32_t exec_threads(const amg_step *step, int32_t most)
{
    int64_t elements = 0, work;
    for (int32_t i = 0; i < step->n_in && most > 1; i++) {
        elements += step->in[i] ? step->in[i]->count : 0;
    }
    for (int32_t i = 0; i < step->n_out && most > 1; i++) {
        elements += step->out[i]->count;
    }
    work = (int64_t)(step->macs / 16) + elements; /* a few to the nanosecond */
    return (int32_t)AMG_MAX(1, AMG_MIN(most, work / AMG_THREAD_WORK));
}

AMG_API int32_t amg_run(amg_session *s)
{
    amg_plan *p;
    amg_context t;
    int32_t layers, threads = 1;
    uint64_t then, now;
    if (!s) {
        return AMG_E_ARGUMENT;
    }
    p = s->plan;
    layers = s->model->layer_count;
    memset(&t, 0, sizeof t);
    t.isa = s->options.isa;
#ifndef AMG_NO_THREADS
    t.pool = amg_pool_here(s->pool);
    threads = t.pool ? s->options.threads : 1;
#endif
    then = exec_now();
    for (int32_t i = 0; i < layers; i++) {
        const amg_step *step = p->steps + i;
        if (s->options.progress && s->options.progress(s->options.user, i, layers)) {
            return amg_say(s->message, sizeof s->message, AMG_E_CANCELLED, "cancelled before layer", step->name);
        }
        t.scratch = (char *)s->arena + p->blocks[s->model->tensor_count + i].offset;
        t.scratch_size = (size_t)amg_round_up((int64_t)step->scratch, AMG_ALIGN);
        t.threads = exec_threads(step, threads);
        step->op->run(step, &t);
        now = exec_now();
        p->ns[i] = now - then;
        then = now;
    }
    return AMG_OK;
}

#ifndef AMG_NO_PROFILE
AMG_API int32_t amg_profile(const amg_session *s, int32_t layer, amg_layer_stat *out)
{
    const amg_plan *p;
    if (!s || !out || layer < 0 || layer >= s->model->layer_count) {
        return AMG_E_ARGUMENT;
    }
    p = s->plan;
    memset(out, 0, sizeof *out);
    out->name = p->steps[layer].name;
    out->op = p->steps[layer].op->name;
    out->ns = p->ns[layer];
    out->macs = p->steps[layer].macs;
    for (int32_t i = 0; i < s->model->tensor_count + s->model->layer_count; i++) {
        if (p->blocks[i].birth <= layer && layer <= p->blocks[i].death) {
            out->bytes_live += (uint64_t)p->blocks[i].bytes;
        }
    }
    return AMG_OK;
}
#endif
