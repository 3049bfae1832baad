/* no_thread.c - sessions where the system makes only so many threads: a status, and nothing is left behind. */
#include "amg.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int allowed, blocks;

/* Takes the place of the C library's: no thread, or one that ends at once. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *arg)
{
    (void)thread;
    (void)attributes;
    (void)run;
    (void)arg;
    return allowed-- > 0 ? 0 : EAGAIN;
}

int pthread_join(pthread_t thread, void **result)
{
    (void)thread;
    (void)result;
    return 0;
}

static void *take(void *user, size_t size)
{
    (void)user;
    blocks++;
    return malloc(size);
}

static void give(void *user, void *memory)
{
    (void)user;
    blocks--;
    free(memory);
}

int main(int argc, char **argv)
{
    amg_model *m;
    amg_options opening;
    memset(&opening, 0, sizeof opening);
    opening.struct_size = sizeof opening;
    opening.alloc = take;
    opening.release = give;
    if (argc != 2 || amg_open_file(argv[1], &opening, &m) != AMG_OK) {
        return 1;
    }
    const int before = blocks;
    for (int made = 0; made < 4; made++) {
        amg_session_options o;
        amg_session *s;
        memset(&o, 0, sizeof o);
        o.struct_size = sizeof o;
        o.threads = 4;
        allowed = made;
        const int32_t status = amg_session_new(m, &o, &s);
        if (status != (made < 3 ? AMG_E_MEMORY : AMG_OK) || !s != (made < 3)) {
            return 2;
        }
        amg_session_free(s);
        if (blocks != before) {
            return 3;
        }
    }
    amg_close(m);
    puts(blocks ? "memory is left" : "fine");
    return 0;
}
