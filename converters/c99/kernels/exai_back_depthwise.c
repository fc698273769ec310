/* The way back through depthwise convolutions: relevance becomes factors in its place, then each pixel of the input gets the
 * factors of the outputs whose windows hold it, times the weights of the taps between them. Weights are widened once, in
 * fours of channels, so that four sums walk along the taps together.
 */

#include "exai_wide.h"

static inline int32_t taking(int32_t w, int side, int sharing) {
    return sharing == EXAI_ALL ? w : side ? w & (w >> 31) : w & ~(w >> 31);
}

#if EXAI_DSP

#define THREE(load)                                                                                                   \
    __asm__ volatile("1:\n\t"                                                                                         \
                     "ldmia %[taps]!, {r4, r5, r6}\n\t" load(r4) load(r5) load(r6) "subs %[n], %[n], #1\n\t"          \
                     "bne 1b\n\t"                                                                                     \
                     : [s0] "+r"(s0), [s1] "+r"(s1), [s2] "+r"(s2), [s3] "+r"(s3), [taps] "+r"(taps), [w] "+r"(w),    \
                       [n] "+r"(n)                                                                                    \
                     : [at] "r"(at)                                                                                   \
                     : "r4", "r5", "r6", "r8", "r9", "r10", "cc", "memory")
#define ONE(load)                                                                                                     \
    __asm__ volatile("1:\n\t"                                                                                         \
                     "ldr r4, [%[taps]], #4\n\t" load(r4) "subs %[n], %[n], #1\n\t"                                   \
                     "bne 1b\n\t"                                                                                     \
                     : [s0] "+r"(s0), [s1] "+r"(s1), [s2] "+r"(s2), [s3] "+r"(s3), [taps] "+r"(taps), [w] "+r"(w),    \
                       [n] "+r"(n)                                                                                    \
                     : [at] "r"(at)                                                                                   \
                     : "r4", "r8", "r9", "r10", "cc", "memory")
/* Four factors of a tap, four weights. */
#define FACTORS(p)                           \
    "add " #p ", " #p ", %[at]\n\t"          \
    "ldrd " #p ", r8, [" #p "]\n\t"          \
    "ldrd r9, r10, [%[w]], #8\n\t"           \
    "smlabb %[s0], " #p ", r9, %[s0]\n\t"    \
    "smlatt %[s1], " #p ", r9, %[s1]\n\t"    \
    "smlabb %[s2], r8, r10, %[s2]\n\t"       \
    "smlatt %[s3], r8, r10, %[s3]\n\t"
/* Four values of a tap, four weights. */
#define VALUES(p)                            \
    "ldr " #p ", [" #p ", %[at]]\n\t"        \
    "ldrd r9, r10, [%[w]], #8\n\t"           \
    "sxtb16 r8, " #p "\n\t"                  \
    "sxtb16 " #p ", " #p ", ror #8\n\t"      \
    "smlabb %[s0], r8, r9, %[s0]\n\t"        \
    "smlabt %[s1], " #p ", r9, %[s1]\n\t"    \
    "smlatb %[s2], r8, r10, %[s2]\n\t"       \
    "smlatt %[s3], " #p ", r10, %[s3]\n\t"

static inline void four_of_factors(const int16_t *const *taps, uint32_t n, uint32_t at, const int16_t *w, int32_t *to) {
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    at *= sizeof *w;
    if (n % 3) {
        ONE(FACTORS);
    } else {
        n /= 3;
        THREE(FACTORS);
    }
    to[0] = s0, to[1] = s1, to[2] = s2, to[3] = s3;
}

static inline void four_of_values(const int8_t *const *taps, uint32_t n, uint32_t at, const int16_t *w, int32_t *to) {
    int32_t s0 = to[0], s1 = to[1], s2 = to[2], s3 = to[3];
    if (n % 3) {
        ONE(VALUES);
    } else {
        n /= 3;
        THREE(VALUES);
    }
    to[0] = s0, to[1] = s1, to[2] = s2, to[3] = s3;
}

#else

static inline void four_of_factors(const int16_t *const *taps, uint32_t n, uint32_t at, const int16_t *w, int32_t *to) {
    to[0] = to[1] = to[2] = to[3] = 0;
    for (; n > 0; n--, taps++, w += 4) {
        for (int32_t i = 0; i < 4; i++) to[i] += (*taps)[at + (uint32_t)i] * w[i];
    }
}

