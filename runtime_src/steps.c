/* steps.c - reads steps, homes, meta data, labels and pictures. */
#include "generated.h"
#include "reader.h"

static int32_t steps_bad(const amg_reader *r, int32_t status, int32_t index, const char *what)
{
    return amg_bad_record(r, status, "step", index, what);
}

/* ---- steps ----------------------------------------------------------------------------------------------------- */

static const amg_op *steps_op(const char *name)
{
    int32_t low = 0, high = amg_op_count;
    while (low < high) {
        const int32_t middle = low + (high - low) / 2;
        const int32_t order = (int32_t)strcmp(amg_ops[middle]->name, name);
        if (order == 0) {
            return amg_ops[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

/* Judges the operands of step `index` and notes who makes and who reads what. */
static int32_t steps_operands(amg_reader *r, int32_t index, const amg_layer *l)
{
    amg_model *m = r->m;
    for (int32_t i = 0; i < l->n_in; i++) {
        const int32_t t = l->in[i];
        if (t == -1) {
            continue;
        }
        if (t < 0 || t >= m->tensor_count) {
            return steps_bad(r, AMG_E_FORMAT, index, "an input is out of range");
        }
        if (!m->slots[t].value.constant && !m->slots[t].input && m->slots[t].producer < 0) {
            return steps_bad(r, AMG_E_FORMAT, index, "reads a tensor before anything makes it");
        }
        m->slots[t].last_use = AMG_MAX(m->slots[t].last_use, index);
        m->slots[t].pitchable = m->slots[t].pitchable && (l->op->flags & AMG_OP_PITCHED_IN);
    }
    for (int32_t i = 0; i < l->n_out; i++) {
        const int32_t t = l->out[i];
        if (t < 0 || t >= m->tensor_count || m->slots[t].value.constant || m->slots[t].input) {
            return steps_bad(r, AMG_E_FORMAT, index, "an output is out of range, a constant or an input");
        }
        if (m->slots[t].producer >= 0) {
            return steps_bad(r, AMG_E_FORMAT, index, "makes a tensor that is made already");
        }
        m->slots[t].producer = index;
        m->slots[t].pitchable = (l->op->flags & AMG_OP_PITCHED_OUT) != 0;
    }
    return AMG_OK;
}

/* A tensor's home must be what a step makes of it: of its first input in place, or of any input by joining. */
static int32_t steps_homes(amg_reader *r)
{
    const amg_model *m = r->m;
    for (int32_t i = 0; i < m->tensor_count; i++) {
        const amg_slot *t = m->slots + i;
        const amg_layer *l;
        int32_t fits = 0;
        if (!t->value.constant && !t->input && t->producer < 0) {
            return amg_bad_record(r, AMG_E_FORMAT, "tensor", i, "nothing makes it");
        }
        if (t->home < 0) {
            continue;
        }
        if (m->slots[t->home].producer < 0) {
            return amg_bad_record(r, AMG_E_FORMAT, "tensor", i, "no step makes its home");
        }
        l = m->layers + m->slots[t->home].producer;
        for (int32_t k = 0; k < l->n_in; k++) {
            fits |= l->in[k] == i && ((l->op->flags & AMG_OP_JOINS) || (k == 0 && (l->op->flags & AMG_OP_IN_PLACE)));
        }
        if (!fits || l->out[0] != t->home) {
            return amg_bad_record(r, AMG_E_FORMAT, "tensor", i, "its home is not where a step may put it");
        }
    }
    return AMG_OK;
}

AMG_INTERNAL int32_t amg_load_steps(amg_reader *r)
{
    amg_model *m = r->m;
    size_t used = 0;
    for (int32_t i = 0; i < m->word_count; i++) {
        m->words[i] = (int32_t)amg_u32(r->data + r->words + 4 * (size_t)i);
    }
    for (int32_t i = 0; i < m->layer_count; i++) {
        const uint8_t *p = r->data + r->steps + (size_t)i * AMG_S_SIZE;
        amg_layer *l = m->layers + i;
        const char *op = amg_string_at(r, amg_u32(p + AMG_S_OP));
        const uint32_t attrs = amg_u32(p + AMG_S_ATTRS);
        int32_t status;
        l->name = amg_string_at(r, amg_u32(p + AMG_S_NAME));
        l->n_in = (int32_t)amg_u16(p + AMG_S_INPUTS);
        l->n_out = (int32_t)amg_u16(p + AMG_S_OUTPUTS);
        if (!op || !l->name) {
            return steps_bad(r, AMG_E_FORMAT, i, "its name or operator is not a string");
        }
        l->op = steps_op(op);
        if (!l->op) {
            return amg_say(r->message, r->message_size, AMG_E_UNSUPPORTED, "this build has no operator", op);
        }
        if (l->n_in > AMG_MAX_IN || l->n_out > AMG_MAX_OUT || l->n_out < 1) {
            return steps_bad(r, AMG_E_FORMAT, i, "too many inputs, or no or too many outputs");
        }
        if (attrs > (uint32_t)m->word_count || used + (size_t)(l->n_in + l->n_out) + attrs > (size_t)m->word_count) {
            return steps_bad(r, AMG_E_FORMAT, i, "its words reach beyond the last");
        }
        l->attr_count = (int32_t)attrs;
        l->in = m->words + used;
        l->out = l->in + l->n_in;
        l->attr = l->out + l->n_out;
        used += (size_t)(l->n_in + l->n_out) + attrs;
        if ((status = steps_operands(r, i, l)) != AMG_OK) {
            return status;
        }
    }
    return used == (size_t)m->word_count ? steps_homes(r) : amg_bad(r, AMG_E_FORMAT, "words that belong to no step");
}

/* ---- meta data, labels, pictures ------------------------------------------------------------------------------- */

static int32_t steps_texts(amg_reader *r)
{
    amg_model *m = r->m;
    for (int32_t i = 0; i < 2 * m->meta_count; i++) {
        m->metas[i] = amg_string_at(r, amg_u32(r->data + r->metas + 4 * (size_t)i));
        if (!m->metas[i] || (i % 2 == 0 && !m->metas[i][0])) {
            return amg_bad_record(r, AMG_E_FORMAT, "meta", i / 2, "its key or value is not a string");
        }
    }
    for (int32_t i = 0; i < m->label_count; i++) {
        m->labels[i] = amg_string_at(r, amg_u32(r->data + r->labels + 4 * (size_t)i));
        if (!m->labels[i]) {
            return amg_bad_record(r, AMG_E_FORMAT, "label", i, "is not a string");
        }
    }
    return AMG_OK;
}

static int32_t steps_finite(float x)
{
    return x - x == 0.0f;
}

static int32_t steps_picture(amg_reader *r, int32_t index)
{
    amg_picture *c = r->m->pictures + index;
    uint8_t p[AMG_I_SIZE];
    int32_t fits;
    memcpy(p, r->data + r->images + (size_t)index * AMG_I_SIZE, sizeof p);
    c->input = (int32_t)amg_u32(p + AMG_I_INPUT);
    c->order = p[AMG_I_ORDER];
    c->channels_last = p[AMG_I_CHANNELS_LAST];
    c->resize = p[AMG_I_RESIZE];
    c->resize_h = (int32_t)amg_u32(p + AMG_I_RESIZE_H);
    c->resize_w = (int32_t)amg_u32(p + AMG_I_RESIZE_W);
    c->crop_h = (int32_t)amg_u32(p + AMG_I_CROP_H);
    c->crop_w = (int32_t)amg_u32(p + AMG_I_CROP_W);
    fits = c->input >= 0 && c->input < r->m->input_count && c->order <= 2 && c->channels_last <= 1 && c->resize <= 2
           && p[AMG_I_RESERVED] == 0 && (c->resize >= 1) == (c->resize_h >= 1) && (c->resize == 2) == (c->resize_w >= 1)
           && (c->crop_h >= 1) == (c->crop_w >= 1) && c->resize_h >= 0 && c->resize_w >= 0 && c->crop_h >= 0
           && c->crop_w >= 0 && c->resize_h <= AMG_MAX_SIDE && c->resize_w <= AMG_MAX_SIDE;
    for (int32_t i = 0; i < 3; i++) {
        c->mean[i] = amg_float_of_bits((int32_t)amg_u32(p + AMG_I_MEAN + 4 * i));
        c->std[i] = amg_float_of_bits((int32_t)amg_u32(p + AMG_I_STD + 4 * i));
        fits = fits && steps_finite(c->mean[i]) && steps_finite(c->std[i]) && c->std[i] != 0.0f;
    }
    for (int32_t i = 0; i < index; i++) {
        fits = fits && r->m->pictures[i].input != c->input;
    }
    return fits ? AMG_OK : amg_bad_record(r, AMG_E_FORMAT, "image", index, "a field is out of range");
}

AMG_INTERNAL int32_t amg_load_extras(amg_reader *r)
{
    int32_t status = steps_texts(r);
    for (int32_t i = 0; status == AMG_OK && i < r->m->picture_count; i++) {
        status = steps_picture(r, i);
    }
    return status;
}
