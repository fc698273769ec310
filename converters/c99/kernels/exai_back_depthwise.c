/* The way back through depthwise convolutions: relevance becomes factors in its place, then each pixel of the input gets the
 * factors of the outputs whose windows hold it, times the weights of the taps between them. Weights are widened once, in
 * fours of channels, so that four sums walk along the taps together.
 */

#include "exai_fours.h"
#include "exai_wide.h"

static inline int32_t taking(int32_t w, int side, int sharing) {
    return sharing == EXAI_ALL ? w : side ? w & (w >> 31) : w & ~(w >> 31);
}

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
    int32_t *const base = (int32_t *)(void *)((int64_t *)scratch + taps + 1), *const d = base + eights, *const own = d + eights;
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
            j = out / 4 * 4;
            exai_fours_of_values(tap, j, taps, wide, 4 * taps, d);
        }
        int32_t k = 0;
        for (; k < n && list[k] < j; k++) own[k] = d[list[k]];
        for (; k < n; k++) {
            const int32_t unit = list[k], c = unit / times;
            own[k] = base[unit];
            for (t = 0; t < taps; t++) {
                const int32_t v = plain ? tap[t][c] : tap[t][c] - layer->in_zero;
                own[k] += v * taking(layer->weights[t * out + unit], way->weights == EXAI_SIGNED && v < 0, way->weights);
            }
        }
        *exponent = (int16_t)exai_divide_listed(m, list, n, NULL, own, way->bits, *exponent);
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
    int32_t *const sums = (int32_t *)(void *)((int64_t *)scratch + taps + 1), *const dense = sums + eights;
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
            if (exponent != EXAI_NOTHING && na && nb) {
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
                    exai_fours_of_factors(tap, (in + 3) / 4 * 4, na * nb, w, 4 * taps, dense);
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
