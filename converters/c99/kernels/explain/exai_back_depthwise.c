/* The way back through depthwise convolutions: each pixel of the input gets the factors of the outputs whose windows hold it,
 * times the weights of the taps between them. Weights are widened once, in fours of channels, so that four sums walk along
 * the taps together. Channels are not mixed, so that small factors beside large ones count: they have 30 bits.
 */

#include "exai_fours.h"
#include "exai_mve.h"
#include "exai_wide.h"

static inline int divides(const exai_way *way) {
    return exai_is(EXAI_USES_DEPTHWISE, EXAI_DIVIDES, way->divides);
}

static inline int is_signed(const exai_way *way) {
    return exai_is_signed(EXAI_USES_DEPTHWISE, way->weights);
}

/* Whether a channel has one output. */
static inline int is_single(const exai_layer *layer) {
    return exai_is(EXAI_USES_DEPTHWISE, EXAI_SINGLE, layer->in_channels == layer->out_channels);
}

static inline int32_t taking(int32_t w, int side, int sharing) {
    return exai_is_all(EXAI_USES_DEPTHWISE, sharing) ? w : side ? w & (w >> 31) : w & ~(w >> 31);
}

/* Whether a channel has one output, and all that arrives there the same weights. */
static inline int plain(const exai_way *way) {
    return is_single(way->layer) && !is_signed(way);
}

enum { UP = 6 }; /* bits that weights are shifted to the left, so that their products with factors keep theirs */

/* One tap's weights in fours: times `up` to divide, else times the layer's multipliers. */
#if EXAI_MVE
static int32x4_t four_weights(const exai_way *way, int32_t tap, int32_t j, int side, int32_t up) {
    const exai_layer *const layer = way->layer;
    const uint32x4_t places = vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)layer->step);
    const mve_pred16_t p = vctp32q((uint32_t)(layer->out_channels - j));
    const int32x4_t zeros = vdupq_n_s32(0), four = vldrbq_z_s32(layer->weights + tap * layer->out_channels + j, p);
    if (!divides(way)) { /* `exai_folded` */
        const int32_t first = j * layer->step;
        const int32x4_t by = vsubq_n_s32(vldrbq_gather_offset_z_s32(layer->shift + first, places, p), way->most + 1);
        const int32x4_t all = vldrwq_gather_shifted_offset_z_s32(layer->multiplier + first, places, p);
        const int32x4_t gain = vshlq_s32(vaddq_n_s32(vshrq_n_s32(all, 15), 1), vmaxq_s32(by, vdupq_n_s32(-31)));
        return vrshlq_n_s32(vmulq_s32(four, gain), -way->fold);
    }
    if (way->weights == EXAI_ALL) return vmulq_n_s32(four, up);
    return vmulq_n_s32(side ? vminq_s32(four, zeros) : vmaxq_s32(four, zeros), up);
}

static void widen_tap(const exai_way *way, int32_t tap, int32_t taps, int side, int32_t up, int16_t *to) {
    for (int32_t j = 0; j < way->layer->out_channels; j += 4, to += 4 * taps) {
        vstrhq_s32(to, four_weights(way, tap, j, side, up));
    }
}

/* For `exai_mve_factors`: one tap's, `place` being its number. */
static void place_tap(const exai_way *way, int32_t tap, int32_t taps, int32_t place, int32_t *wide) {
    const int32_t out = way->layer->out_channels, eights = exai_eights(out);
    for (int32_t j = 0; j < out; j += 4) {
        const int32_t first = j / 16 * 16, width = eights - first < 16 ? 8 : 16;
        vstrwq_s32(wide + first * taps + place * width + j % 16, vshlq_n_s32(four_weights(way, tap, j, 0, 1 << UP), 16));
    }
}

/* Pointers to the factors under taps: columns of rows of the ring, of which one below 0 is outside. */
static void list_taps(const int32_t *factors, const int16_t *rows, int32_t na, const int16_t *columns, int32_t nb, int32_t all,
                      int32_t eights, const int32_t *zeros, const int32_t **tap) {
    const uint32x4_t outside = vdupq_n_u32((uint32_t)(uintptr_t)zeros);
    for (int32_t a = 0; a < na; a++, tap += nb) {
        const uint32_t start = (uint32_t)(uintptr_t)(factors + rows[a] * all * eights);
        for (int32_t b = 0; b < nb; b += 4) {
            const uint32x4_t at = vreinterpretq_u32_s32(vldrhq_s32(columns + b));
            exai_mve_pixels(start, at, rows[a] < 0 ? 0 : all, 4 * eights, outside, tap + b);
        }
    }
}
#else
static void widen_tap(const exai_way *way, int32_t tap, int32_t taps, int side, int32_t up, int16_t *to) {
    const exai_layer *const layer = way->layer;
    const int8_t *w = layer->weights + tap * layer->out_channels;
    int32_t left = layer->out_channels;
    for (int32_t j = 0; left > 0; to += 4 * taps - 4) {
        for (int32_t i = 0; i < 4; i++, j++, left--) {
            const int32_t one = left > 0 ? *w++ : 0;
            *to++ = (int16_t)(divides(way) ? taking(one, side, way->weights) * up : left > 0 ? exai_folded(way, j, one) : 0);
        }
    }
}
#endif

