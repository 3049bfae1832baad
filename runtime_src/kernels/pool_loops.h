/* pool_loops.h - the loops of pool_max.inc and pool_mean.inc: f folded over the taps of a window, over channels. The 3x3 and
 * 2x2 windows of nearly all networks are written out; any other window is a loop over taps in blocks of four vectors. */
#ifndef AMG_KERNELS_POOL_LOOPS_H
#define AMG_KERNELS_POOL_LOOPS_H

#define POOL_BLOCK (4 * VF_LANES)

/* f folded over 2x2 or 3x3 taps at p, loaded by `load`. */
#define POOL_2(f, load, p) f(load(p), load((p) + sx))
#define POOL_3(f, load, p) f(POOL_2(f, load, p), load((p) + 2 * sx))
#define POOL_2X2(f, load, p) f(POOL_2(f, load, p), POOL_2(f, load, (p) + sy))
#define POOL_3X3(f, load, p) f(f(POOL_3(f, load, p), POOL_3(f, load, (p) + sy)), POOL_3(f, load, (p) + 2 * sy))
#define POOL_LAST(p) vf_loadn(p, left)

#define POOL_WRITTEN_OUT(window, f, finish)                                              \
    do {                                                                                 \
        const ptrdiff_t sy = r->tap_step[1], sx = r->tap_step[2];                          \
        for (ptrdiff_t i = 0; i < r->windows; i++) {                                       \
            const float *x = r->x + i * r->x_step;                                       \
            float *y = r->y + i * r->y_step;                                             \
            ptrdiff_t c = 0;                                                               \
            for (; c + VF_LANES <= r->channels; c += VF_LANES) {                         \
                vf_store(y + c, finish(window(f, vf_load, x + c)));                      \
            }                                                                            \
            if (c < r->channels) {                                                       \
                const ptrdiff_t left = r->channels - c;                                    \
                vf_storen(y + c, finish(window(f, POOL_LAST, x + c)), left);             \
            }                                                                            \
        }                                                                                \
    } while (0)

/* Any window: `n` vectors of channels at once, the taps of a row folded before they join the others. */
#define POOL_ANY(n, load, store, f, zero, finish)                                                   \
    do {                                                                                            \
        vf all[n];                                                                                  \
        for (int k = 0; k < n; k++) {                                                               \
            all[k] = zero;                                                                          \
        }                                                                                           \
        for (ptrdiff_t z = 0; z < r->taps[0]; z++) {                                                  \
            for (ptrdiff_t h = 0; h < r->taps[1]; h++) {                                              \
                const float *p = x + c + z * r->tap_step[0] + h * r->tap_step[1];                   \
                vf row[n];                                                                          \
                AMG_UNROLL(4)                                                                       \
                for (int k = 0; k < n; k++) {                                                       \
                    row[k] = zero;                                                                  \
                }                                                                                   \
                for (ptrdiff_t w = 0; w < r->taps[2]; w++, p += r->tap_step[2]) {                     \
                    AMG_UNROLL(4)                                                                   \
                    for (int k = 0; k < n; k++) {                                                   \
                        row[k] = f(row[k], load(p + k * VF_LANES));                                 \
                    }                                                                               \
                }                                                                                   \
                AMG_UNROLL(4)                                                                       \
                for (int k = 0; k < n; k++) {                                                       \
                    all[k] = f(all[k], row[k]);                                                     \
                }                                                                                   \
            }                                                                                       \
        }                                                                                           \
        for (int k = 0; k < n; k++) {                                                               \
            store(y + c + k * VF_LANES, finish(all[k]));                                            \
        }                                                                                           \
    } while (0)

#define POOL_STORE_LAST(p, v) vf_storen(p, v, left)

#define POOL_WINDOWS(f, zero, finish)                                                               \
    do {                                                                                            \
        for (ptrdiff_t i = 0; i < r->windows; i++) {                                                  \
            const float *x = r->x + i * r->x_step;                                                  \
            float *y = r->y + i * r->y_step;                                                        \
            ptrdiff_t c = 0;                                                                          \
            for (; !AMG_SMALL && c + POOL_BLOCK <= r->channels; c += POOL_BLOCK) {                  \
                POOL_ANY(4, vf_load, vf_store, f, zero, finish);                                    \
            }                                                                                       \
            for (; c < r->channels; c += VF_LANES) {                                                \
                const ptrdiff_t left = AMG_MIN(VF_LANES, r->channels - c);                          \
                POOL_ANY(1, POOL_LAST, POOL_STORE_LAST, f, zero, finish);                           \
            }                                                                                       \
        }                                                                                           \
    } while (0)

#define POOL_AS_IT_IS(v) v
#define POOL_DIVIDED(v) vf_div(v, divisor)

/* r with whichever is fastest. */
#define POOL_RUN(f, zero, finish)                                                                   \
    do {                                                                                            \
        if (!AMG_SMALL && r->taps[0] == 1 && r->taps[1] == 3 && r->taps[2] == 3) {                  \
            POOL_WRITTEN_OUT(POOL_3X3, f, finish);                                                  \
        } else if (!AMG_SMALL && r->taps[0] == 1 && r->taps[1] == 2 && r->taps[2] == 2) {           \
            POOL_WRITTEN_OUT(POOL_2X2, f, finish);                                                  \
        } else {                                                                                    \
            POOL_WINDOWS(f, zero, finish);                                                          \
        }                                                                                           \
    } while (0)

#endif