static inline void four_of_values(const int8_t *const *taps, uint32_t n, uint32_t at, const int16_t *w, int32_t *to) {
    for (; n > 0; n--, taps++, w += 4) {
        for (int32_t i = 0; i < 4; i++) to[i] += (*taps)[at + (uint32_t)i] * w[i];
    }
}

#endif

/* One tap's weights in fours; without an offset times the layer's multipliers. */
static void widen_tap(const exai_way *way, int32_t tap, int32_t taps, int side, int16_t *to) {
    const exai_layer *const layer = way->layer;
    const int8_t *const w = layer->weights + tap * layer->out_channels;
    for (int32_t j = 0; j < exai_eights(layer->out_channels); j++) {
        int32_t value = 0;
        if (j < layer->out_channels) value = way->offset ? taking(w[j], side, way->weights) : exai_folded(way, j, w[j]);
        to[j / 4 * taps * 4 + j % 4] = (int16_t)value;
    }
}

/* Relevance over what shares in each unit, in its place. */
static void divide(const exai_way *way, const int8_t *x, int16_t *above, void *scratch) {
    const exai_layer *const layer = way->layer;
    const int32_t taps = layer->kernel_rows * layer->kernel_columns, in = layer->in_channels, out = layer->out_channels;
    const int32_t eights = exai_eights(out), pixels = layer->out_rows * layer->out_columns, times = out / in;
    const int plain = times == 1 && way->weights != EXAI_SIGNED;
    const int8_t **const tap = scratch;
    int32_t *const base = (int32_t *)(void *)((int64_t *)scratch + taps), *const d = base + eights, *const own = d + eights;
    int16_t *const wide = (int16_t *)(own + eights);
    uint16_t *const list = (uint16_t *)(wide + taps * eights);
    int8_t *const outside = (int8_t *)(list + eights);
    memset(outside, layer->in_zero, (size_t)in);
    for (int32_t t = 0; t < taps; t++) widen_tap(way, t, taps, 0, wide + 4 * t);
    for (int32_t j = 0; j < out; j++) {
        base[j] = way->offset[j];
        for (int32_t t = 0; t < taps && plain; t++) {
            base[j] -= layer->in_zero * taking(layer->weights[t * out + j], 0, way->weights);
        }
    }
    for (int32_t p = 0; p < pixels; p++) {
        int16_t *const m = above + p * out, *const exponent = above + pixels * out + p;
        int32_t t = 0, i = p / layer->out_columns * layer->stride_rows - layer->top, j = 0;
        if (*exponent == EXAI_NOTHING) continue;
        for (int32_t a = 0; a < layer->kernel_rows; a++, i += layer->dilation_rows) {
            int32_t k = p % layer->out_columns * layer->stride_columns - layer->left;
            for (int32_t b = 0; b < layer->kernel_columns; b++, k += layer->dilation_columns) {
                const int inside = i >= 0 && i < layer->in_rows && k >= 0 && k < layer->in_columns;
                tap[t++] = inside ? x + (i * layer->in_columns + k) * in : outside;
            }
        }
        const int32_t n = exai_list(m, out, list);
        if (plain) {
            memcpy(d, base, (size_t)out * sizeof *d);
            for (; j + 4 <= out; j += 4) four_of_values(tap, (uint32_t)taps, (uint32_t)j, wide + j * taps, d + j);
        }
        for (int32_t k = 0; k < n; k++) {
            const int32_t unit = list[k], c = times == 1 ? unit : unit / times;
            int32_t sum = base[unit];
            for (t = 0; t < taps && unit >= j; t++) {
                const int32_t v = plain ? tap[t][c] : tap[t][c] - layer->in_zero;
                sum += v * taking(layer->weights[t * out + unit], way->weights == EXAI_SIGNED && v < 0, way->weights);
            }
            own[k] = unit < j ? d[unit] : sum;
        }
        *exponent = (int16_t)exai_divide_listed(m, list, n, own, way->bits, *exponent);
    }
}

