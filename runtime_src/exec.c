/* exec.c - runs the steps of a session in order, measures them, and reports what they cost. */
#ifndef AMG_NO_PROFILE
#define _POSIX_C_SOURCE 200809L
#endif
#include "bands.h"
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

/* What the steps of one run share. */
typedef struct exec_run {
    const amg_session *session;
    amg_context context;
    uint64_t then; /* when the last step was done */
} exec_run;

/* Notes the time since the last step as that of step `layer`, or of none: -1. */
static void exec_lap(exec_run *run, int32_t layer)
{
#ifndef AMG_NO_PROFILE
    const uint64_t now = exec_now();
    if (layer >= 0) {
        run->session->plan->ns[layer] += now - run->then;
    }
    run->then = now;
#else
    (void)run, (void)layer;
#endif
}

/* Runs a step, or a piece of it; 1. */
static int32_t exec_step(void *arg, int32_t layer, amg_step *step)
{
    exec_run *run = (exec_run *)arg;
    const amg_session *s = run->session;
    const amg_plan *p = s->plan;
    int32_t most = 1;
#ifndef AMG_NO_THREADS
    most = run->context.pool ? s->options.threads : 1;
#endif
    run->context.scratch = (char *)s->arena + p->blocks[s->model->tensor_count + layer].offset;
    run->context.scratch_size = (size_t)amg_round_up((int64_t)p->steps[layer].scratch, AMG_ALIGN);
    run->context.threads = exec_threads(step, most);
    step->op->run(step, &run->context);
    exec_lap(run, layer);
    return 1;
}

AMG_API int32_t amg_run(amg_session *s)
{
    amg_plan *p;
    exec_run run;
    int32_t layers;
    if (!s) {
        return AMG_E_ARGUMENT;
    }
    p = s->plan;
    layers = s->model->layer_count;
    memset(&run, 0, sizeof run);
    run.session = s;
    run.context.isa = s->options.isa;
#ifndef AMG_NO_THREADS
    run.context.pool = amg_pool_here(s->pool);
#endif
    memset(p->ns, 0, (size_t)layers * sizeof *p->ns);
    exec_lap(&run, -1);
    for (int32_t i = 0; i < layers; i++) {
        if (s->options.progress && s->options.progress(s->options.user, i, layers)) {
            return amg_say(s->message, sizeof s->message, AMG_E_CANCELLED, "cancelled before layer", p->steps[i].name);
        }
        const amg_band band = amg_band_of(p, i);
        if (band.first == band.last) {
            (void)exec_step(&run, i, p->steps + i);
        } else if (amg_by_rows && i == band.last) { /* all steps of a band run when the last is due */
            (void)amg_bands_walk(p, band.first, exec_step, &run);
        }
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
