/* run_only.c - runs the model of a .amg file ten times on every instruction set, with any allocation being fatal. */
#include "amg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* glibc's own, behind the names that this program takes over. */
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void __libc_free(void *);

static int trapped, calls;

static void touched(void)
{
    calls++;
    if (trapped) {
        fputs("memory was asked for or given back during amg_run\n", stderr);
        abort();
    }
}

void *malloc(size_t size)
{
    touched();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    touched();
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    touched();
    return __libc_realloc(memory, size);
}

void free(void *memory)
{
    touched();
    __libc_free(memory);
}

int main(int argc, char **argv)
{
    amg_model *m = NULL;
    int runs = 0;
    if (argc < 2 || amg_open_file(argv[1], NULL, &m) != AMG_OK) {
        return 1;
    }
    for (int32_t isa = AMG_ISA_SCALAR; isa <= AMG_ISA_WASM; isa++) {
        amg_session_options o;
        amg_session *s;
        memset(&o, 0, sizeof o);
        o.struct_size = sizeof o;
        o.isa = isa;
        if (amg_session_new(m, &o, &s) == AMG_OK) {
            trapped = 1;
            for (int i = 0; i < 10; i++) {
                runs += amg_run(s) == AMG_OK;
            }
            trapped = 0;
            amg_session_free(s);
        }
    }
    amg_close(m);
    printf("%d runs, %d calls\n", runs, calls > 0);
    return calls == 0;
}
