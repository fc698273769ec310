/* Fixed-point arithmetic as the reference kernels define it, and what the kernels share. */

#ifndef EXAI_ARITHMETIC_H
#define EXAI_ARITHMETIC_H

#include "exai.h"

/* The assembly is GCC's: clang keeps a register for itself that its loops take. */
#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP && defined(__OPTIMIZE__) && !defined(EXAI_PORTABLE) && \
    !defined(__clang__)
#define EXAI_DSP 1
#include <arm_acle.h>
#else
#define EXAI_DSP 0
#endif

#if EXAI_DSP && defined(__ARM_FEATURE_MVE) && __ARM_FEATURE_MVE & 1
#define EXAI_MVE 1 /* vectors of M-profile, beside the DSP instructions */
#include <arm_mve.h>
#else
#define EXAI_MVE 0
#endif

/* a * b / 2^31, rounded, halves up; never called with two factors of -2^31. */
static inline int32_t exai_high(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}

/* a * b / 2^16, rounded down; b has 16 bits. */
static inline int32_t exai_shortened(int32_t a, int32_t b) {
#if EXAI_DSP
    int32_t product;
    __asm__("smulwb %0, %1, %2" : "=r"(product) : "r"(a), "r"(b));
    return product;
#else
    return (int32_t)((int64_t)a * b >> 16);
#endif
}

/* x * 2^by, cut off at 32 bits. */
static inline int32_t exai_saturated(int32_t x, int by) {
    const int64_t wide = (int64_t)x * (1 << by);
    return wide > INT32_MAX ? INT32_MAX : wide < INT32_MIN ? INT32_MIN : (int32_t)wide;
}

/* x / 2^shift, rounded, halves away from zero. */
static inline int32_t exai_divide(int32_t x, int shift) {
    const int32_t half = (int32_t)((1u << shift) >> 1);
    return (int32_t)(((int64_t)x + half + (shift ? x >> 31 : 0)) >> shift);
}

/* x * multiplier * 2^(shift - 31), rounded twice. */
static inline int32_t exai_scale(int32_t x, int32_t multiplier, int shift) {
    if (shift > 0) return exai_high((int32_t)((uint32_t)x << shift), multiplier);
    return exai_divide(exai_high(x, multiplier), -shift);
}

/* Bits of x, without leading zeros. */
static inline int exai_length(uint32_t x) {
#ifdef __GNUC__
    return x ? 32 - __builtin_clz(x) : 0;
#else
    int count = 0;
    for (; x; x >>= 1) count++;
    return count;
#endif
}

enum { EXAI_HEADROOM = 20 }; /* bits that sums of maps keep below the inputs' own */

/* What turns sums into values, out of reach of what is written. */
typedef struct {
    const int32_t *multiplier;
    const int8_t *shift;
    int32_t zero, low, high, step;
} exai_ending;

static inline exai_ending exai_ending_of(const exai_layer *layer) {
    const exai_ending found = {layer->multiplier, layer->shift, layer->out_zero, layer->low, layer->high, layer->step};
    return found;
}

/* Whether each output pixel takes the input's pixel of its number, and nothing else. */
static inline int exai_is_pointwise(const exai_layer *layer) {
    return layer->kernel_rows * layer->kernel_columns == 1 && layer->in_rows == layer->out_rows &&
           layer->in_columns == layer->out_columns;
}

/* Sums of channels `first` ... `first + count - 1` become values. */
void exai_finish_sums(const exai_ending *end, int32_t first, const int32_t *sums, int32_t count, int8_t *y);

static inline int8_t exai_clamp(int32_t x, int32_t low, int32_t high) {
    return (int8_t)(x < low ? low : x > high ? high : x);
}

static inline uint32_t exai_word(const void *bytes) {
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

/* Widened vectors: int16, in groups of four that lie `step` apart, so that two vectors can lie side by side (step 8).
 * With DSP instructions the four stand in the order 0 2 1 3, as they are multiplied.
 */

/* Which value stands at i of widened ones. */
static inline int32_t exai_order(int32_t i, int32_t count) {
    return EXAI_DSP && i < count / 4 * 4 && (i & 3) % 3 ? i ^ 3 : i;
}

/* int8 -> int16, `zero` taken off. */
void exai_widen(const int8_t *x, int32_t count, int32_t zero, int16_t *out, int32_t step);

/* The products of `n` rows of int8, at most EXAI_ROWS that lie side by side, with two vectors that do, and the rows' biases:
 * sums of the first vector, and EXAI_ROWS further those of the second. */
enum { EXAI_ROWS = 32 };
void exai_dot_pairs(const int8_t *rows, int32_t n, const int16_t *v, int32_t depth, const int32_t *bias, int32_t *sums);

/* The product of one row with one vector. */
int32_t exai_dot(const int8_t *row, const int16_t *v, int32_t count, int32_t step);

/* The window of one output pixel as (kernel rows, kernel columns, in); what lies outside is the zero point. */
void exai_window(const exai_layer *layer, const int8_t *x, int32_t row, int32_t column, int8_t *out);

/* int16 values that the widened vectors of a layer take. */
static inline int32_t exai_fours(int32_t count) {
    return (count + 3) / 4 * 4;
}

/* What is done to the `count[3]` values of a pair's innermost loop. */
typedef void exai_row(const exai_pair *pair, const int8_t *a, const int8_t *b, int8_t *y);

/* A value of a pair as it is added. */
static inline int32_t exai_summed(int32_t steps, int32_t multiplier, int shift) {
    return exai_scale(steps * (1 << EXAI_HEADROOM), multiplier, shift);
}

/* The loops around it. */
static inline void exai_by_rows(exai_row *row, const exai_pair *pair, const int8_t *a, const int8_t *b, int8_t *y) {
    const exai_pair p = *pair; /* out of reach of what is written */
    for (int32_t i = 0; i < p.count[0]; i++) {
        for (int32_t j = 0; j < p.count[1]; j++) {
            for (int32_t k = 0; k < p.count[2]; k++, y += p.count[3]) {
                row(&p, a + i * p.stride_a[0] + j * p.stride_a[1] + k * p.stride_a[2],
                    b + i * p.stride_b[0] + j * p.stride_b[1] + k * p.stride_b[2], y);
            }
        }
    }
}

#endif
