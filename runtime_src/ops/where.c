/* where.c - y = condition != 0 ? a : b, the three broadcast against each other. condition: int64 or float32; a, b: one type,
 * either of these. */
#include "kernels/together.h"
#include "op.h"

static AMG_COLD int32_t where_check(amg_check *c, amg_step *s)
{
    if (amg_check_arity(c, s, 3, 3, 1)) {
        return c->status;
    }
    if (s->attr_count || s->in[1]->dtype != s->in[2]->dtype) {
        return amg_fail(c, AMG_E_FORMAT, "its values differ in type, or it has attributes");
    }
    return amg_together_check(c, s, s->in[1]->dtype);
}

#define WHERE_ROW(test, type)                                                                            \
    do {                                                                                                 \
        const test *condition = (const test *)s->in[0]->data + at[0];                                    \
        const type *a = (const type *)s->in[1]->data + at[1], *b = (const type *)s->in[2]->data + at[2]; \
        type *to = (type *)s->out[0]->data + row * width;                                                \
        for (int64_t i = 0; i < width; i++) {                                                            \
            to[i] = condition[i * w->inner[0]] != 0 ? a[i * w->inner[1]] : b[i * w->inner[2]];           \
        }                                                                                                \
    } while (0)

static void where_rows(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const amg_together *w = (const amg_together *)arg;
    const amg_step *s = w->step;
    const int real = s->out[0]->dtype == AMG_F32, real_test = s->in[0]->dtype == AMG_F32;
    int64_t rows, width, at[AMG_TOGETHER_MAX];
    (void)thread;
    amg_rows_of(s->out[0], &rows, &width);
    for (int64_t row = begin; row < end; row++) {
        amg_together_row(w, row, at);
        if (real && real_test) {
            WHERE_ROW(float, float);
        } else if (real) {
            WHERE_ROW(int64_t, float);
        } else if (real_test) {
            WHERE_ROW(float, int64_t);
        } else {
            WHERE_ROW(int64_t, int64_t);
        }
    }
}
#undef WHERE_ROW

static void where_run(const amg_step *s, const amg_context *t)
{
    amg_together_run(s, t, where_rows);
}

AMG_INTERNAL const amg_op amg_op_where = {"where", 0, where_check, where_run};
