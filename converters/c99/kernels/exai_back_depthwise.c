/* The way back through depthwise convolutions: each output pixel's factors, times the weights of a tap, go to the pixel
 * of the input under that tap.
 */

#include "exai_flow.h"

static inline int32_t shared(int32_t w, int sharing, int32_t v) {
    if (sharing == EXAI_ALL) return w;
    if (sharing == EXAI_SIGNED && v <= 0) return v ? w & (w >> 31) : 0;
    return w & ~(w >> 31);
}

/* Sums of what shares in a unit. */
static int32_t denominator(const exai_way *way, const int8_t *const *tap, int32_t unit, int32_t times) {
    const exai_layer *const layer = way->layer;
    const int32_t taps = layer->kernel_rows * layer->kernel_columns, c = times == 1 ? unit : unit / times;
    const int8_t *w = layer->weights + unit;
    int32_t sum = way->offset[unit];
    for (int32_t t = 0; t < taps; t++, w += layer->out_channels) {
        if (!tap[t]) continue;
        const int32_t v = tap[t][c] - layer->in_zero;
        sum += shared(*w, way->weights, v) * v;
    }
    return sum;
}

/* The factors of all units, zero where no relevance is; the exponent of their products. */
static int32_t factors(const exai_way *way, const int8_t *const *tap, const int16_t *above, int32_t exponent, int16_t *own,
                       int32_t *s) {
    const exai_layer *const layer = way->layer;
    const int32_t out = layer->out_channels, times = out / layer->in_channels;
    int32_t most = -1000, e, by;
    if (!way->offset) {
        uint32_t size = 0;
        for (int32_t j = 0; j < out; j++) {
            s[j] = above[j] ? exai_multiplied(layer, j, above[j], way->most) : 0;
            size |= exai_size(s[j]);
        }
        by = exai_length(size) - way->bits;
        exponent += way->most - 15;
            for (int32_t j = 0; j < out; j++) s[j] = exai_shifted(s[j], by);
        return exponent + by + 16;
    }
    for (int32_t j = 0; j < out; j++) {
        s[j] = 0;
        const int32_t d = above[j] ? denominator(way, tap, j, times) : 0;
        if (!d) continue;
        s[j] = exai_quotient(above[j], d, &e);
        own[j] = (int16_t)e;
        if (e > most) most = e;
    }
    by = most + 16 - way->bits;
    exponent -= 15;
    for (int32_t j = 0; j < out; j++) {
        if (s[j]) s[j] = exai_shifted(s[j], by - own[j]);
    }
    return exponent + by + 16;
}

#if EXAI_DSP

#define FOUR(take, shift)                                                                                    \
    __asm__ volatile("1:\n\t"                                                                                \
                     "ldr %[a], [%[w]], #4\n\t"                                                              \
                     "ldrd %[x], %[y], [%[s]], #8\n\t"                                                       \
                     "sxtb16 %[b], %[a]\n\t"                                                                 \
                     "sxtb16 %[a], %[a], ror #8\n\t" take shift                                              \
                     "ldrd %[c], %[d], [%[sums]]\n\t"                                                        \
                     "smlawb %[c], %[x], %[b], %[c]\n\t"                                                     \
                     "smlawb %[d], %[y], %[a], %[d]\n\t"                                                     \
                     "strd %[c], %[d], [%[sums]], #8\n\t"                                                    \
                     "ldrd %[x], %[y], [%[s]], #8\n\t" shift                                                 \
                     "ldrd %[c], %[d], [%[sums]]\n\t"                                                        \
                     "smlawt %[c], %[x], %[b], %[c]\n\t"                                                     \
                     "smlawt %[d], %[y], %[a], %[d]\n\t"                                                     \
                     "strd %[c], %[d], [%[sums]], #8\n\t"                                                    \
                     "subs %[n], %[n], #1\n\t"                                                               \
                     "bne 1b\n\t"                                                                            \
                     : [w] "+r"(w), [s] "+r"(s), [sums] "+r"(sums), [n] "+r"(n), [a] "=&r"(a), [b] "=&r"(b), \
                       [c] "=&r"(c), [d] "=&r"(d), [x] "=&r"(x), [y] "=&r"(y)                                \
                     : [by] "r"(by)                                                                          \
                     : "cc", "memory")
