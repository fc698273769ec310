/* Depthwise layers with MVE, sixteen channels at a time. Of bytes two taps are added in 16 bits before they go to sums. */

#include "exai_mve.h"

#if EXAI_MVE

enum { TOGETHER = 16 };

exai_mve_layer exai_mve_depthwise_of(const int8_t *weights, const int32_t *bias, int32_t taps, int32_t out) {
    int32_t least = 0;
    for (int32_t i = 0; i < taps * out; i += 16) {
        const mve_pred16_t p = vctp8q((uint32_t)(taps * out - i));
        least = vminvq_p_s8((int8_t)least, vldrbq_z_s8(weights + i, p), p);
    }
    const exai_mve_layer found = {weights, bias, taps, out, least > -128};
    return found;
}

void exai_mve_taps(const exai_layer *layer, const int8_t *x, int32_t row, int32_t column, const int8_t *outside,
                   const int8_t **tap) {
    const int32_t columns = layer->in_columns, rows = layer->in_rows, width = layer->kernel_columns, down = layer->dilation_rows;
    const int32_t in = layer->in_channels, step = layer->dilation_columns, left = column * layer->stride_columns - layer->left;
    const uint32x4_t nothing = vdupq_n_u32((uint32_t)(uintptr_t)outside), first = vidupq_n_u32(0, 1);
    const uint32x4_t at = vaddq_n_u32(vmulq_n_u32(first, (uint32_t)step), (uint32_t)left);
    int32_t i = row * layer->stride_rows - layer->top;
    uint32_t start = (uint32_t)(uintptr_t)(x + i * columns * in);
    for (int32_t a = layer->kernel_rows; a > 0; a--, i += down, tap += width, start += (uint32_t)(down * columns * in)) {
        const int32_t here = (uint32_t)i < (uint32_t)rows ? columns : 0;
        exai_mve_pixels(start, at, here, in, nothing, tap);
        for (int32_t b = 4; b < width; b += 4) {
            exai_mve_pixels(start, vaddq_n_u32(at, (uint32_t)(b * step)), here, in, nothing, tap + b);
        }
    }
}

#define WIDENED                   \
    "vmovlb.s16 q5, q6\n\t"      \
    "vmovlt.s16 q6, q6\n\t"      \
    "vmovlb.s16 q7, q4\n\t"      \
    "vmovlt.s16 q4, q4\n\t"      \
    "vadd.i32 q0, q0, q5\n\t"    \
    "vadd.i32 q2, q2, q6\n\t"    \
    "vadd.i32 q1, q1, q7\n\t"    \
    "vadd.i32 q3, q3, q4\n\t"
/* Of channels c ... c + 15. A register is short: the second tap's values are loaded twice. */
#define SUMS_OF(layer, tap, c)                                                                                  \
    const int8_t *w = layer.weights + c, *r, *s;                                                                \
    const int32_t *bias = layer.bias + c;                                                                       \
    const int8_t **from = tap;                                                                                  \
    EXAI_MVE_SIXTEEN;                                                                                           \
    __asm__ volatile(EXAI_MVE_FOURTHS("vld4", "q0, q1, q2, q3", "bias")                                         \
                     "wls lr, %[pairs], 2f\n"                                                                   \
                     "1:\n\t"                                                                                   \
                     "ldrd %[r], %[s], [%[tap]], #8\n\t"                                                        \
                     "add %[r], %[r], %[c]\n\t"                                                                 \
                     "vldrb.8 q4, [%[w]]\n\t"                                                                   \
                     "vldrb.8 q5, [%[r]]\n\t"                                                                   \
                     "add %[s], %[s], %[c]\n\t"                                                                 \
                     "vmullb.s8 q6, q4, q5\n\t"                                                                 \
                     "add %[w], %[w], %[out]\n\t"                                                               \
                     "vmullt.s8 q4, q4, q5\n\t"                                                                 \
                     "vldrb.8 q5, [%[w]]\n\t"                                                                   \
                     "vldrb.8 q7, [%[s]]\n\t"                                                                   \
                     "vmullt.s8 q7, q5, q7\n\t"                                                                 \
                     "vadd.i16 q4, q4, q7\n\t"                                                                  \
                     "vldrb.8 q7, [%[s]]\n\t"                                                                   \
                     "vmullb.s8 q7, q5, q7\n\t"                                                                 \
                     "add %[w], %[w], %[out]\n\t"                                                               \
                     "vadd.i16 q6, q6, q7\n\t" WIDENED                                                          \
                     "le lr, 1b\n"                                                                              \
                     "2:\n\t"                                                                                   \
                     "lsls %[r], %[taps], #31\n\t"                                                              \
                     "beq 3f\n\t"                                                                               \
                     "ldr %[r], [%[tap]]\n\t"                                                                   \
                     "add %[r], %[r], %[c]\n\t"                                                                 \
                     "vldrb.8 q4, [%[w]]\n\t"                                                                   \
                     "vldrb.8 q5, [%[r]]\n\t"                                                                   \
                     "vmullb.s8 q6, q4, q5\n\t"                                                                 \
                     "vmullt.s8 q4, q4, q5\n\t" WIDENED                                                         \
                     "3:"                                                                                       \
                     : EXAI_MVE_SUMS("="), [w] "+r"(w), [tap] "+r"(from), [bias] "+r"(bias), [r] "=&r"(r), [s] "=&r"(s) \
                     : [pairs] "r"(layer.taps / 2), [taps] "r"(layer.taps), [c] "r"(c), [out] "r"(layer.out) \
                     : "q4", "q5", "q6", "q7", "lr", "cc", "memory")

