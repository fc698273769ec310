/* Weights widened to int16 in the working space, where every pixel meets them: each row is as long as a multiple of eight. */

#ifndef EXAI_WIDE_H
#define EXAI_WIDE_H

#include "exai_flow.h"

static inline int32_t exai_eights(int32_t count) {
    return (count + 7) / 8 * 8;
}

/* Rows of `depth` weights as they share, in the order of `exai_widen`; under EXAI_SIGNED the positive ones of a row, then
 * all of them, or its negative ones where there are vectors. */
void exai_wide_rows(const int8_t *weights, int32_t rows, int32_t depth, int sharing, int16_t *wide);

/* What is added to a unit's sum before relevance is divided by it; its weights lie `stride` apart. */
int32_t exai_offset(const exai_way *way, int32_t unit, const int8_t *weights, int32_t count, int32_t stride);

/* What shares in listed units: `begin` widens a layer's rows of weights to `wide` if the way does that, then d takes the
 * products of a window x with listed ones; v takes the window. */
void exai_shares_begin(const exai_way *way, int32_t depth, int16_t *wide);
void exai_shares(const exai_way *way, const int8_t *x, int32_t depth, const uint16_t *list, int32_t n, const int16_t *wide,
                 int16_t *v, int32_t *d);

/* The vector that meets such rows: x less zero; under EXAI_SIGNED its size, then what is negative, so that positive weights
 * times the one and all weights times the other are what shares. With vectors what is positive, then what is negative. */
void exai_wide_vector(const int8_t *x, int32_t depth, int32_t zero, int sharing, int16_t *v);

/* A unit's multiplier over 2^(most - 15). */
static inline int32_t exai_gain(const exai_way *way, int32_t unit) {
    const int32_t which = unit * way->layer->step, by = way->most - way->layer->shift[which];
    return by > 15 ? 0 : ((way->layer->multiplier[which] >> 15) + 1) >> (by + 1);
}

/* A unit's weight times the layer's multiplier, over 2^(most - 15 + fold). */
static inline int32_t exai_folded(const exai_way *way, int32_t unit, int32_t w) {
    return (w * exai_gain(way, unit) + (way->fold ? 1 << (way->fold - 1) : 0)) >> way->fold;
}

/* One tap's weights (out, inputs first ... last - 1) as they share, or times the layer's multipliers, a row for each input,
 * its units in order. Under EXAI_SIGNED the rows of negative weights are `below` values
 * further. `width` values lie between two rows. */
void exai_wide_columns(const exai_way *way, int folded, int32_t tap, int32_t first, int32_t last, int32_t width,
                       int32_t below, int16_t *wide);

/* The products of listed rows with a vector; `width` is a multiple of eight, rows and vector lie at words. */
void exai_dots(const int16_t *rows, int32_t stride, const uint16_t *list, int32_t n, const int16_t *v, int32_t width,
               int32_t *sums);

/* The exponent of products with columns of weights, over that of what they meet. */
static inline int32_t exai_wide_exponent(const exai_way *way) {
    return way->divides ? 0 : way->most - 15 + way->fold;
}

/* Relevance m of listed units over d, plus their offsets if there are any: 2^(16 + by) times that, in the place of d. */
uint32_t exai_quotients(const exai_way *way, const int16_t *m, const uint16_t *list, int32_t n, const int32_t *offset,
                        int32_t *d, int32_t *by);

/* Numbers d * 2^exponent of listed units as factors m of so many bits, the OR of their sizes being `size`; the factors'
 * exponent. */
int32_t exai_as_factors(const int32_t *d, const uint16_t *list, int32_t n, uint32_t size, int32_t exponent, int32_t bits,
                        int16_t *m);

/* The units that carry relevance. */
#if EXAI_MVE
int32_t exai_list(const int16_t *m, int32_t count, uint16_t *list);
#else
static inline int32_t exai_list(const int16_t *m, int32_t count, uint16_t *list) {
    uint16_t *to = list;
    int32_t j = 0;
    for (; j + 2 <= count; j += 2) {
        if (!exai_word(m + j)) continue;
        if (m[j]) *to++ = (uint16_t)j;
        if (m[j + 1]) *to++ = (uint16_t)(j + 1);
    }
    if (j < count && m[j]) *to++ = (uint16_t)j;
    return (int32_t)(to - list);
}
#endif

/* Channels from ... to - 1 of the pixel whose values begin at `first` that keep what arrives. */
int32_t exai_list_kept(const exai_keep *keep, int32_t first, int32_t from, int32_t to, const void *gate, uint16_t *list);

/* The rest of that list, one by one, from channel i on; its end. */
static inline uint16_t *exai_list_rest(const exai_keep *keep, int32_t first, int32_t i, int32_t to, const void *gate,
                                       uint16_t *end) {
    if (keep->gate == EXAI_OPEN) {
        for (; i < to; i++) *end++ = (uint16_t)i;
    } else if (keep->gate == EXAI_BITS) {
        const uint8_t *const bits = gate;
        for (; i < to; i++) {
            if (bits[(first + i) >> 3] >> ((first + i) & 7) & 1) *end++ = (uint16_t)i;
        }
    } else {
        const int8_t *const v = (const int8_t *)gate + first;
        const int32_t zero = keep->zero, least = keep->form == EXAI_FACTOR ? zero + 1 : -128;
        for (; i < to; i++) {
            if (v[i] != zero && v[i] >= least) *end++ = (uint16_t)i;
        }
    }
    return end;
}

/* A pixel of so many channels is kept, which the map below may hold as several: `sums` are those of listed channels and are
 * overwritten; `dense` takes one value a channel. */
