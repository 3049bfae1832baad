/* abuse.c - opens and runs damaged copies of a .amg file, for builds with sanitizers.
 *
 *   abuse FILE truncated     cut at every offset: every one must be refused
 *   abuse FILE flipped       every byte of the control region changed, without a new checksum: refused
 *   abuse FILE forged N SEED N random changes with the checksum made right: refused or run
 *   abuse FILE swept         every byte of the control region set to telling values, checksum made right: refused or run
 *   abuse FILE starved       an allocator that fails at its n-th call, for every n, the bytes being given, read or
 *                            mapped: a status, and nothing lost
 *   abuse FILE given         as it is: must open and run
 * Copies lie in blocks of their exact size, so that a read beyond is seen. Prints how many copies ran. */
#include "amg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef SILENT
#define SILENT 0 /* 1: of a build without messages */
#endif

#define SUMMED 16 /* the checksum covers what follows this offset, up to the weights */

static uint64_t number(const unsigned char *p, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--) {
        v = v << 8 | p[i];
    }
    return v;
}

/* Where the weights begin by the sizes that the header states, or 0 where they make no sense. */
static size_t control_end(const unsigned char *p, size_t size)
{
    const uint64_t weights = number(p + 40, 8);
    return weights <= size && size - weights >= 128 && (size - weights) % 4 == 0 ? (size_t)(size - weights) : 0;
}

static void forge_checksum(unsigned char *p, size_t size)
{
    const size_t end = control_end(p, size);
    uint64_t a = 0, b = 0;
    for (size_t i = SUMMED; i + 4 <= end; i += 4) {
        a += number(p + i, 4);
        b += a;
    }
    a += b * 0x3c6ef372fe94f82au;
    for (int i = 0; i < 8; i++) {
        p[8 + i] = (unsigned char)(a >> (8 * i));
    }
}

/* Opens, asks what it costs, and runs if that is little. 1: it ran. */
static int attempt(const unsigned char *data, size_t size, uint32_t flags)
{
    char message[200];
    amg_options o;
    amg_model *m;
    amg_session *s;
    uint64_t macs = 0;
    int ran = 0;
    memset(&o, 0, sizeof o);
    o.struct_size = sizeof o;
    o.data = data;
    o.size = size;
    o.errbuf = message;
    o.errbuf_size = sizeof message;
    o.flags = flags;
    if (amg_open(&o, &m) != AMG_OK) {
        if ((!message[0] && !SILENT) || m) {
            fprintf(stderr, "refused without a message, or with a model\n");
            exit(1);
        }
        return 0;
    }
    if (amg_arena_size(m, NULL) < (16u << 20) && amg_session_new(m, NULL, &s) == AMG_OK) {
        amg_layer_stat stat;
        for (int32_t i = 0; i < amg_layer_count(m); i++) {
            amg_profile(s, i, &stat);
            macs += stat.macs;
        }
        if (macs < 10000000u) {
            ran = amg_run(s) == AMG_OK;
        }
        for (int32_t i = 0; i < amg_tensor_count(m, AMG_OUTPUT); i++) { /* every output can be read */
            size_t bytes, sum = 0;
            const unsigned char *p = (const unsigned char *)amg_data(s, AMG_OUTPUT, i, &bytes);
            for (size_t k = 0; k < bytes; k++) {
                sum += p[k];
            }
            ran += sum == SIZE_MAX;
        }
        amg_session_free(s);
    }
    amg_close(m);
    return ran;
}

static unsigned char *copy_of(const unsigned char *data, size_t size)
{
    unsigned char *copy = (unsigned char *)malloc(size ? size : 1);
    if (!copy) {
        exit(2);
    }
    memcpy(copy, data, size);
    return copy;
}

static long truncated(const unsigned char *data, size_t size)
{
    long ran = 0;
    for (size_t n = 0; n < size; n++) {
        unsigned char *copy = copy_of(data, n);
        ran += attempt(copy, n, n % 2 ? AMG_OPEN_COPY : 0);
        if (n >= 128) { /* the same with a header that knows the new size */
            for (int i = 0; i < 8; i++) {
                copy[24 + i] = (unsigned char)((uint64_t)n >> (8 * i));
            }
            forge_checksum(copy, n);
            ran += attempt(copy, n, 0);
        }
        free(copy);
    }
    return ran;
}

static long flipped(const unsigned char *data, size_t size)
{
    long ran = 0;
    for (size_t i = 0; i < control_end(data, size); i++) {
        for (int bit = 0; bit < 8; bit++) {
            unsigned char *copy = copy_of(data, size);
            copy[i] ^= (unsigned char)(1 << bit);
            ran += attempt(copy, size, AMG_OPEN_COPY);
            free(copy);
        }
    }
    return ran;
}

static long swept(const unsigned char *data, size_t size)
{
    static const unsigned char values[] = {0, 1, 2, 3, 5, 16, 63, 127, 128, 255};
    long ran = 0;
    for (size_t i = SUMMED; i < control_end(data, size); i++) {
        for (size_t v = 0; v < sizeof values; v++) {
            if (data[i] != values[v]) {
                unsigned char *copy = copy_of(data, size);
                copy[i] = values[v];
                forge_checksum(copy, size);
                ran += attempt(copy, size, AMG_OPEN_COPY);
                free(copy);
            }
        }
    }
    return ran;
}