/* Weights in fours, taps in order of their class, in a class the last one first. */
static void widen(const exai_way *way, int side, int16_t *wide) {
    const exai_layer *const layer = way->layer;
    const int32_t taps = layer->kernel_rows * layer->kernel_columns;
    for (int32_t cy = 0; cy < layer->stride_rows; cy++) {
        for (int32_t cx = 0; cx < layer->stride_columns; cx++) {
            for (int32_t a = layer->kernel_rows - 1; a >= 0; a--) {
                for (int32_t b = layer->kernel_columns - 1; b >= 0; b--) {
                    if (a * layer->dilation_rows % layer->stride_rows != cy) continue;
                    if (b * layer->dilation_columns % layer->stride_columns != cx) continue;
                    widen_tap(way, a * layer->kernel_columns + b, taps, side, wide);
                    wide += 4;
                }
            }
        }
    }
}

void exai_back_depthwise(const exai_way *way, const int8_t *x, int16_t *above, const void *gate, void *below, void *scratch) {
    const exai_layer *const layer = way->layer;
    const int32_t kr = layer->kernel_rows, kc = layer->kernel_columns, taps = kr * kc, in = layer->in_channels;
    const int32_t out = layer->out_channels, eights = exai_eights(out), all = layer->in_columns, times = out / in;
    const int32_t sides = way->weights == EXAI_SIGNED ? 2 : 1;
    if (way->offset) divide(way, x, above, scratch);
    const int16_t **const tap = scratch;
    int32_t *const sums = (int32_t *)(void *)((int64_t *)scratch + taps), *const dense = sums + eights;
    int16_t *const wide = (int16_t *)(dense + eights), *const zeros = wide + sides * taps * eights;
    int16_t *const room = zeros + eights;
    exai_rows r;
    exai_rows_begin(&r, layer, above, eights, room);
    uint16_t *const list = (uint16_t *)(r.own + r.span);
    int16_t *const outs = (int16_t *)(list + in), *const columns = outs + kr;
    memset(zeros, 0, (size_t)eights * sizeof *zeros);
    for (int side = 0; side < sides; side++) widen(way, side, wide + side * taps * eights);
    for (int32_t i = 0; i < layer->in_rows; i++) {
        int32_t exponent = exai_rows_load(&r, i);
        const int32_t na = exai_meeting(i + layer->top, kr, layer->stride_rows, layer->dilation_rows, outs);
        const int32_t taps_above =
            kc * exai_taps_before((i + layer->top) % layer->stride_rows, kr, layer->stride_rows, layer->dilation_rows);
        if (exponent != EXAI_NOTHING) exponent += exai_wide_exponent(way);
        for (int32_t j = 0; j < all; j++) {
            const int32_t p = i * all + j;
            const int32_t nb = exai_meeting(j + layer->left, kc, layer->stride_columns, layer->dilation_columns, columns);
            const int32_t before = taps_above + na * exai_taps_before((j + layer->left) % layer->stride_columns, kc,
                                                                      layer->stride_columns, layer->dilation_columns);
            const int16_t *const w = wide + 4 * before;
            int32_t n = 0;
            if (exponent != EXAI_NOTHING && na * nb) {
                for (int32_t a = 0, t = 0; a < na; a++) {
                    const int16_t *const row = r.rows + outs[a] % r.span * layer->out_columns * eights;
                    const int inside = outs[a] >= 0 && outs[a] < r.next;
                    for (int32_t b = 0; b < nb; b++) {
                        const int here = inside && columns[b] >= 0 && columns[b] < layer->out_columns;
                        tap[t++] = here ? row + columns[b] * eights : zeros;
                    }
                }
                n = exai_list_kept(way->keep, p, 0, in, gate, list);
                if (times == 1 && sides == 1) {
                    for (int32_t c = 0; c < in; c += 4) {
                        four_of_factors(tap, (uint32_t)(na * nb), (uint32_t)c, w + c * taps, dense + c);
                    }
                    for (int32_t k = 0; k < n; k++) sums[k] = dense[list[k]];
                } else {
                    for (int32_t k = 0; k < n; k++) {
                        const int32_t c = list[k];
                        const int16_t *const mine = w + (sides > 1 && x[p * in + c] < layer->in_zero ? taps * eights : 0);
                        sums[k] = 0;
                        if (sides > 1 && x[p * in + c] == layer->in_zero) continue;
                        for (int32_t u = c * times; u < (c + 1) * times; u++) {
                            for (int32_t t = 0; t < na * nb; t++) {
                                sums[k] += tap[t][u] * mine[u / 4 * taps * 4 + 4 * t + u % 4];
                            }
                        }
                    }
                }
            }
            exai_keep_listed(way->keep, p, list, n, sums, exponent, gate, below, dense);
        }
    }
}
