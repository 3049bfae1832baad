/* plan.c - infers shapes, then decides where tensors lie. A model file wishes for homes (a tensor lies in the output of
 * the step that reads it: in place, or as its part of a concat); a wish that the shapes do not allow is passed over,
 * and one that would let a step overwrite what is still needed is refused. */
#include "bands.h"
#include "cpu.h"
#include "generated.h"

/* WAY and PAD in amalgamate/plan.py. */
#define PLAN_WAY 256 /* floats: rows as far from each other, or a multiple, share few sets of a first-level cache */
#define PLAN_PAD 16  /* floats between such rows, where the model wants them apart */

static int64_t plan_width(const amg_value *v)
{
    return v->ndim ? v->dim[v->ndim - 1] : 1;
}

/* Bytes of an element. */
static int64_t plan_element(const amg_value *v)
{
    return v->dtype == AMG_I64 ? 8 : 4;
}

/* ---- memory of the plan itself --------------------------------------------------------------------------------- */

static void *plan_take(char *base, size_t *used, size_t count, size_t size)
{
    void *at = base ? base + *used : NULL;
    *used += (count * size + 15) / 16 * 16;
    return at;
}

static size_t plan_lay_out(amg_plan *p, const amg_model *m, char *base)
{
    const size_t tensors = (size_t)m->tensor_count, layers = (size_t)m->layer_count;
    size_t used = (sizeof *p + 15) / 16 * 16;
    p->values = (amg_value *)plan_take(base, &used, tensors, sizeof *p->values);
    p->steps = (amg_step *)plan_take(base, &used, layers, sizeof *p->steps);
    p->in = (const amg_value **)plan_take(base, &used, (size_t)m->word_count, sizeof *p->in);
    p->out = (amg_value **)plan_take(base, &used, tensors, sizeof *p->out);
    p->bands = (amg_band *)plan_take(base, &used, amg_by_rows ? layers : 0, sizeof *p->bands);
    p->places = (amg_place *)plan_take(base, &used, tensors, sizeof *p->places);
    p->blocks = (amg_block *)plan_take(base, &used, tensors + layers, sizeof *p->blocks);
    p->order = (int32_t *)plan_take(base, &used, 2 * (tensors + layers), sizeof *p->order);
    p->ns = (uint64_t *)plan_take(base, &used, layers, sizeof *p->ns);
    return used;
}

AMG_INTERNAL amg_plan *amg_plan_new(const amg_model *m)
{
    amg_plan sizes, *p;
    const amg_value **in;
    amg_value **out;
    const size_t bytes = plan_lay_out(&sizes, m, NULL);
    p = (amg_plan *)amg_memory_get(&m->memory, bytes);
    if (!p) {
        return NULL;
    }
    memset(p, 0, bytes);
    plan_lay_out(p, m, (char *)p);
    p->model = m;
    for (int32_t i = 0; i < m->tensor_count; i++) {
        p->values[i] = m->slots[i].value;
    }
    in = p->in;
    out = p->out;
    for (int32_t i = 0; i < m->layer_count; i++) {
        const amg_layer *l = m->layers + i;
        amg_step *s = p->steps + i;
        s->op = l->op;
        s->name = l->name;
        s->attr = l->attr;
        s->attr_count = l->attr_count;
        s->n_in = l->n_in;
        s->n_out = l->n_out;
        s->in = in;
        s->out = out;
        for (int32_t k = 0; k < l->n_in; k++) {
            *in++ = l->in[k] < 0 ? NULL : p->values + l->in[k];
        }
        for (int32_t k = 0; k < l->n_out; k++) {
            *out++ = p->values + l->out[k];
        }
    }
    return p;
}

AMG_INTERNAL void amg_plan_free(amg_plan *p)
{
    if (p) {
        amg_memory_put(&p->model->memory, p);
    }
}

/* ---- shapes ---------------------------------------------------------------------------------------------------- */

