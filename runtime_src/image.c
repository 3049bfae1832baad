/* image.c - fills an input from a picture: resizes with a triangle filter that widens when shrinking, in 8 bits after
 * each pass (the arithmetic of Pillow's BILINEAR), crops the centre, and writes (pixel - mean) / std as NCHW or NHWC.
 * Sides round as in torchvision. Works on a few output columns at a time; allocates nothing. */
#ifndef AMG_NO_IMAGE
#include <math.h>
#endif
#include "session.h"

#ifndef AMG_NO_IMAGE
#define IMAGE_TAPS 1024 /* filter weights held at once: pictures may shrink by a factor of 511 */
#define IMAGE_COLUMNS 32
#define IMAGE_BITS 22 /* of fraction in a weight */

typedef struct image_job {
    const uint8_t *pixels;
    int64_t w, h, stride, step; /* of the picture; bytes between rows and between pixels */
    int32_t at[3];              /* byte of each output channel in a pixel; of red, green, blue where gray is wanted */
    int32_t channels, to_gray;
    int64_t full_w, full_h;     /* after the resize */
    int64_t left, top;          /* of the crop in that */
    int64_t out_w, out_h;
    const amg_picture *how;
    float *out;
} image_job;

/* Weights of the source samples that make sample `at` of `out` from `in`: *first and on; returns their number. */
static int32_t image_weights(int64_t in, int64_t out, int64_t at, int64_t *first, int32_t *weight)
{
    const double scale = (double)in / (double)out, support = scale < 1.0 ? 1.0 : scale;
    const double center = ((double)at + 0.5) * scale, inverse = 1.0 / support;
    const double low = center - support + 0.5, high = center + support + 0.5;
    const int64_t from = low < 0.0 ? 0 : (int64_t)low, to = high > (double)in ? in : (int64_t)high;
    const int32_t count = (int32_t)(to - from);
    double total = 0.0;
    for (int32_t i = 0; i < count; i++) {
        const double x = fabs(((double)(i + from) - center + 0.5) * inverse);
        total += x < 1.0 ? 1.0 - x : 0.0;
    }
    for (int32_t i = 0; i < count; i++) {
        const double x = fabs(((double)(i + from) - center + 0.5) * inverse);
        const double share = x < 1.0 ? (1.0 - x) / total : 0.0;
        weight[i] = (int32_t)(0.5 + share * (double)(1 << IMAGE_BITS));
    }
    *first = from;
    return count;
}

/* How many weights image_weights may need. */
static int64_t image_reach(int64_t in, int64_t out)
{
    return in <= out ? 3 : (in + out - 1) / out * 2 + 1;
}

static int32_t image_round(int32_t sum)
{
    const int32_t v = sum >> IMAGE_BITS;
    return v < 0 ? 0 : v > 255 ? 255 : v;
}

static int32_t image_luma(const image_job *j, const uint8_t *p)
{
    return (p[j->at[0]] * 19595 + p[j->at[1]] * 38470 + p[j->at[2]] * 7471 + 0x8000) >> 16; /* ITU-R 601 */
}

/* The weighted sum of `count` pixels from p on, per output channel, in 8 bits. */
static void image_across(const image_job *j, const uint8_t *p, const int32_t *weight, int32_t count, int32_t out[3])
{
    const int32_t half = 1 << (IMAGE_BITS - 1);
    int32_t sum[3] = {half, half, half};
    for (int32_t i = 0; i < count; i++, p += j->step) {
        if (j->to_gray) {
            sum[0] += weight[i] * image_luma(j, p);
        } else {
            for (int32_t c = 0; c < j->channels; c++) {
                sum[c] += weight[i] * p[j->at[c]];
            }
        }
    }
    for (int32_t c = 0; c < j->channels; c++) {
        out[c] = image_round(sum[c]);
    }
}

static void image_write(const image_job *j, int64_t x, int64_t y, int32_t c, int32_t value)
{
    const float v = ((float)value - j->how->mean[c]) / j->how->std[c];
    if (j->how->channels_last) {
        j->out[(y * j->out_w + x) * j->channels + c] = v;
    } else {
        j->out[(c * j->out_h + y) * j->out_w + x] = v;
    }
}

/* Makes output columns x0 and on, as many as their weights fit; returns how many. */
static int64_t image_columns(const image_job *j, int64_t x0)
{
    int32_t across[IMAGE_TAPS], down[IMAGE_TAPS], taps[IMAGE_COLUMNS], sum[IMAGE_COLUMNS][3], pixel[3];
    int64_t first[IMAGE_COLUMNS], top;
    const int64_t reach = image_reach(j->w, j->full_w);
    const int64_t columns = AMG_MIN(AMG_MIN(IMAGE_TAPS / reach, IMAGE_COLUMNS), j->out_w - x0);
    for (int64_t i = 0; i < columns; i++) {
        taps[i] = image_weights(j->w, j->full_w, j->left + x0 + i, &first[i], across + i * reach);
    }
    for (int64_t y = 0; y < j->out_h; y++) {
        const int32_t rows = image_weights(j->h, j->full_h, j->top + y, &top, down);
        for (int64_t i = 0; i < columns; i++) {
            sum[i][0] = sum[i][1] = sum[i][2] = 1 << (IMAGE_BITS - 1);
        }
        for (int32_t r = 0; r < rows; r++) {
            const uint8_t *row = j->pixels + (top + r) * j->stride;
            for (int64_t i = 0; i < columns && down[r]; i++) {
                image_across(j, row + first[i] * j->step, across + i * reach, taps[i], pixel);
                for (int32_t c = 0; c < j->channels; c++) {
                    sum[i][c] += down[r] * pixel[c];
                }
            }
        }
        for (int64_t i = 0; i < columns; i++) {
            for (int32_t c = 0; c < j->channels; c++) {
                image_write(j, x0 + i, y, c, image_round(sum[i][c]));
            }
        }
    }
    return columns;
}

