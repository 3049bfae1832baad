/* where.c - y = condition != 0 ? a : b, the three broadcast against each other. condition: int64 or float32; a, b: one type,
 * either of these. */
#include "op.h"

/* Steps, in elements, along the axes of y; 0 where an operand repeats. */
typedef struct where_steps {
    int64_t step[AMG_MAX_NDIM];
} where_steps;

static int32_t where_check(amg_check *c, amg_step *s)
{
    int64_t dim[AMG_MAX_NDIM];
    int32_t ndim = 0;
    if (amg_check_arity(c, s, 3, 3, 1)) {
        return c->status;
    }
    if (s->attr_count || s->in[1]->dtype != s->in[2]->dtype) {
        return amg_fail(c, AMG_E_FORMAT, "its values differ in type, or it has attributes");
    }
    for (int32_t i = 0; i < 3; i++) {
        ndim = AMG_MAX(ndim, s->in[i]->ndim);
        if (s->in[i]->packing != AMG_PLAIN || (s->in[i]->dtype != AMG_F32 && s->in[i]->dtype != AMG_I64)) {
            return amg_fail(c, AMG_E_FORMAT, "an input is not a plain tensor of float32 or int64");
        }
    }
    for (int32_t j = 0; j < ndim; j++) {
        dim[j] = 1;
        for (int32_t i = 0; i < 3; i++) {
            const int32_t mine = j - (ndim - s->in[i]->ndim);
            const int64_t n = mine < 0 ? 1 : s->in[i]->dim[mine];
            if (n != 1 && dim[j] != 1 && n != dim[j]) {
                return amg_fail(c, AMG_E_SHAPE, "its inputs do not broadcast");
            }
            dim[j] = AMG_MAX(dim[j], n);
        }
    }
    return amg_set_out(c, s->out[0], s->in[1]->dtype, ndim, dim);
}

static where_steps where_steps_of(const amg_value *x, const amg_value *y)
{
    where_steps w = {{0}};
    int64_t step = 1;
    for (int32_t i = x->ndim - 1; i >= 0; i--) {
        w.step[i + y->ndim - x->ndim] = x->dim[i] == 1 ? 0 : step;
        step *= x->dim[i];
    }
    return w;
}

#define WHERE_ROW(test, type)                                                                         \
    do {                                                                                              \
        const test *condition = (const test *)s->in[0]->data + at[0];                                 \
        const type *a = (const type *)s->in[1]->data + at[1], *b = (const type *)s->in[2]->data + at[2]; \
        type *to = (type *)y->data + row * width;                                                     \
        for (int64_t i = 0; i < width; i++) {                                                         \
            to[i] = condition[i * inner[0]] != 0 ? a[i * inner[1]] : b[i * inner[2]];                 \
        }                                                                                             \
    } while (0)

static void where_rows(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const amg_step *s = (const amg_step *)arg;
    const amg_value *y = s->out[0];
    int64_t rows, width;
    where_steps w[3];
    (void)thread;
    amg_rows_of(y, &rows, &width);
    for (int32_t i = 0; i < 3; i++) {
        w[i] = where_steps_of(s->in[i], y);
    }
    for (int64_t row = begin; row < end; row++) {
        int64_t at[3] = {0, 0, 0}, inner[3] = {0, 0, 0}, left = row;
        for (int32_t j = y->ndim - 2; j >= 0; j--) {
            for (int32_t i = 0; i < 3; i++) {
                at[i] += left % y->dim[j] * w[i].step[j];
            }
            left /= y->dim[j];
        }
        for (int32_t i = 0; i < 3 && y->ndim > 0; i++) {
            inner[i] = w[i].step[y->ndim - 1];
        }
        if (y->dtype == AMG_F32 && s->in[0]->dtype == AMG_F32) {
            WHERE_ROW(float, float);
        } else if (y->dtype == AMG_F32) {
            WHERE_ROW(int64_t, float);
        } else if (s->in[0]->dtype == AMG_F32) {
            WHERE_ROW(float, int64_t);
        } else {
            WHERE_ROW(int64_t, int64_t);
        }
    }
}

static void where_run(const amg_step *s, const amg_context *t)
{
    amg_step step = *s;
    int64_t rows, width;
    amg_rows_of(s->out[0], &rows, &width);
    amg_parallel(t, rows, 1 + 16384 / width, where_rows, &step);
}
#undef WHERE_ROW

AMG_INTERNAL const amg_op amg_op_where = {"where", 0, where_check, where_run};