#define POSITIVE "usat16 %[a], #8, %[a]\n\tusat16 %[b], #8, %[b]\n\t"
#define SHIFT "asr %[x], %[x], %[by]\n\tasr %[y], %[y], %[by]\n\t"

static void add_fours(const int8_t *w, const int32_t *s, int32_t *sums, int32_t n, int32_t by, int sharing) {
    uint32_t a, b, c, d, x, y;
    if (sharing == EXAI_ALL && !by)
        FOUR("", "");
    else if (sharing == EXAI_ALL)
        FOUR("", SHIFT);
    else if (!by)
        FOUR(POSITIVE, "");
    else
        FOUR(POSITIVE, SHIFT);
}

#endif

/* A tap's products, of factors shifted right, added to sums. */
static void add(const exai_way *way, const int8_t *w, const int32_t *s, const int8_t *tap, int32_t *sums, int32_t by) {
    const int32_t in = way->layer->in_channels, out = way->layer->out_channels, times = out / in;
    int32_t j = 0;
#if EXAI_DSP
    if (times == 1 && out >= 4 && way->weights != EXAI_SIGNED) {
        j = out / 4 * 4;
        add_fours(w, s, sums, out / 4, by, way->weights);
    }
#endif
    for (; j < out; j++) {
        const int32_t c = times == 1 ? j : j / times;
        const int32_t v = way->weights == EXAI_SIGNED ? tap[c] - way->layer->in_zero : 0;
        sums[c] += exai_times(s[j] >> by, shared(w[j], way->weights, v));
    }
}

void exai_back_depthwise(const exai_way *way, const int8_t *x, const int16_t *above, const void *gate, void *below,
                         void *scratch) {
    const exai_layer *const layer = way->layer;
    const int32_t taps = layer->kernel_rows * layer->kernel_columns, in = layer->in_channels, out = layer->out_channels;
    const int32_t columns = layer->in_columns, pixels = layer->out_rows * layer->out_columns;
    const int8_t **const tap = scratch;
    int32_t *const s = (int32_t *)(void *)((int64_t *)scratch + taps);
    int16_t *const own = (int16_t *)(s + out);
    int32_t *const sums = (int32_t *)(void *)(own + out + (out & 1));
    const int32_t places = ((layer->kernel_rows - 1) * layer->dilation_rows + 1) * columns;
    int32_t p = 0;
    exai_ring ring;
    exai_ring_begin(&ring, way, sums, (int16_t *)(sums + places * in));
    for (int32_t row = 0; row < layer->out_rows; row++) {
        const int32_t top = row * layer->stride_rows - layer->top;
        exai_ring_flush(&ring, top, gate, below);
        for (int32_t column = 0; column < layer->out_columns; column++, p++) {
            const int32_t left = column * layer->stride_columns - layer->left;
            int32_t exponent = above[pixels * out + p], t = 0, i = top;
            if (exponent == EXAI_NOTHING) continue;
            for (int32_t a = 0; a < layer->kernel_rows && x; a++, i += layer->dilation_rows) {
                int32_t j = left;
                for (int32_t b = 0; b < layer->kernel_columns; b++, j += layer->dilation_columns) {
                    const int inside = i >= 0 && i < layer->in_rows && j >= 0 && j < columns;
                    tap[t++] = inside ? x + (i * columns + j) * in : NULL;
                }
            }
            exponent = factors(way, tap, above + p * out, exponent, own, s);
            t = 0, i = top;
            for (int32_t a = 0; a < layer->kernel_rows; a++, i += layer->dilation_rows) {
                int32_t j = left;
                for (int32_t b = 0; b < layer->kernel_columns; b++, j += layer->dilation_columns, t++) {
                    if (i < 0 || i >= layer->in_rows || j < 0 || j >= columns) continue;
                    const int32_t at = i % ring.span * columns + j;
                    const int32_t by = exai_align(ring.sums + at * in, ring.exponents + at, in, exponent);
                    add(way, layer->weights + t * out, s, x ? tap[t] : NULL, ring.sums + at * in, by);
                }
            }
        }
    }
    exai_ring_flush(&ring, layer->in_rows, gate, below);
}
