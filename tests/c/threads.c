/* threads.c - sessions on several threads, many at once on one model, cancelled, on a caller's pool, and after a fork. */
#define _POSIX_C_SOURCE 200809L
#include "amg.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUNS 12
#define USERS 4

static amg_model *model;
static float *wanted;
static size_t bytes;

static void need(int fine, const char *what)
{
    if (!fine) {
        fprintf(stderr, "%s\n", what);
        exit(1);
    }
}

static amg_session_options options_of(int32_t threads)
{
    amg_session_options o;
    memset(&o, 0, sizeof o);
    o.struct_size = sizeof o;
    o.threads = threads;
    return o;
}

static amg_session *session_of(const amg_session_options *o)
{
    amg_session *s;
    need(amg_session_new(model, o, &s) == AMG_OK, "no session");
    return s;
}

static int32_t run(amg_session *s)
{
    size_t size;
    float *x = (float *)amg_data(s, AMG_INPUT, 0, &size);
    for (size_t i = 0; i < size / sizeof *x; i++) {
        x[i] = (float)(i * 37 % 101) / 101.0f - 0.5f;
    }
    return amg_run(s);
}

static int right(amg_session *s)
{
    return memcmp(amg_data(s, AMG_OUTPUT, 0, NULL), wanted, bytes) == 0;
}

static void *user(void *arg)
{
    const amg_session_options o = options_of(1 + *(const int32_t *)arg);
    amg_session *s = session_of(&o);
    for (int i = 0; i < RUNS; i++) {
        need(run(s) == AMG_OK && right(s), "another result beside other sessions");
    }
    amg_session_free(s);
    return NULL;
}

static void many_at_once(void)
{
    pthread_t thread[USERS];
    int32_t number[USERS];
    for (int32_t i = 0; i < USERS; i++) {
        number[i] = i;
        need(pthread_create(thread + i, NULL, user, number + i) == 0, "no thread");
    }
    for (int32_t i = 0; i < USERS; i++) {
        pthread_join(thread[i], NULL);
    }
}

static int32_t stop_at(void *layer, int32_t now, int32_t layers)
{
    (void)layers;
    return now == *(int32_t *)layer;
}

static void cancelled(void)
{
    int32_t layer;
    amg_session_options o = options_of(3);
    amg_session *s;
    o.progress = stop_at;
    o.user = &layer;
    s = session_of(&o);
    for (layer = amg_layer_count(model) - 1; layer >= 0; layer--) {
        need(run(s) == AMG_E_CANCELLED, "not cancelled");
    }
    need(run(s) == AMG_OK && right(s), "another result after having been cancelled");
    amg_session_free(s);
}

typedef struct caller_piece {
    void (*piece)(void *arg, int32_t index);
    void *arg;
    int32_t index;
} caller_piece;

static void *caller_thread(void *arg)
{
    const caller_piece *p = (const caller_piece *)arg;
    p->piece(p->arg, p->index);
    return NULL;
}

/* A thread for each piece, or, where pool_user says so, one piece after the other from the last on. */
static void caller_parallel(void *pool_user, int32_t pieces, void (*piece)(void *arg, int32_t index), void *arg)
{
    caller_piece p[8];
    pthread_t thread[8];
    need(pieces > 1 && pieces <= 4, "more pieces than threads");
    for (int32_t i = pieces - 1; i >= 0; i--) {
        p[i].piece = piece;
        p[i].arg = arg;
        p[i].index = i;
        if (*(const int *)pool_user) {
            caller_thread(p + i);
        } else {
            need(pthread_create(thread + i, NULL, caller_thread, p + i) == 0, "no thread");
        }
    }
    for (int32_t i = 0; i < pieces && !*(const int *)pool_user; i++) {
        pthread_join(thread[i], NULL);
    }
}

static void callers_pool(void)
{
    for (int serial = 0; serial < 2; serial++) {
        amg_session_options o = options_of(4);
        amg_session *s;
        o.parallel = caller_parallel;
        o.pool_user = &serial;
        s = session_of(&o);
        need(run(s) == AMG_OK && right(s), "another result on the caller's pool");
        amg_session_free(s);
    }
}

static void forked(void)
{
    const amg_session_options o = options_of(3);
    amg_session *s = session_of(&o);
    need(run(s) == AMG_OK && right(s), "another result");
    for (int i = 0; i < 20; i++) {
        int status;
        const pid_t child = fork();
        if (child == 0) {
            alarm(20);
            need(run(s) == AMG_OK && right(s), "another result in the child");
            amg_session_free(s);
            _exit(0);
        }
        need(waitpid(child, &status, 0) == child && status == 0, "the child failed");
        need(run(s) == AMG_OK && right(s), "another result after a fork");
    }
    amg_session_free(s);
}

int main(int argc, char **argv)
{
    amg_session *s;
    need(argc == 3 && amg_open_file(argv[1], NULL, &model) == AMG_OK, "no model");
    s = session_of(NULL);
    need(run(s) == AMG_OK, "no run");
    wanted = (float *)amg_data(s, AMG_OUTPUT, 0, &bytes);
    if (strcmp(argv[2], "fork") == 0) {
        forked();
    } else {
        many_at_once();
        cancelled();
        callers_pool();
    }
    amg_session_free(s);
    amg_close(model);
    puts("fine");
    return 0;
}