static int32_t plan_infer(amg_plan *p, const amg_plan_options *o)
{
    const amg_model *m = p->model;
    for (int32_t i = 0; i < m->input_count; i++) {
        amg_value *v = p->values + m->inputs[i];
        if (!amg_shape_fits(v->dtype, v->ndim, v->dim, &v->count)) {
            return amg_say(o->message, o->message_size, AMG_E_SHAPE, "an axis of an input is not positive, or the input too large for this machine",
                           m->slots[m->inputs[i]].name);
        }
        v->pitch = plan_width(v);
    }
    for (int32_t i = 0; i < m->layer_count; i++) {
        amg_step *s = p->steps + i;
        amg_check c = {AMG_OK, s, o->message, o->message_size, o->isa};
        int32_t status;
        for (int32_t k = 0; k < s->n_out; k++) {
            s->out[k]->count = 0;
        }
        status = s->op->check(&c, s);
        if (status != AMG_OK) {
            return status;
        }
        for (int32_t k = 0; k < s->n_out; k++) {
            if (s->out[k]->count < 1 || s->out[k]->dtype != m->slots[m->layers[i].out[k]].value.dtype) {
                return amg_fail(&c, AMG_E_FORMAT, "an output has another element type than the model says");
            }
        }
    }
    return AMG_OK;
}

/* ---- places ---------------------------------------------------------------------------------------------------- */

/* Whether an operator's output is its inputs side by side; what follows from it is left out where no operator's is. */
static int32_t plan_joins(const amg_op *op)
{
    return amg_op_joins && (op->flags & AMG_OP_JOINS);
}

/* The axis along which step s joins its inputs, all of one type; -1 if their shapes do not tell. */
static int32_t plan_join_axis(const amg_step *s)
{
    const amg_value *y = s->out[0];
    int32_t axis = -1;
    for (int32_t k = 0; k < s->n_in; k++) {
        const amg_value *x = s->in[k];
        if (!x || x->ndim != y->ndim || x->dtype != y->dtype || x->packing != AMG_PLAIN) {
            return -1;
        }
        for (int32_t i = 0; i < y->ndim; i++) {
            if (x->dim[i] != y->dim[i]) {
                if (axis >= 0 && axis != i) {
                    return -1;
                }
                axis = i;
            }
        }
    }
    return axis;
}

/* A part of a block: rows of width elements, pitch apart. */
typedef struct plan_region {
    int64_t offset, rows, width, pitch;
} plan_region;

/* Where input k of joining step s belongs in the output's region; 0 if it is not a slice of rows or of one run. */
static int32_t plan_part(const amg_step *s, int32_t k, int64_t offset, plan_region *out)
{
    const amg_value *y = s->out[0], *x = s->in[k];
    const int32_t axis = plan_join_axis(s);
    int64_t outer = 1, inner = 1, before = 0;
    if (axis < 0) {
        return 0;
    }
    for (int32_t i = 0; i < y->ndim; i++) {
        outer *= i < axis ? y->dim[i] : 1;
        inner *= i > axis ? y->dim[i] : 1;
    }
    for (int32_t i = 0; i < k; i++) {
        before += s->in[i]->dim[axis];
    }
    if (axis == y->ndim - 1) {
        out->offset = offset + before;
        out->pitch = outer > 1 ? y->pitch : plan_width(x);
    } else if (outer == 1 && y->pitch == plan_width(y)) {
        out->offset = offset + before * inner;
        out->pitch = plan_width(x);
    } else {
        return 0;
    }
    out->width = plan_width(x);
    out->rows = x->count / out->width;
    return 1;
}

static int32_t plan_times_read(const amg_layer *l, int32_t tensor)
{
    int32_t times = 0;
    for (int32_t k = 0; k < l->n_in; k++) {
        times += l->in[k] == tensor;
    }
    return times;
}

/* Tries to put tensor t where the model wishes it; 1 if its place and pitch are set. */
static int32_t plan_at_home(amg_plan *p, int32_t t)
{
    const amg_model *m = p->model;
    const amg_slot *slot = m->slots + t;
    const amg_layer *l = m->layers + m->slots[slot->home].producer;
    const amg_step *s = p->steps + m->slots[slot->home].producer;
    const amg_place *home = p->places + slot->home;
    amg_value *x = p->values + t;
    const amg_value *y = s->out[0];
    int64_t offset = home->offset, pitch;
    if (plan_times_read(l, t) != 1 || x->dtype != y->dtype) {
        return 0;
    }
    if (plan_joins(l->op)) {
        plan_region part;
        int32_t k = 0;
        while (l->in[k] != t) {
            k++;
        }
        if (!plan_part(s, k, home->offset, &part)) {
            return 0;
        }
        offset = part.offset;
        pitch = part.pitch;
    } else {
        const int32_t contiguous = y->pitch == plan_width(y);
        if (slot->last_use != m->slots[slot->home].producer || x->count != y->count
            || (!contiguous && plan_width(x) != plan_width(y))) {
            return 0;
        }
        pitch = contiguous ? plan_width(x) : y->pitch;
    }
    if (pitch != plan_width(x) && (slot->output || !slot->pitchable)) {
        return 0;
    }
    x->pitch = pitch;
    p->places[t].root = home->root;
    p->places[t].offset = offset;
    return 1;
}

