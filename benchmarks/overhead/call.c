/* call.c - nanoseconds of a call from C, the best of batches over SECONDS: call SECONDS THREADS. Prints calls per second too. */
#include "digits.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH 1000

static amg_model *model;
static double seconds;

typedef struct result {
    double best, calls;
} result;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void *calls(void *out)
{
    static const float x[64] = {0.5f};
    float y[10];
    result *r = (result *)out;
    amg_session *s = NULL;
    double start, end;
    amg_session_new(model, NULL, &s);
    for (start = end = now(); end - start < seconds; r->calls += BATCH) {
        const double before = end;
        for (int i = 0; i < BATCH; i++) {
            memcpy(amg_data(s, AMG_INPUT, 0, NULL), x, sizeof x);
            amg_run(s);
            memcpy(y, amg_data(s, AMG_OUTPUT, 0, NULL), sizeof y);
        }
        end = now();
        r->best = r->best == 0 || end - before < r->best ? end - before : r->best;
    }
    r->calls /= end - start;
    amg_session_free(s);
    return NULL;
}

int main(int argc, char **argv)
{
    const int threads = argc > 2 ? atoi(argv[2]) : 1;
    result results[64] = {{0, 0}};
    pthread_t all[64];
    double total = 0;
    seconds = atof(argv[1]);
    amg_open(NULL, &model);
    for (int i = 0; i < threads; i++) {
        pthread_create(all + i, NULL, calls, results + i);
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(all[i], NULL);
        total += results[i].calls;
    }
    amg_close(model);
    printf("C %.1f %.0f\n", results[0].best * 1e9 / BATCH, total);
    return 0;
}