/* Factors of rows of outputs, as many as a window spans, with one exponent, and what dividing takes. */
typedef struct {
    const int8_t **tap;
    int32_t *factors, *base, *d, *q; /* (span, out columns, eights); (eights) each */
    int16_t *wide;                   /* weights in fours */
    uint16_t *list;
    int8_t *outside;
    int32_t span, next;
    int16_t exponent;
#if EXAI_MVE
    exai_mve_layer mve;
    int32_t listed; /* the output whose taps `tap` holds */
#endif
} rows_of_outputs;

static void begin_dividing(const exai_way *way, rows_of_outputs *r) {
    const exai_layer *const layer = way->layer;
    const int32_t taps = layer->kernel_rows * layer->kernel_columns, out = layer->out_channels;
    const int32_t zero = plain(way) ? layer->in_zero : 0;
    memset(r->outside, layer->in_zero, layer->in_channels);
    for (int32_t j = 0; j < out; j++) r->base[j] = exai_offset(way, j, layer->weights + j, taps, out);
#if EXAI_MVE
    const int8_t *weights = layer->weights;
    if (way->weights == EXAI_POSITIVE) {
        exai_mve_positive(weights, taps * out, (int8_t *)r->wide);
        weights = (const int8_t *)r->wide;
    }
    r->mve = exai_mve_depthwise_of(weights, r->base, taps, out), r->listed = -2;
    for (int32_t j = 0; j < out; j += 4) {
        const mve_pred16_t p = vctp32q((uint32_t)(out - j));
        int32x4_t sum = vldrwq_z_s32(r->base + j, p);
        for (int32_t t = 0; t < taps; t++) sum = vmlaq_n_s32(sum, vldrbq_z_s32(weights + t * out + j, p), -zero);
        vstrwq_p_s32(r->base + j, sum, p);
    }
#else
    for (int32_t t = 0; t < taps; t++) widen_tap(way, t, taps, 0, 1, r->wide + 4 * t);
    for (int32_t j = 0; j < out; j++) {
        for (int32_t t = 0; t < taps; t++) r->base[j] -= zero * taking(layer->weights[t * out + j], 0, way->weights);
    }
#endif
}

/* What relevance of output p is divided by, for each listed unit. */
static void denominators(const exai_way *way, rows_of_outputs *r, const int8_t *x, int32_t row, int32_t column,
                         int32_t n) {
    const exai_layer *const layer = way->layer;
    const int32_t taps = layer->kernel_rows * layer->kernel_columns, in = layer->in_channels, out = layer->out_channels;
    const int32_t times = is_single(layer) ? 1 : out / in, whole = plain(way);
    const int32_t fours = !whole ? 0 : EXAI_MVE ? out : out / 4 * 4;
#if EXAI_MVE
    const int32_t p = row * layer->out_columns + column;
    if (column && r->listed == p - 1 && exai_mve_follows(layer, row, column))
        exai_mve_advance(r->tap, taps, layer->stride_columns * in);
    else
        exai_mve_taps(layer, x, row, column, r->outside, r->tap);
    r->listed = p;
    if (whole) exai_mve_depthwise(&r->mve, r->tap, r->d);
#else
    int32_t at = 0, i = row * layer->stride_rows - layer->top;
    for (int32_t a = 0; a < layer->kernel_rows; a++, i += layer->dilation_rows) {
        int32_t j = column * layer->stride_columns - layer->left;
        for (int32_t b = 0; b < layer->kernel_columns; b++, j += layer->dilation_columns) {
            const int inside = i >= 0 && i < layer->in_rows && j >= 0 && j < layer->in_columns;
            r->tap[at++] = inside ? x + (i * layer->in_columns + j) * in : r->outside;
        }
    }
    exai_fours_of_values(r->tap, fours, taps, r->wide, 4 * taps, r->base, r->d);
#endif
    for (int32_t k = 0; k < n && fours < out; k++) {
        const int32_t unit = r->list[k];
        if (unit < fours) continue;
        r->d[unit] = r->base[unit];
        for (int32_t t = 0; t < taps; t++) {
            const int32_t v = r->tap[t][unit / times] - (whole ? 0 : layer->in_zero);
            r->d[unit] += v * taking(layer->weights[t * out + unit], is_signed(way) && v < 0, way->weights);
        }
    }
}