/* Whether the rows of tensor t, if it lies in no other, have PLAN_PAD floats between them: no more than a sixteenth of it. */
static int32_t plan_apart(const amg_plan *p, int32_t t)
{
    const amg_slot *slot = p->model->slots + t;
    const amg_value *v = p->values + t;
    return !AMG_SMALL && amg_apart && slot->apart && slot->pitchable && !slot->output && v->dtype == AMG_F32 &&
           plan_width(v) % PLAN_WAY == 0;
}

/* Bytes of tensor t, which lies in no other; of one between the steps of a band: of the rows that are kept. */
static int64_t plan_bytes(const amg_plan *p, int32_t t)
{
    const amg_value *v = p->values + t;
    const int32_t step = p->model->slots[t].producer;
    int64_t count = v->count;
    if (step >= 0 && step < amg_band_of(p, step).last) {
        count = amg_band_of(p, step).kept * v->dim[2] * v->dim[3];
    }
    return amg_round_up(count / plan_width(v) * v->pitch * plan_element(v), AMG_ALIGN);
}

/* Gives every tensor its place, and every block its size and life. A home is made later than what lies in it. */
static void plan_place(amg_plan *p, const amg_plan_options *o)
{
    const amg_model *m = p->model;
    for (int32_t i = 0; i < m->tensor_count; i++) {
        p->places[i].root = i;
        p->places[i].first = p->places[i].next = -1;
        p->blocks[i].birth = m->layer_count;
        p->blocks[i].death = -1;
        if (plan_apart(p, i)) {
            p->values[i].pitch = plan_width(p->values + i) + PLAN_PAD;
        }
    }
    for (int32_t i = m->layer_count - 1; i >= 0; i--) {
        for (int32_t k = 0; k < m->layers[i].n_out; k++) {
            const int32_t t = m->layers[i].out[k];
            if (m->slots[t].home >= 0) {
                (void)plan_at_home(p, t);
            }
        }
    }
    for (int32_t i = 0; i < m->tensor_count; i++) {
        const amg_slot *t = m->slots + i;
        amg_block *b = p->blocks + p->places[i].root;
        if (!t->value.constant) {
            const int32_t last = t->input && o->keep_inputs ? m->layer_count : AMG_MAX(t->last_use, t->producer);
            b->birth = AMG_MIN(b->birth, t->producer < 0 ? -1 : amg_band_of(p, t->producer).first);
            b->death = AMG_MAX(b->death, last < 0 || last == m->layer_count ? last : amg_band_of(p, last).last);
            if (p->places[i].root == i) {
                b->bytes = plan_bytes(p, i);
            }
        }
    }
}

/* ---- nothing that is needed is overwritten --------------------------------------------------------------------- */

static plan_region plan_region_of(const amg_plan *p, int32_t tensor)
{
    const amg_value *v = p->values + tensor;
    plan_region r;
    r.width = plan_width(v);
    r.rows = v->count / r.width;
    r.offset = p->places[tensor].offset;
    r.pitch = v->pitch;
    return r;
}

static int32_t plan_overlap(const plan_region *a, const plan_region *b)
{
    const int64_t a_end = a->offset + (a->rows - 1) * a->pitch + a->width;
    const int64_t b_end = b->offset + (b->rows - 1) * b->pitch + b->width;
    if (a_end <= b->offset || b_end <= a->offset) {
        return 0;
    }
    if (a->rows > 1 && b->rows > 1 && a->pitch == b->pitch) { /* columns of the same rows */
        const int64_t from_a = a->offset % a->pitch, from_b = b->offset % b->pitch;
        return from_a < from_b + b->width && from_b < from_a + a->width;
    }
    return 1;
}

