/* depth_to_space.c - blocks of channels become blocks of pixels. x: [N, H, W, C], y: [N, H b, W b, C / b^2]. Attributes:
 * block, mode (0: channels are [b, b, depth]; 1: [depth, b, b]). x and y may be slices of concatenated buffers. */
#include "kernels/strided.h"
#include "op.h"

static AMG_COLD int32_t depth_to_space_check(amg_check *c, amg_step *s)
{
    amg_attrs a = amg_attrs_of(s);
    const int64_t block = amg_attr_int(&a), mode = amg_attr_int(&a);
    const amg_value *x = s->in[0];
    int64_t dim[4];
    if (amg_check_arity(c, s, 1, 1, 1) || amg_check_movable(c, s)) {
        return c->status;
    }
    if (!amg_attrs_done(&a) || block < 1 || mode < 0 || mode > 1) {
        return amg_fail(c, AMG_E_FORMAT, "block or mode is out of range");
    }
    if (x->ndim != 4 || x->dim[3] % (block * block)) {
        return amg_fail(c, AMG_E_SHAPE, "the channels are not whole blocks");
    }
    dim[0] = x->dim[0];
    dim[1] = x->dim[1] * block; /* both fit 32 bits */
    dim[2] = x->dim[2] * block;
    dim[3] = x->dim[3] / (block * block);
    return amg_set_out(c, s->out[0], x->dtype, 4, dim);
}

static void depth_to_space_run(const amg_step *s, const amg_context *t)
{
    amg_attrs a = amg_attrs_of(s);
    const int64_t block = amg_attr_int(&a), depth_first = amg_attr_int(&a);
    const amg_value *x = s->in[0], *y = s->out[0];
    const int64_t depth = y->dim[3], column = depth_first ? 1 : depth;
    int64_t from[AMG_MAX_NDIM], to[AMG_MAX_NDIM];
    amg_strided_view v = {.dtype = x->dtype};
    amg_strided_of(x, from);
    amg_strided_of(y, to);
    amg_strided_axis(&v, x->dim[0], from[0], to[0]);
    amg_strided_axis(&v, x->dim[1], from[1], to[1] * block);
    amg_strided_axis(&v, block, column * block, to[1]);
    amg_strided_axis(&v, x->dim[2], from[2], to[2] * block);
    amg_strided_axis(&v, block, column, to[2]);
    amg_strided_axis(&v, depth, depth_first ? block * block : 1, 1);
    amg_strided_run(&v, t, x->data, y->data);
}

AMG_INTERNAL const amg_op amg_op_depth_to_space = {
    "depth_to_space", AMG_OP_PITCHED_IN | AMG_OP_PITCHED_OUT, depth_to_space_check, depth_to_space_run
};
