/* mod.c - the remainder of a / b, broadcast. a, b, y: all float32 or all int64; of int64 by 0 it is 0. Attribute: fmod (0: it
 * has the sign of b, 1: that of a). */
#include "kernels/together.h"
#include "op.h"

#include <math.h>

static AMG_COLD int32_t mod_check(amg_check *c, amg_step *s)
{
    amg_attrs a = amg_attrs_of(s);
    (void)amg_attr_int(&a);
    if (amg_check_arity(c, s, 2, 2, 1)) {
        return c->status;
    }
    if (!amg_attrs_done(&a) || s->in[0]->dtype != s->in[1]->dtype) {
        return amg_fail(c, AMG_E_FORMAT, "its inputs differ in type, or its attributes are malformed");
    }
    return amg_together_check(c, s, s->in[0]->dtype);
}

static float mod_real(float a, float b, int32_t fmod_too)
{
    const float r = fmodf(a, b);
    return fmod_too ? r : r == 0 ? copysignf(0, b) : (r < 0) != (b < 0) ? r + b : r;
}

static int64_t mod_whole(int64_t a, int64_t b, int32_t fmod_too)
{
    const int64_t r = b == 0 || b == -1 ? 0 : a % b; /* INT64_MIN % -1 overflows */
    return fmod_too || r == 0 || (r < 0) == (b < 0) ? r : r + b;
}

static void mod_rows(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const amg_together *w = (const amg_together *)arg;
    const amg_step *s = w->step;
    int64_t rows, width, at[AMG_TOGETHER_MAX];
    (void)thread;
    amg_rows_of(s->out[0], &rows, &width);
    for (int64_t row = begin; row < end; row++) {
        amg_together_row(w, row, at);
        for (int64_t i = 0; i < width; i++) {
            const int64_t j = at[0] + i * w->inner[0], k = at[1] + i * w->inner[1], to = row * width + i;
            if (s->out[0]->dtype == AMG_F32) {
                const float *a = (const float *)s->in[0]->data, *b = (const float *)s->in[1]->data;
                ((float *)s->out[0]->data)[to] = mod_real(a[j], b[k], s->attr[0]);
            } else {
                const int64_t *a = (const int64_t *)s->in[0]->data, *b = (const int64_t *)s->in[1]->data;
                ((int64_t *)s->out[0]->data)[to] = mod_whole(a[j], b[k], s->attr[0]);
            }
        }
    }
}

static void mod_run(const amg_step *s, const amg_context *t)
{
    amg_together_run(s, t, mod_rows);
}

AMG_INTERNAL const amg_op amg_op_mod = {"mod", 0, mod_check, mod_run};
