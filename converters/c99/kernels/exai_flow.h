/* Integers that share an exponent: how relevance is rounded, added and kept. */

#ifndef EXAI_FLOW_H
#define EXAI_FLOW_H

#include "exai_arithmetic.h"

/* x / 2^by, rounded, halves up; x has a bit to spare. */
static inline int32_t exai_round(int32_t x, int32_t by) {
    if (by <= 0) return x;
    return by > 30 ? 0 : (x + (1 << (by - 1))) >> by;
}

/* x as an unsigned number of at least its size, so that several are measured by one OR. */
static inline uint32_t exai_size(int32_t x) {
    return (uint32_t)(x ^ (x >> 31));
}

/* The exponents of a flow, behind its mantissas. */
static inline int16_t *exai_exponents(const exai_keep *keep, void *flow) {
    return (int16_t *)flow + keep->pixels * keep->channels;
}

/* Keep `count` values * 2^exponent, those of pixel `pixel` of the kernel that computed them; they are overwritten. */
void exai_store(const exai_keep *keep, int32_t pixel, int32_t count, int32_t *values, int32_t exponent, const void *gate,
                void *below);

/* Add values * 2^exponent to an accumulator, whose exponent rises as it must. */
void exai_accumulate(int32_t *sums, int16_t *sums_exponent, const int32_t *values, int32_t count, int32_t exponent);

#endif