/* (have - want) / 2, a half rounded to even. */
static int64_t image_margin(int64_t have, int64_t want)
{
    const int64_t twice = have - want, down = twice / 2;
    return down + (twice % 2 && down % 2);
}

/* Fills in sizes, from the picture's description and the input's own size; NULL, or what is wrong. */
static const char *image_sizes(image_job *j, const amg_value *v)
{
    const amg_picture *how = j->how;
    const int32_t c = how->channels_last ? 3 : 1, y = how->channels_last ? 1 : 2;
    if (v->ndim != 4 || v->dtype != AMG_F32 || v->dim[0] != 1 || v->dim[c] != j->channels) {
        return "the input is not one float32 picture with the channels of its description";
    }
    j->out_h = v->dim[y];
    j->out_w = v->dim[y + 1];
    j->full_w = j->w;
    j->full_h = j->h;
    if (how->resize == 1) {
        const int64_t side = how->resize_h;
        j->full_w = j->w <= j->h ? side : side * j->w / j->h;
        j->full_h = j->w <= j->h ? side * j->h / j->w : side;
    } else if (how->resize == 2) {
        j->full_w = how->resize_w;
        j->full_h = how->resize_h;
    } else if (!how->crop_h) {
        j->full_w = j->out_w;
        j->full_h = j->out_h;
    }
    if ((how->crop_h ? how->crop_h : j->full_h) != j->out_h || (how->crop_h ? how->crop_w : j->full_w) != j->out_w) {
        return "the picture, resized and cropped, has not the size of the input";
    }
    if (j->full_w < j->out_w || j->full_h < j->out_h) {
        return "the picture is smaller than the crop";
    }
    if (image_reach(j->w, j->full_w) > IMAGE_TAPS || image_reach(j->h, j->full_h) > IMAGE_TAPS) {
        return "the picture is more than 511 times as large as what it is resized to";
    }
    j->left = image_margin(j->full_w, j->out_w);
    j->top = image_margin(j->full_h, j->out_h);
    return NULL;
}

/* Sets where each channel lies in a pixel of `format`; 0 for an unknown format. */
static int32_t image_channels(image_job *j, int32_t format)
{
    const int32_t blue_first = format == AMG_BGR8 || format == AMG_BGRA8;
    if (format < AMG_GRAY8 || format > AMG_BGRA8) {
        return 0;
    }
    j->channels = j->how->order == 2 ? 1 : 3;
    j->to_gray = j->how->order == 2 && format != AMG_GRAY8;
    j->step = format == AMG_GRAY8 ? 1 : format == AMG_RGB8 || format == AMG_BGR8 ? 3 : 4;
    for (int32_t c = 0; c < 3 && format != AMG_GRAY8; c++) {
        j->at[c] = blue_first != (j->how->order == 1) ? 2 - c : c;
    }
    return 1;
}

static int32_t image_fail(amg_session *s, int32_t status, const char *what)
{
    return amg_say(s->message, sizeof s->message, status, what, NULL);
}

AMG_API int32_t amg_set_image(amg_session *s, int32_t i, const void *pixels, int32_t w, int32_t h, int32_t stride,
                              int32_t format)
{
    image_job j;
    const amg_value *v;
    const char *fault;
    memset(&j, 0, sizeof j);
    if (!s) {
        return AMG_E_ARGUMENT;
    }
    for (int32_t k = 0; k < s->model->picture_count; k++) {
        if (s->model->pictures[k].input == i) {
            j.how = s->model->pictures + k;
        }
    }
    if (!j.how) {
        return image_fail(s, AMG_E_ARGUMENT, "amg_set_image: the model takes no picture there");
    }
    if (!pixels || w < 1 || h < 1 || !image_channels(&j, format) || stride < w * j.step) {
        return image_fail(s, AMG_E_ARGUMENT, "amg_set_image: pixels, size, stride or format is out of range");
    }
    v = s->plan->values + s->model->inputs[i];
    j.pixels = (const uint8_t *)pixels;
    j.w = w;
    j.h = h;
    j.stride = stride;
    j.out = (float *)v->data;
    fault = image_sizes(&j, v);
    if (fault) {
        return amg_say(s->message, sizeof s->message, AMG_E_SHAPE, fault, s->model->slots[s->model->inputs[i]].name);
    }
    for (int64_t x = 0; x < j.out_w;) {
        x += image_columns(&j, x);
    }
    return AMG_OK;
}
#endif
