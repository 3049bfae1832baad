/* cases.c - runs models one after the other, for processors that an emulator stands in for.
 *
 * From stdin, until it ends: int32 instruction set, uint32 size of a .amg file, the file, and the bytes of its inputs.
 * To stdout for each: int32 status, then the bytes of its outputs where that is AMG_OK.
 */
#include "amg.h"

#include <stdio.h>
#include <stdlib.h>

static int take(void *to, size_t size)
{
    return fread(to, 1, size, stdin) == size;
}

static int32_t run(const amg_model *model, amg_session *session)
{
    size_t size = 0;
    for (int32_t i = 0; i < amg_tensor_count(model, AMG_INPUT); i++) {
        void *x = amg_data(session, AMG_INPUT, i, &size);
        if (x == NULL || !take(x, size)) {
            return AMG_E_ARGUMENT;
        }
    }
    return amg_run(session);
}

int main(void)
{
    static char memory[(1 << 22) + 64];
    char *file = memory + (64 - (size_t)memory % 64) % 64;
    int32_t isa = 0;
    uint32_t length = 0;
    while (take(&isa, sizeof isa) && take(&length, sizeof length) && length <= 1 << 22 && take(file, length)) {
        amg_options options = { 0 };
        amg_session_options session_options = { 0 };
        amg_model *model = NULL;
        amg_session *session = NULL;
        options.struct_size = sizeof options;
        options.data = file;
        options.size = length;
        session_options.struct_size = sizeof session_options;
        session_options.isa = isa;
        int32_t status = amg_open(&options, &model);
        status = status == AMG_OK ? amg_session_new(model, &session_options, &session) : status;
        status = status == AMG_OK ? run(model, session) : status;
        fwrite(&status, sizeof status, 1, stdout);
        if (status != AMG_OK) {
            return 1; /* what follows in stdin cannot be told apart */
        }
        for (int32_t i = 0; i < amg_tensor_count(model, AMG_OUTPUT); i++) {
            size_t size = 0;
            const void *y = amg_data(session, AMG_OUTPUT, i, &size);
            fwrite(y, 1, size, stdout);
        }
        amg_session_free(session);
        amg_close(model);
    }
    return 0;
}
