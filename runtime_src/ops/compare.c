/* compare.c - y = 1 where a relation holds between a and b, else 0, broadcast. a, b: both float32 or both int64; y: int64.
 * Attribute: relation (0: ==, 1: <, 2: <=, 3: >, 4: >=, 5: and, 6: or, 7: xor). */
#include "kernels/together.h"
#include "op.h"

#define COMPARE_COUNT 8

static AMG_COLD int32_t compare_check(amg_check *c, amg_step *s)
{
    amg_attrs a = amg_attrs_of(s);
    const int32_t relation = amg_attr_int(&a);
    if (amg_check_arity(c, s, 2, 2, 1)) {
        return c->status;
    }
    if (!amg_attrs_done(&a) || relation < 0 || relation >= COMPARE_COUNT || s->in[0]->dtype != s->in[1]->dtype) {
        return amg_fail(c, AMG_E_FORMAT, "relation is unknown, or its inputs differ in type");
    }
    return amg_together_check(c, s, AMG_I64);
}

#define COMPARE_LOOP(type, holds)                                                                        \
    do {                                                                                                 \
        const type *x = (const type *)s->in[0]->data + at[0], *z = (const type *)s->in[1]->data + at[1]; \
        for (int64_t i = 0; i < width; i++) {                                                            \
            const type a = x[i * w->inner[0]], b = z[i * w->inner[1]];                                   \
            y[i] = holds;                                                                                \
        }                                                                                                \
    } while (0)

#define COMPARE_BY(holds)              \
    do {                               \
        if (real) {                    \
            COMPARE_LOOP(float, holds);   \
        } else {                       \
            COMPARE_LOOP(int64_t, holds); \
        }                              \
    } while (0)

static void compare_rows(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const amg_together *w = (const amg_together *)arg;
    const amg_step *s = w->step;
    const int real = s->in[0]->dtype == AMG_F32;
    int64_t rows, width, at[AMG_TOGETHER_MAX];
    (void)thread;
    amg_rows_of(s->out[0], &rows, &width);
    for (int64_t row = begin; row < end; row++) {
        int64_t *y = (int64_t *)s->out[0]->data + row * width;
        amg_together_row(w, row, at);
        switch (s->attr[0]) {
        case 0:
            COMPARE_BY(a == b);
            break;
        case 1:
            COMPARE_BY(a < b);
            break;
        case 2:
            COMPARE_BY(a <= b);
            break;
        case 3:
            COMPARE_BY(a > b);
            break;
        case 4:
            COMPARE_BY(a >= b);
            break;
        case 5:
            COMPARE_BY(a != 0 && b != 0);
            break;
        case 6:
            COMPARE_BY(a != 0 || b != 0);
            break;
        default:
            COMPARE_BY((a != 0) != (b != 0));
            break;
        }
    }
}
#undef COMPARE_LOOP
#undef COMPARE_BY
#undef COMPARE_COUNT

static void compare_run(const amg_step *s, const amg_context *t)
{
    amg_together_run(s, t, compare_rows);
}

AMG_INTERNAL const amg_op amg_op_compare = {"compare", 0, compare_check, compare_run};