/* Four channels at a time. */
static void fours(const exai_mve_layer *layer, const int8_t **tap, int32_t *sums) {
    for (int32_t c = 0; c < layer->out; c += 4) {
        const mve_pred16_t p = vctp32q((uint32_t)(layer->out - c));
        int32x4_t four = vldrwq_z_s32(layer->bias + c, p);
        for (int32_t t = 0; t < layer->taps; t++) {
            const int32x4_t w = vldrbq_z_s32(layer->weights + t * layer->out + c, p);
            four = vaddq_s32(four, vmulq_s32(vldrbq_z_s32(tap[t] + c, p), w));
        }
        vstrwq_p_s32(sums + c, four, p);
    }
}

/* The next sixteen channels; the last ones overlap those before them. */
static inline int32_t next(int32_t c, int32_t out) {
    return c + TOGETHER < out && c + 2 * TOGETHER > out ? out - TOGETHER : c + TOGETHER;
}

void exai_mve_depthwise(const exai_mve_layer *layer, const int8_t **tap, int32_t *sums) {
    if (layer->out < TOGETHER || !layer->pairs) {
        fours(layer, tap, sums);
        return;
    }
    const exai_mve_layer own = *layer; /* out of reach of what is written */
    for (int32_t c = 0; c < own.out; c = next(c, own.out)) {
        int32_t *to = sums + c;
        SUMS_OF(own, tap, c);
        __asm__ volatile(EXAI_MVE_FOURTHS("vst4", "q0, q1, q2, q3", "to") : EXAI_MVE_SUMS("+"), [to] "+r"(to) : : "memory");
    }
}

void exai_mve_depthwise_values(const exai_mve_layer *layer, const int8_t **tap, const exai_ending *end, int32_t *sums,
                               int rises, int8_t *y) {
    if (layer->out < TOGETHER || !layer->pairs || !exai_mve_plain(end, rises)) {
        exai_mve_depthwise(layer, tap, sums);
        exai_mve_finish(end, 0, sums, layer->out, rises, y);
        return;
    }
    const int32_t zero = end->zero, limit = end->high - zero, *const multipliers = end->multiplier;
    const int8_t *const shifts = end->shift;
    const exai_mve_layer own = *layer; /* out of reach of what is written */
    for (int32_t c = 0; c < own.out; c = next(c, own.out)) {
        const int32_t *multiplier = multipliers + c;
        int8_t *to = y + c;
        SUMS_OF(own, tap, c);
        EXAI_MVE_FINISH(multiplier, shifts + c, to, zero, limit);
    }
}

/* The next four channels: factors times weights, both of 32 bits, over 2^32. */
#define FOUR(sum, at, w, f)                       \
    "vldrw.32 " w ", [%[w]], #16\n\t"             \
    "vldrw.32 " f ", [%[" at "]], #16\n\t"        \
    "vmulh.s32 " w ", " w ", " f "\n\t"           \
    "vadd.i32 " sum ", " sum ", " w "\n\t"
#define EIGHT(p) FOUR("q0", p, "q4", "q5") FOUR("q1", p, "q6", "q7")
#define SIXTEEN(p) EIGHT(p) FOUR("q2", p, "q4", "q5") FOUR("q3", p, "q6", "q7")
#define NO(q) "vmov.i32 " q ", #0\n\t"
#define STORE(q) "vstrw.32 " q ", [%[sums]], #16\n\t"
#define FACTORS(begin, all, end)                                                                                   \
    __asm__ volatile(begin "wls lr, %[pairs], 2f\n"                                                                \
                     "1:\n\t"                                                                                      \
                     "ldrd %[p], %[r], [%[tap]], #8\n\t"                                                           \
                     "add %[p], %[p], %[from]\n\t"                                                                 \
                     "add %[r], %[r], %[from]\n\t" all("p") all("r")                                               \
                     "le lr, 1b\n"                                                                                 \
                     "2:\n\t"                                                                                      \
                     "lsls %[r], %[n], #31\n\t"                                                                    \
                     "beq 3f\n\t"                                                                                  \
                     "ldr %[p], [%[tap]]\n\t"                                                                      \
                     "add %[p], %[p], %[from]\n\t" all("p")                                                        \
                     "3:\n\t" end                                                                                  \
                     : [tap] "+r"(from), [w] "+r"(w), [sums] "+r"(sums), [p] "=&r"(p), [r] "=&r"(r)                \
                     : [n] "r"(count), [pairs] "r"(count / 2), [from] "r"(4 * c)                                   \
                     : "q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7", "lr", "cc", "memory")

void exai_mve_factors(const int32_t **tap, int32_t count, int32_t eights, int32_t taps, int32_t before, const int32_t *wide,
                      int32_t *sums) {
    const int32_t *p, *r;
    int32_t c = 0;
    for (; c + 16 <= eights; c += 16) {
        const int32_t **from = tap, *w = wide + c * taps + 16 * before;
        FACTORS(NO("q0") NO("q1") NO("q2") NO("q3"), SIXTEEN, STORE("q0") STORE("q1") STORE("q2") STORE("q3"));
    }
    if (c < eights) {
        const int32_t **from = tap, *w = wide + c * taps + 8 * before;
        FACTORS(NO("q0") NO("q1"), EIGHT, STORE("q0") STORE("q1"));
    }
}

#endif