static uint64_t state;

static uint32_t any(uint32_t below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % below;
}

static long forged(const unsigned char *data, size_t size, long times)
{
    static const uint32_t values[] = {0, 1, 2, 3, 4, 7, 8, 15, 16, 17, 64, 255, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffe,
                                      0x10000, 0x7f800000, 0x7fc00000, 0xff800000, 0x40000000, 0x20000001};
    long ran = 0;
    for (long n = 0; n < times; n++) {
        unsigned char *copy = copy_of(data, size);
        const uint32_t changes = 1 + any(3), end = (uint32_t)control_end(data, size);
        for (uint32_t c = 0; c < changes; c++) {
            const uint32_t at = 48 + any((end - 48) / 4) * 4;
            uint32_t value = (uint32_t)number(copy + at, 4);
            switch (any(5)) {
            case 0: value = values[any(sizeof values / sizeof *values)]; break;
            case 1: value += any(9) - 4; break;
            case 2: value ^= 1u << any(32); break;
            case 3: value = (uint32_t)number(copy + 48 + any((end - 48) / 4) * 4, 4); break;
            default: value = any(24); break;
            }
            for (int i = 0; i < 4; i++) {
                copy[at + (uint32_t)i] = (unsigned char)(value >> (8 * i));
            }
        }
        forge_checksum(copy, size);
        ran += attempt(copy, size, AMG_OPEN_COPY);
        free(copy);
    }
    return ran;
}

typedef struct hunger {
    long left, taken, given;
} hunger;

static void *starving_alloc(void *user, size_t bytes)
{
    hunger *h = (hunger *)user;
    if (h->left-- <= 0) {
        return NULL;
    }
    h->taken++;
    return malloc(bytes);
}

static void starving_release(void *user, void *memory)
{
    ((hunger *)user)->given++;
    free(memory);
}

/* The number of calls at which everything succeeds at last. path: NULL for the bytes in memory. */
static long starved(const unsigned char *data, size_t size, const char *path, uint32_t flags)
{
    for (long n = 0;; n++) {
        hunger h = {n, 0, 0};
        amg_options o;
        amg_model *m;
        amg_session *s = NULL;
        amg_tensor t;
        int32_t status;
        memset(&o, 0, sizeof o);
        o.struct_size = sizeof o;
        o.data = data;
        o.size = size;
        o.alloc = starving_alloc;
        o.release = starving_release;
        o.user = &h;
        o.flags = flags;
        status = path ? amg_open_file(path, &o, &m) : amg_open(&o, &m);
        if (status == AMG_OK) {
            const int sized = amg_arena_size(m, NULL) > 0;
            status = amg_session_new(m, NULL, &s);
            if (status == AMG_OK) {
                amg_tensor_info(m, AMG_INPUT, 0, &t);
                status = amg_set_shape(s, 0, t.dims, t.ndim);
                if (amg_run(s) != AMG_OK) { /* the former plan still works */
                    return -1;
                }
            }
            if (status == AMG_OK && !sized) {
                return -2;
            }
        }
        amg_session_free(s);
        amg_close(m);
        if (h.taken != h.given || (status != AMG_OK && status != AMG_E_MEMORY)) {
            return -3;
        }
        if (status == AMG_OK) {
            return n;
        }
    }
}

/* The calls of the way that makes the fewest. */
static long starved_each_way(const unsigned char *data, size_t size, const char *path)
{
    const long given = starved(data, size, NULL, AMG_OPEN_COPY);
    const long copied = starved(data, size, path, AMG_OPEN_COPY), mapped = starved(data, size, path, 0);
    const long least = given < copied ? given : copied;
    return least < mapped ? least : mapped;
}

int main(int argc, char **argv)
{
    FILE *file = argc > 2 ? fopen(argv[1], "rb") : NULL;
    unsigned char *data = (unsigned char *)malloc(1u << 24);
    size_t size = file && data ? fread(data, 1, 1u << 24, file) : 0;
    const char *mode = argc > 2 ? argv[2] : "";
    long ran = -1;
    if (size) {
        fclose(file);
        data = (unsigned char *)realloc(data, size);
        state = argc > 4 ? (uint64_t)atol(argv[4]) : 1;
        ran = strcmp(mode, "truncated") == 0 ? truncated(data, size)
              : strcmp(mode, "flipped") == 0 ? flipped(data, size)
              : strcmp(mode, "swept") == 0   ? swept(data, size)
              : strcmp(mode, "forged") == 0  ? forged(data, size, argc > 3 ? atol(argv[3]) : 1000)
              : strcmp(mode, "starved") == 0 ? starved_each_way(data, size, argv[1])
              : strcmp(mode, "given") == 0   ? attempt(data, size, AMG_OPEN_VERIFY)
                                             : -1;
    }
    free(data);
    printf("%ld\n", ran);
    return ran < 0;
}