/* Whether step `index` may write region r of tensor y's block: no live tensor is there, but for in[0] in place. */
static int32_t plan_may_write(amg_plan *p, int32_t index, int32_t y, const plan_region *r)
{
    const amg_model *m = p->model;
    const amg_layer *l = m->layers + index;
    int32_t *link = &p->places[p->places[y].root].first;
    while (*link >= 0) {
        const int32_t x = *link;
        const plan_region other = plan_region_of(p, x);
        const int32_t own = !plan_joins(l->op) && l->n_in && l->in[0] == x && m->slots[x].home == y;
        if (AMG_MAX(m->slots[x].last_use, m->slots[x].producer) < index) {
            *link = p->places[x].next; /* dead from now on */
            continue;
        }
        if (!own && plan_overlap(r, &other)) {
            return 0;
        }
        link = &p->places[x].next;
    }
    return 1;
}

static int32_t plan_verify_out(amg_plan *p, int32_t index, int32_t y)
{
    const amg_layer *l = p->model->layers + index;
    plan_region whole = plan_region_of(p, y), part;
    if (!plan_joins(l->op)) {
        return plan_may_write(p, index, y, &whole);
    }
    for (int32_t k = 0; k < l->n_in; k++) {
        const int32_t x = l->in[k];
        if (x < 0 || p->model->slots[x].home != y || p->places[x].root != p->places[y].root) { /* copied to its part */
            const int32_t sliced = plan_part(p->steps + index, k, p->places[y].offset, &part);
            if (!plan_may_write(p, index, y, sliced ? &part : &whole)) {
                return 0;
            }
        }
    }
    return 1;
}

/* Walks through the steps and refuses a model that would overwrite what is still to be read. */
static int32_t plan_verify(amg_plan *p, const amg_plan_options *o)
{
    const amg_model *m = p->model;
    for (int32_t i = 0; i < m->input_count; i++) {
        amg_place *root = p->places + p->places[m->inputs[i]].root;
        p->places[m->inputs[i]].next = root->first;
        root->first = m->inputs[i];
    }
    for (int32_t i = 0; i < m->layer_count; i++) {
        for (int32_t k = 0; k < m->layers[i].n_out; k++) {
            const int32_t y = m->layers[i].out[k];
            amg_place *root = p->places + p->places[y].root;
            if (!plan_verify_out(p, amg_band_of(p, i).first, y)) {
                return amg_say(o->message, o->message_size, AMG_E_FORMAT,
                               "a step would overwrite a tensor that is needed later", m->layers[i].name);
            }
            p->places[y].next = root->first;
            root->first = y;
        }
    }
    return AMG_OK;
}

AMG_INTERNAL int32_t amg_plan_solve(amg_plan *p, const amg_plan_options *o)
{
    int32_t status = plan_infer(p, o);
    if (status != AMG_OK) {
        return status;
    }
    if (amg_by_rows) {
        amg_bands_find(p, o->isa, o->threads);
    }
    plan_place(p, o);
    status = plan_verify(p, o);
    return status == AMG_OK ? amg_plan_arena(p, o) : status;
}

AMG_INTERNAL void amg_plan_bind(amg_plan *p, void *base)
{
    for (int32_t i = 0; i < p->model->tensor_count; i++) {
        amg_value *v = p->values + i;
        if (!v->constant) {
            const amg_place *place = p->places + i;
            v->data = (char *)base + p->blocks[place->root].offset + place->offset * plan_element(v);
        }
    }
}

AMG_INTERNAL int32_t amg_plan_model(amg_model *m, char *message, size_t size)
{
    amg_plan_options o = {amg_isa_best(), 1, 0, message, size};
    amg_plan *p = amg_plan_new(m);
    int32_t status;
    if (!p) {
        return amg_say(message, size, AMG_E_MEMORY, "no memory to plan the model", NULL);
    }
    status = amg_plan_solve(p, &o);
    for (int32_t i = 0; status == AMG_OK && i < m->output_count; i++) {
        m->slots[m->outputs[i]].value = p->values[m->outputs[i]];
    }
    amg_plan_free(p);
    return status;
}