void exai_keep_listed(const exai_keep *keep, int32_t pixel, int32_t channels, const uint16_t *list, int32_t n, int32_t *sums,
                      int32_t exponent, const void *gate, void *below, int32_t *dense);

/* Listed channels as rows of columns of weights: less `first`; under EXAI_SIGNED those of a value below zero are `below`
 * rows further, and those of zero go. */
int32_t exai_list_rows(const exai_way *way, const int8_t *x, uint16_t *list, int32_t n, int32_t first, int32_t below,
                       uint16_t *rows);

/* Values of listed units: to[k] = from[list[k]]. */
static inline void exai_pick(const int32_t *from, const uint16_t *list, int32_t n, int32_t *to) {
#if EXAI_MVE
    __asm__ volatile(
        "wlstp.32 lr, %[n], 2f\n"
        "1:\n\t"
        "vldrh.u32 q0, [%[list]], #8\n\t"
        "vldrw.32 q1, [%[from], q0, uxtw #2]\n\t"
        "vstrw.32 q1, [%[to]], #16\n\t"
        "letp lr, 1b\n"
        "2:"
        : [list] "+l"(list), [to] "+r"(to)
        : [n] "r"(n), [from] "r"(from)
        : "q0", "q1", "lr", "cc", "memory");
#else
    for (int32_t k = 0; k < n; k++) to[k] = from[list[k]];
#endif
}

/* The other way, divided by 2^by and rounded; by < 0 multiplies. */
static inline void exai_place(const int32_t *from, const uint16_t *list, int32_t n, int32_t by, int32_t *to) {
#if EXAI_MVE
    __asm__ volatile(
        "wlstp.32 lr, %[n], 2f\n"
        "1:\n\t"
        "vldrw.32 q0, [%[from]], #16\n\t"
        "vldrh.u32 q1, [%[list]], #8\n\t"
        "vrshl.s32 q0, %[by]\n\t"
        "vstrw.32 q0, [%[to], q1, uxtw #2]\n\t"
        "letp lr, 1b\n"
        "2:"
        : [from] "+r"(from), [list] "+l"(list)
        : [n] "r"(n), [to] "r"(to), [by] "r"(-by)
        : "q0", "q1", "lr", "cc", "memory");
#else
    const int32_t half = by > 0 ? 1 << (by - 1) : 0, up = by > 0 ? 1 : 1 << -by, down = by > 0 ? by : 0;
    for (int32_t k = 0; k < n; k++) to[list[k]] = (from[k] * up + half) >> down;
#endif
}

/* The same as mantissas. */
static inline void exai_place_short(const int32_t *from, const uint16_t *list, int32_t n, int32_t by, int16_t *to) {
#if EXAI_MVE
    for (int32_t k = 0; k < n; k += 4) {
        const mve_pred16_t p = vctp32q((uint32_t)(n - k));
        const int32x4_t four = vrshlq_n_s32(vldrwq_z_s32(from + k, p), -by);
        vstrhq_scatter_shifted_offset_p_s32(to, vldrhq_z_u32(list + k, p), four, p);
    }
#else
    if (by > 0) {
        const int32_t half = 1 << (by - 1);
        for (int32_t k = 0; k < n; k++) to[list[k]] = (int16_t)((from[k] + half) >> by);
    } else {
        for (int32_t k = 0; k < n; k++) to[list[k]] = (int16_t)(from[k] * (1 << -by));
    }
#endif
}

#if EXAI_MVE
/* `exai_quotients`, over one number a unit, listed or not. */
uint32_t exai_mve_quotients_of(const exai_way *way, const int16_t *m, const uint16_t *list, int32_t n, const int32_t *all,
                               int32_t *q, int32_t *by);

/* Columns of a pointwise layer's weights that are positive may stay bytes: (in, out), and listed ones times factors. */
int exai_mve_as_bytes(const exai_way *way);
void exai_mve_turned(const exai_layer *layer, int8_t *to);
void exai_mve_dots_of_bytes(const int8_t *rows, int32_t out, const uint16_t *list, int32_t n, const int16_t *m, int32_t *sums);

/* Listed factors m times the layer's multipliers; the size of what comes out. */
uint32_t exai_mve_multiplied(const exai_way *way, const int16_t *m, const uint16_t *list, int32_t n, int32_t *q);

/* Listed q over 2^by, rounded; what that leaves over 2^less, if `lower` is not NULL. Sums of products with both, joined. */
void exai_mve_parts(const int32_t *q, const uint16_t *list, int32_t n, int32_t by, int32_t less, int16_t *upper, int16_t *lower);
void exai_mve_joined(int32_t *sums, int32_t up, const int32_t *lower, int32_t by, int32_t n);
#endif

/* Rows of outputs that a window of the way back spans. */
static inline int32_t exai_span(const exai_layer *layer) {
    return (layer->kernel_rows - 1) * layer->dilation_rows / layer->stride_rows + 1;
}

/* Outputs whose windows hold position `at` (padding counted), from the first to the last, inside the map or not; each
 * belongs to the next lower tap of those of at's class. Classes are the remainders of taps by the stride; `before` is how
 * many taps are of classes before this one. */
int32_t exai_meeting(int32_t at, int32_t kernel, int32_t stride, int32_t dilation, int16_t *outputs, int32_t *before);

/* Relevance becomes factors, which `meet` a layer's weights; where they are of very different sizes, in two runs. */
typedef void exai_meet(const exai_way *way, const int8_t *x, const int16_t *above, const void *gate, void *below,
                       void *scratch);
void exai_back_by(exai_meet *meet, const exai_way *way, const int8_t *x, int16_t *above, const void *gate, void *below,
                  void *scratch);

#endif
