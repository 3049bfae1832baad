/* golden.c - the digit network on golden vectors, from 8 threads, after faults, of memory too, and from a file and its
 * bytes where one is named: golden GOLDEN.txt CYCLES [DIGITS.amg]. Prints "ok". */
#include "digits.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIXELS 64
#define CLASSES 10
#define MOST 64
#define THREADS 8

typedef struct vector {
    unsigned char pixels[PIXELS];
    float values[PIXELS];
    float scores[CLASSES];
} vector;

static vector vectors[MOST];
static int count, cycles;
static amg_model *shared;

static void check(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "fails: %s\n", what);
        exit(1);
    }
}

static void read_vectors(const char *path)
{
    FILE *file = fopen(path, "r");
    double number;
    int at = 0;
    check(file != NULL, path);
    while (count < MOST && fscanf(file, "%lf", &number) == 1) {
        vector *v = vectors + count;
        if (at < PIXELS) {
            v->pixels[at] = (unsigned char)number;
            v->values[at] = (float)number / 255.0f;
        } else if (at > PIXELS) {
            v->scores[at - PIXELS - 1] = (float)number;
        }
        at = (at + 1) % (PIXELS + 1 + CLASSES);
        count += at == 0;
    }
    fclose(file);
    check(count >= 20 && at == 0, "20 vectors");
}

static void near(const float *got, const float *wanted)
{
    for (int i = 0; i < CLASSES; i++) {
        check(fabsf(got[i] - wanted[i]) <= 1e-5f, "a score is not the golden one");
    }
}

static void run_vector(amg_session *s, const vector *v)
{
    size_t bytes = 0;
    float *x = (float *)amg_data(s, AMG_INPUT, 0, &bytes);
    check(bytes == sizeof v->values, "size of the input");
    memcpy(x, v->values, bytes);
    check(amg_run(s) == AMG_OK, "amg_run");
    near((const float *)amg_data(s, AMG_OUTPUT, 0, NULL), v->scores);
}

static void run_all(const amg_model *m)
{
    amg_session *s = NULL;
    check(amg_session_new(m, NULL, &s) == AMG_OK, "amg_session_new");
    for (int i = 0; i < count; i++) {
        int32_t best[CLASSES];
        float scores[CLASSES], sorted[CLASSES];
        run_vector(s, vectors + i);
        check(amg_set_image(s, 0, vectors[i].pixels, 8, 8, 8, AMG_GRAY8) == AMG_OK && amg_run(s) == AMG_OK, "a picture");
        check(amg_topk(s, 0, CLASSES, best, scores) == CLASSES && scores[0] >= scores[1], "amg_topk");
        for (int k = 0; k < CLASSES; k++) {
            sorted[best[k]] = scores[k];
        }
        near(sorted, vectors[i].scores);
    }
    amg_session_free(s);
}

static void *thread(void *unused)
{
    (void)unused;
    for (int i = 0; i <= cycles / 50; i++) {
        run_all(shared);
    }
    return NULL;
}

static void run_threads(void)
{
    pthread_t all[THREADS];
    for (int i = 0; i < THREADS; i++) {
        check(pthread_create(all + i, NULL, thread, NULL) == 0, "pthread_create");
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(all[i], NULL);
    }
}

static void faults(void)
{
    static const int64_t dims[2] = {1, 64};
    static const char junk[256];
    char said[200] = "";
    amg_model *none = NULL;
    amg_session *s = NULL;
    amg_options options;
    amg_session_options wrong;
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.data = junk;
    options.size = sizeof junk;
    options.errbuf = said;
    options.errbuf_size = sizeof said;
    check(amg_open(&options, &none) == AMG_E_FORMAT && !none && strstr(said, "magic"), "junk");
    check(amg_open_file("nothing.amg", &options, &none) == AMG_E_FILE && strstr(said, "nothing.amg"), "no file");
    check(amg_session_new(NULL, NULL, &s) == AMG_E_ARGUMENT && !s, "no model");
    memset(&wrong, 0, sizeof wrong);
    wrong.struct_size = sizeof wrong;
    wrong.threads = -1;
    check(amg_session_new(shared, &wrong, &s) == AMG_E_ARGUMENT && !s, "threads");
    check(amg_session_new(shared, NULL, &s) == AMG_OK, "amg_session_new");
    check(amg_set_shape(s, 0, dims, 2) == AMG_E_SHAPE && amg_errmsg(s)[0], "wrong rank");
    check(amg_set_image(s, 0, NULL, 8, 8, 8, AMG_GRAY8) == AMG_E_ARGUMENT, "no pixels");
    check(amg_run(NULL) == AMG_E_ARGUMENT && !amg_data(s, AMG_INPUT, 1, NULL), "nothing to run");
    run_vector(s, vectors);
    amg_session_free(s);
    amg_session_free(NULL);
    amg_close(NULL);
}

