/* Integers that share an exponent: how relevance is rounded, added, listed and kept. */

#ifndef EXAI_FLOW_H
#define EXAI_FLOW_H

#include "exai_arithmetic.h"

/* Questions about a layer's way back, and about how a flow is kept. */
enum { EXAI_DIVIDES, EXAI_STABILIZED, EXAI_OF_ALL, EXAI_OF_SIGNED, EXAI_WIDE, EXAI_PARTS, EXAI_SINGLE, EXAI_OF_ONE };
enum { EXAI_ADDS, EXAI_AS_MAP, EXAI_AS_RELEVANCE, EXAI_MULTIPLIED, EXAI_DIVIDED, EXAI_GATE_OPEN, EXAI_GATE_BITS };

/* The answer to a question, which the compiler knows if all of the model's are the same (`exai_uses.h`): what needs another
 * one is left out. */
#ifdef EXAI_SEVERAL_MODELS
#define exai_is(uses, question, answer) (answer)
#else
static inline int exai_is(uint32_t uses, int question, int answer) {
    const uint32_t seen = uses >> 2 * question & 3u; /* whether some answer is yes, and no */
    return seen == 1 || seen == 2 ? seen == 1 : answer;
}
#endif
#define exai_is_all(uses, sharing) exai_is(uses, EXAI_OF_ALL, (sharing) == EXAI_ALL)
#define exai_is_signed(uses, sharing) exai_is(uses, EXAI_OF_SIGNED, (sharing) == EXAI_SIGNED)

/* x / 2^by, rounded, halves up; x has a bit to spare. */
static inline int32_t exai_round(int32_t x, int32_t by) {
    if (by <= 0) return x;
    return by > 30 ? 0 : (x + (1 << (by - 1))) >> by;
}

/* By how much values of this size and exponent are shifted right so that they take `bits` or one fewer: exponents are
 * even, so that neighbours often have the same. */
static inline int32_t exai_coarse(uint32_t size, int32_t exponent, int32_t bits) {
    const int32_t by = exai_length(size) - bits;
    return by + (-(exponent + by) & 1);
}

static inline float exai_power_of_two(int32_t exponent) {
    const uint32_t bits = exponent < -126 ? 0u : (uint32_t)((exponent > 127 ? 127 : exponent) + 127) << 23;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* sum * 2^exponent; a float of 64 bits takes more flash. */
static inline float exai_real(int64_t sum, int32_t exponent) {
    const uint32_t over = (uint32_t)((sum ^ (sum >> 63)) >> 31);
    const int32_t by = over ? exai_length(over) : 0;
    return sum ? (float)(int32_t)(sum >> by) * exai_power_of_two(exponent + by) : 0.0f;
}

/* x as an unsigned number of at least its size, so that several are measured by one OR. */
static inline uint32_t exai_size(int32_t x) {
    return (uint32_t)(x ^ (x >> 31));
}

/* x / 2^by, rounded; by < 0 multiplies. */
static inline int32_t exai_shifted(int32_t x, int32_t by) {
    return by >= 0 ? exai_round(x, by) : by < -31 ? 0 : (int32_t)((uint32_t)x << -by);
}

/* A unit that carries relevance: where its row of weights begins, and the factor of the row. */
typedef struct {
    int32_t row, factor;
} exai_entry;

/* What shares in each listed row of `depth` weights, rows `stride` apart: the sum of its products with v, a vector of
 * `exai_wide_vector`; under EXAI_SIGNED what is below zero lies `negative` values further. */
void exai_rows_dot(const int8_t *weights, int32_t stride, int32_t depth, const uint16_t *list, int32_t n, const int16_t *v,
                   int32_t negative, int sharing, int32_t *sums);

/* The rows of a list, weighted and added; the size of the sums. A list has room for one entry more than it holds. Under
 * EXAI_SIGNED the input's values say which weights share. */
uint32_t exai_rows_sum(const int8_t *weights, exai_entry *list, int32_t n, const int8_t *x, int32_t zero, int32_t depth,
                       int sharing, int32_t *sums);

/* The layer's multiplier as m / 2^15 * 2^(exponent that all channels share), for factors. */
static inline int32_t exai_multiplied(const exai_layer *layer, int32_t unit, int32_t factor, int32_t most) {
    const int32_t which = unit * layer->step, by = most - layer->shift[which];
    const int32_t product = factor * (int32_t)(((uint32_t)layer->multiplier[which] + 0x8000u) >> 16);
    return product >> (by > 31 ? 31 : by);
}

/* Rows of the input until no later window reaches them. */
typedef struct {
    const exai_layer *layer;
    const exai_keep *keep;
    int32_t *sums;      /* (span, columns, channels) */
    int16_t *exponents; /* (span, columns) */
    int32_t span, next;
} exai_ring;

/* Bytes: 4 * span * columns * channels for sums, 2 * span * columns for exponents. */
void exai_ring_begin(exai_ring *ring, const exai_way *way, int32_t *sums, int16_t *exponents);
void exai_ring_flush(exai_ring *ring, int32_t end, const void *gate, void *below);

/* Keep `count` values * 2^exponent, those of pixel `pixel` of the kernel that computed them; they are overwritten.
 * `size` is an OR of their sizes. */
void exai_store(const exai_keep *keep, int32_t pixel, int32_t count, int32_t *values, uint32_t size, int32_t exponent,
                const void *gate, void *below);

/* The same of sums of 64 bits; `values` is room for those that are kept. */
void exai_store_sums(const exai_keep *keep, int32_t pixel, int32_t count, const int64_t *sums, int32_t *values, int32_t exponent,
                     const void *gate, void *below);

/* An accumulator's exponent is at least `exponent` after this; how far what is added has to be shifted right. */
int32_t exai_align(int32_t *sums, int16_t *sums_exponent, int32_t count, int32_t exponent);

/* Add values * 2^exponent to an accumulator, whose exponent rises as it must. */
void exai_accumulate(int32_t *sums, int16_t *sums_exponent, const int32_t *values, int32_t count, int32_t exponent);

uint32_t exai_sizes(const int32_t *values, int32_t count);

#endif
