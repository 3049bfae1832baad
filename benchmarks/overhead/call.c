/* call.c - nanoseconds of a call from C, the best of batches of BATCH calls over SECONDS: call SECONDS THREADS BATCH. Prints
 * calls per second too, and nanoseconds of processor time of a call. */
#include "model.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static amg_model *model;
static double seconds;
static int batch;

typedef struct result {
    double best, calls, took;
} result;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void *calls(void *out)
{
    result *r = (result *)out;
    amg_session *s = NULL;
    double start, end;
    size_t in = 0, out_bytes = 0;
    float *x, *y;
    amg_session_new(model, NULL, &s);
    amg_data(s, AMG_INPUT, 0, &in);
    amg_data(s, AMG_OUTPUT, 0, &out_bytes);
    x = (float *)calloc(1, in);
    y = (float *)malloc(out_bytes);
    for (start = end = now(); end - start < seconds; r->calls += batch) {
        const double before = end;
        for (int i = 0; i < batch; i++) {
            memcpy(amg_data(s, AMG_INPUT, 0, NULL), x, in);
            amg_run(s);
            memcpy(y, amg_data(s, AMG_OUTPUT, 0, NULL), out_bytes);
        }
        end = now();
        r->best = r->best == 0 || end - before < r->best ? end - before : r->best;
    }
    r->took = end - start;
    free(x);
    free(y);
    amg_session_free(s);
    return NULL;
}

int main(int argc, char **argv)
{
    const int threads = argc > 3 ? atoi(argv[2]) : 0;
    result results[64] = {{0, 0, 0}};
    pthread_t all[64];
    double calls_of_all = 0, longest = 0;
    clock_t cpu;
    if (threads < 1 || threads > 64) {
        return 2;
    }
    seconds = atof(argv[1]);
    batch = atoi(argv[3]);
    amg_open(NULL, &model);
    cpu = clock();
    for (int i = 0; i < threads; i++) {
        pthread_create(all + i, NULL, calls, results + i);
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(all[i], NULL);
        calls_of_all += results[i].calls;
        longest = results[i].took > longest ? results[i].took : longest;
    }
    cpu = clock() - cpu;
    amg_close(model);
    printf("C %.1f %.2f %.1f\n", results[0].best * 1e9 / batch, calls_of_all / longest,
           (double)cpu * 1e9 / CLOCKS_PER_SEC / calls_of_all);
    return 0;
}