typedef struct stock {
    int calls;  /* that are answered before memory runs out; negative: it does not */
    int blocks; /* not yet freed */
} stock;

static void *stock_alloc(void *user, size_t size)
{
    stock *s = (stock *)user;
    void *memory = s->calls == 0 ? NULL : malloc(size);
    s->calls -= s->calls > 0;
    s->blocks += memory != NULL;
    return memory;
}

static void stock_release(void *user, void *memory)
{
    ((stock *)user)->blocks--;
    free(memory);
}

/* Opens, makes a session of two threads and changes its shape, with memory that runs out at the n-th allocation, for every n:
 * AMG_E_MEMORY each time, nothing lost, and what was made before is of use. Returns how many allocations it takes. */
static int starve(void)
{
    static const int64_t batch[4] = {3, 1, 8, 8}, single[4] = {1, 1, 8, 8};
    for (int n = 0;; n++) {
        stock supply = {n, 0};
        amg_model *m = NULL;
        amg_session *s = NULL;
        amg_options options;
        amg_session_options two;
        int32_t status;
        memset(&options, 0, sizeof options);
        options.struct_size = sizeof options;
        options.alloc = stock_alloc;
        options.release = stock_release;
        options.user = &supply;
        memset(&two, 0, sizeof two);
        two.struct_size = sizeof two;
        two.threads = 2;
        status = amg_open(&options, &m);
        status = status == AMG_OK ? amg_session_new(m, &two, &s) : status;
        status = status == AMG_OK ? amg_set_shape(s, 0, batch, 4) : status;
        check(status == AMG_OK || status == AMG_E_MEMORY, "memory that runs out is AMG_E_MEMORY");
        supply.calls = -1;
        check(m || amg_open(&options, &m) == AMG_OK, "amg_open once there is memory");
        run_all(m);
        check(s || amg_session_new(m, NULL, &s) == AMG_OK, "amg_session_new once there is memory");
        check(status != AMG_OK || amg_set_shape(s, 0, single, 4) == AMG_OK, "the former shape");
        run_vector(s, vectors);
        amg_session_free(s);
        amg_close(m);
        check(supply.blocks == 0, "memory is lost where an allocation fails");
        if (status == AMG_OK) {
            return n;
        }
    }
}

static long resident(void)
{
    long pages = -1;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file) {
        check(fscanf(file, "%*d %ld", &pages) == 1, "/proc/self/statm");
        fclose(file);
    }
    return pages;
}

static void run_cycles(void)
{
    long before = 0;
    for (int round = 0; round < 2; round++) {
        before = resident();
        for (int i = 0; i < cycles; i++) {
            amg_model *m = NULL;
            amg_session *s = NULL;
            check(amg_open(NULL, &m) == AMG_OK && amg_session_new(m, NULL, &s) == AMG_OK, "amg_open");
            run_vector(s, vectors);
            amg_session_free(s);
            amg_close(m);
        }
    }
    check(resident() - before < 64, "memory grows");
}

static void run_file(const char *path)
{
    static uint64_t bytes[1 << 15]; /* aligned as a model wants to be */
    FILE *file = fopen(path, "rb");
    amg_options options;
    amg_model *m = NULL;
    check(file != NULL, path);
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    for (uint32_t flags = 0; flags <= (AMG_OPEN_COPY | AMG_OPEN_VERIFY); flags++) {
        options.flags = flags;
        options.data = bytes;
        check(amg_open(&options, &m) == AMG_OK, "bytes of a file");
        run_all(m);
        amg_close(m);
        check(amg_open_file(path, &options, &m) == AMG_OK, "a file");
        run_all(m);
        amg_close(m);
    }
}

int main(int argc, char **argv)
{
    check(argc >= 3, "golden GOLDEN.txt CYCLES [DIGITS.amg]");
    cycles = atoi(argv[2]);
    read_vectors(argv[1]);
    check(amg_open(NULL, &shared) == AMG_OK, "amg_open");
    run_all(shared);
    run_threads();
    faults();
    check(starve() >= 6, "the model; the session, its plan and arena; the other shape's plan and arena");
    amg_close(shared);
    run_cycles();
    if (argc > 3) {
        run_file(argv[3]);
    }
    puts("ok");
    return 0;
}
