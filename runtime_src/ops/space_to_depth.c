/* space_to_depth.c - blocks of pixels become blocks of channels. x: [N, H b, W b, C], y: [N, H, W, C b^2]. Attributes:
 * block, mode (0: channels become [b, b, C]; 1: [C, b, b]). x and y may be slices of concatenated buffers. */
#include "kernels/strided.h"
#include "op.h"

static AMG_COLD int32_t space_to_depth_check(amg_check *c, amg_step *s)
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
    if (x->ndim != 4 || x->dim[1] % block || x->dim[2] % block || !amg_mul(x->dim[3], block * block, &dim[3])) {
        return amg_fail(c, AMG_E_SHAPE, "height and width are not whole blocks, or blocks are too large");
    }
    dim[0] = x->dim[0];
    dim[1] = x->dim[1] / block;
    dim[2] = x->dim[2] / block;
    return amg_set_out(c, s->out[0], x->dtype, 4, dim);
}

static void space_to_depth_run(const amg_step *s, const amg_context *t)
{
    amg_attrs a = amg_attrs_of(s);
    const int64_t block = amg_attr_int(&a), depth_first = amg_attr_int(&a);
    const amg_value *x = s->in[0], *y = s->out[0];
    const int64_t depth = x->dim[3], column = depth_first ? 1 : depth;
    int64_t from[AMG_MAX_NDIM], to[AMG_MAX_NDIM];
    amg_strided_view v = {.dtype = x->dtype};
    amg_strided_of(x, from);
    amg_strided_of(y, to);
    amg_strided_axis(&v, y->dim[0], from[0], to[0]);
    amg_strided_axis(&v, y->dim[1], from[1] * block, to[1]);
    amg_strided_axis(&v, y->dim[2], from[2] * block, to[2]);
    amg_strided_axis(&v, block, from[1], column * block);
    amg_strided_axis(&v, block, from[2], column);
    amg_strided_axis(&v, depth, 1, depth_first ? block * block : 1);
    amg_strided_run(&v, t, x->data, y->data);
}

AMG_INTERNAL const amg_op amg_op_space_to_depth = {
    "space_to_depth", AMG_OP_PITCHED_IN | AMG_OP_PITCHED_OUT, space_to_depth_check, space_to_depth_run
};
