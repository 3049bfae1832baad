/* flags.c - prints each operator of the runtime with its flags, for comparison with its Python half. */
#include "generated.h"

#include <stdio.h>

int main(void)
{
    for (int32_t i = 0; i < amg_op_count; i++) {
        printf("%s %u\n", amg_ops[i]->name, (unsigned)amg_ops[i]->flags);
    }
    return 0;
}