/* By how much factors of an exponent are shifted right; where they need a larger one, all get it, with room to spare. */
static int32_t align(rows_of_outputs *r, int32_t all, int32_t exponent) {
    if (exponent > r->exponent) exai_align(r->factors, &r->exponent, all, exponent + 2);
    return exai_align(r->factors, &r->exponent, all, exponent);
}

/* Factors of the rows of outputs that windows of row `at` of the input hold. Where one needs a larger exponent, all get it:
 * what it costs small ones they have to spare. */
static void load(const exai_way *way, rows_of_outputs *r, const int8_t *x, const int16_t *above, int32_t at) {
    const exai_layer *const layer = way->layer;
    const int32_t columns = layer->out_columns, out = layer->out_channels, eights = exai_eights(out);
    const int32_t end = (at + layer->top) / layer->stride_rows + 1, all = r->span * columns * eights;
    for (; r->next < end && r->next < layer->out_rows; r->next++) {
        for (int32_t j = 0; j < columns; j++) {
            const int32_t p = r->next * columns + j, exponent = above[layer->out_rows * columns * out + p];
            const int16_t *const m = above + p * out;
            int32_t *const to = r->factors + (r->next % r->span * columns + j) * eights;
            if (exponent != EXAI_NOTHING && !divides(way)) {
                const int32_t by = align(r, all, exponent - EXAI_PRECISION);
#if EXAI_MVE
                exai_mve_lengthened(m, out, EXAI_PRECISION - by, to);
#else
                for (int32_t c = 0; c < out; c++) to[c] = m[c] * (1 << EXAI_PRECISION) >> by;
#endif
                continue;
            }
            exai_clear(to, eights * 4);
            if (exponent == EXAI_NOTHING) continue;
            const int32_t n = exai_list(m, out, r->list);
            denominators(way, r, x, r->next, j, n);
            int32_t by;
#if EXAI_MVE
            const uint32_t size = exai_mve_quotients_of(way, m, r->list, n, r->d, r->q, &by);
#else
            exai_clear(r->q, 4 * n);
            const uint32_t size = exai_quotients(way, m, r->list, n, r->d, r->q, &by);
#endif
            if (!size) continue;
            const int32_t up = exai_length(size) - (way->bits + 14);
            by = up + align(r, all, exponent - by - UP - 16 + up);
            exai_place(r->q, r->list, n, by > 31 ? 31 : by, to);
        }
    }
}

/* Weights in fours, taps in order of their class, in a class the last one first. */
static void widen(const exai_way *way, int side, int16_t *wide) {
    const exai_layer *const layer = way->layer;
    const int32_t taps = layer->kernel_rows * layer->kernel_columns;
#if EXAI_MVE
    int32_t place = 0;
#endif
    for (int32_t cy = 0; cy < layer->stride_rows; cy++) {
        for (int32_t cx = 0; cx < layer->stride_columns; cx++) {
            for (int32_t a = layer->kernel_rows - 1; a >= 0; a--) {
                for (int32_t b = layer->kernel_columns - 1; b >= 0; b--) {
                    if (a * layer->dilation_rows % layer->stride_rows != cy) continue;
                    if (b * layer->dilation_columns % layer->stride_columns != cx) continue;
#if EXAI_MVE
                    if (plain(way)) {
                        place_tap(way, a * layer->kernel_columns + b, taps, place++, (int32_t *)(void *)wide);
                        continue;
                    }
#endif
                    widen_tap(way, a * layer->kernel_columns + b, taps, side, 1 << UP, wide);
                    wide += 4;
                }
            }
        }
    }
}

/* Scratch: pointers of taps, then int32: sums and values of a pixel, no factors, factors of rows; to divide, three values a
 * unit; then int16: weights, lists, axes, weights to divide, a pixel outside. */
