/* faults.h - stands before a pair, whose malloc then fails when it is told to, and whose blocks are counted. It is told by two
 * numbers: calls of malloc up to the first that fails, and all after it (0: none fails); and blocks that are not yet freed.
 * They lie in the file that FAULTS names, which the test maps as well; in WebAssembly where its export `faults` says. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>

#ifdef __wasm__
__attribute__((export_name("faults"))) int64_t *faults_numbers(void)
{
    static int64_t numbers[2];
    return numbers;
}
#else
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static int64_t *faults_numbers(void)
{
    static int64_t *numbers;
    if (!numbers) {
        const char *path = getenv("FAULTS");
        const int file = path ? open(path, O_RDWR) : -1;
        void *map = file < 0 ? MAP_FAILED : mmap(NULL, 2 * sizeof *numbers, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (map == MAP_FAILED) {
            abort();
        }
        close(file);
        numbers = (int64_t *)map;
    }
    return numbers;
}
#endif

static void *faults_malloc(size_t size)
{
    int64_t *numbers = faults_numbers();
    void *memory = numbers[0] == 1 ? NULL : malloc(size);
    numbers[0] -= numbers[0] > 1;
    __atomic_add_fetch(numbers + 1, memory != NULL, __ATOMIC_RELAXED);
    return memory;
}

static void faults_free(void *memory)
{
    __atomic_sub_fetch(faults_numbers() + 1, memory != NULL, __ATOMIC_RELAXED);
    free(memory);
}

#define malloc faults_malloc
#define free faults_free