void exai_back_depthwise(const exai_way *way, const int8_t *x, const int16_t *above, const void *gate, void *below,
                         void *scratch) {
    const exai_layer *const layer = way->layer;
    const int32_t kr = layer->kernel_rows, kc = layer->kernel_columns, taps = kr * kc, in = layer->in_channels;
    const int32_t out = layer->out_channels, eights = exai_eights(out), all = layer->in_columns, times = is_single(layer) ? 1 : out / in;
    const int32_t sides = is_signed(way) ? 2 : 1, span = exai_span(layer), two = divides(way) ? 1 : 0;
    const int32_t **const tap = scratch;
    int32_t *const sums = (int32_t *)(void *)((int64_t *)scratch + taps + 1), *const dense = sums + eights;
    int32_t *const zeros = dense + eights;
    rows_of_outputs r;
    r.tap = scratch, r.span = span, r.next = 0, r.exponent = EXAI_NOTHING;
    r.factors = zeros + eights;
    r.base = r.factors + span * layer->out_columns * eights;
    r.d = r.base + two * eights;
    r.q = r.d + two * eights;
    int16_t *const wide = (int16_t *)(r.q + two * eights);
    r.list = (uint16_t *)(wide + 2 * taps * eights);
    int16_t *const outs = (int16_t *)(r.list + eights), *const columns = outs + kr;
    r.wide = columns + kc + ((kr + kc) & 1);
    r.outside = (int8_t *)(r.wide + two * taps * eights);
    exai_clear(zeros, eights * 4);
    exai_clear(r.factors, span * layer->out_columns * eights * 4);
    if (divides(way)) begin_dividing(way, &r);
    for (int side = 0; side < sides; side++) widen(way, side, wide + side * taps * eights);
    for (int32_t i = 0; i < layer->in_rows; i++) {
        load(way, &r, x, above, i);
        int32_t above_taps, left_taps;
        const int32_t na = exai_meeting(i + layer->top, kr, layer->stride_rows, layer->dilation_rows, outs, &above_taps);
        for (int32_t a = 0; a < na; a++) outs[a] = (int16_t)(outs[a] >= 0 && outs[a] < r.next ? outs[a] % span : -1);
#if EXAI_MVE
        int whole = na == kr && layer->stride_columns == 1, follows = 0; /* no row is outside; no tap was at the pixel before */
        for (int32_t a = 0; a < na; a++) whole = whole && outs[a] >= 0;
#endif
        for (int32_t j = 0; j < all; j++) {
            const int32_t p = i * all + j;
            const int32_t nb =
                exai_meeting(j + layer->left, kc, layer->stride_columns, layer->dilation_columns, columns, &left_taps);
            const int32_t before = kc * above_taps + na * left_taps;
            const int16_t *const w = wide + 4 * before;
            int32_t n = 0, exponent = EXAI_NOTHING;
            if (r.exponent != EXAI_NOTHING && na && nb) {
                exponent = r.exponent + 16 + exai_wide_exponent(way);
#if EXAI_MVE
                const int inside = whole && columns[0] >= 0 && columns[nb - 1] < layer->out_columns;
                if (inside && follows)
                    exai_mve_advance(tap, na * nb, 4 * eights);
                else
                    list_taps(r.factors, outs, na, columns, nb, layer->out_columns, eights, zeros, tap);
                follows = inside;
#else
                for (int32_t a = 0, t = 0; a < na; a++) { /* the factors under the taps, nothing outside the map */
                    const int32_t *const row = r.factors + outs[a] * layer->out_columns * eights;
                    for (int32_t b = 0; b < nb; b++) {
                        const int here = outs[a] >= 0 && columns[b] >= 0 && columns[b] < layer->out_columns;
                        tap[t++] = here ? row + columns[b] * eights : zeros;
                    }
                }
#endif
                n = exai_list_kept(way->keep, p * in, 0, in, gate, r.list);
                if (plain(way)) {
#if EXAI_MVE
                    exai_mve_factors(tap, na * nb, eights, taps, before, (const int32_t *)(const void *)wide, dense);
#else
                    exai_fours_of_factors(tap, (in + 3) / 4 * 4, na * nb, w, 4 * taps, dense);
#endif
                    exai_pick(dense, r.list, n, sums);
                } else {
                    for (int32_t k = 0; k < n; k++) {
                        const int32_t c = r.list[k], v = sides > 1 ? x[p * in + c] - layer->in_zero : 1;
                        const int16_t *const mine = w + (v < 0 ? taps * eights : 0);
                        sums[k] = 0;
                        for (int32_t u = c * times; u < (c + 1) * times && v; u++) {
                            for (int32_t t = 0; t < na * nb; t++) {
                                sums[k] += exai_shortened(tap[t][u], mine[u / 4 * taps * 4 + 4 * t + u % 4]);
                            }
                        }
                    }
                }
            }
            exai_keep_listed(way->keep, p, in, r.list, n, sums, exponent, gate, below, dense);
        }
    }
}
