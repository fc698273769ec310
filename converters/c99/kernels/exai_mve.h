/* Vectors of Arm's M-profile extension (MVE, Helium).
 *
 * Loops are assembly: compilers do not yet write those that end by themselves and cut their last vector to the length that
 * is left (DLSTP ... LETP), or that keep a vector in registers while rows pass by.
 */

#ifndef EXAI_MVE_H
#define EXAI_MVE_H

#include "exai_arithmetic.h"

#if EXAI_MVE

static inline void exai_mve_fill(void *to, int32_t bytes, int32_t value) {
    __asm__ volatile(
        "vdup.8 q0, %[value]\n\t"
        "wlstp.8 lr, %[n], 2f\n"
        "1:\n\t"
        "vstrb.8 q0, [%[to]], #16\n\t"
        "letp lr, 1b\n"
        "2:"
        : [to] "+r"(to)
        : [n] "r"(bytes), [value] "r"(value)
        : "q0", "lr", "cc", "memory");
}

/* m * 2^up; up < 0 divides, rounded down. */
static inline void exai_mve_lengthened(const int16_t *m, int32_t count, int32_t up, int32_t *to) {
    __asm__ volatile(
        "wlstp.32 lr, %[n], 2f\n"
        "1:\n\t"
        "vldrh.s32 q0, [%[m]], #8\n\t"
        "vshl.s32 q0, %[up]\n\t"
        "vstrw.32 q0, [%[to]], #16\n\t"
        "letp lr, 1b\n"
        "2:"
        : [m] "+l"(m), [to] "+r"(to)
        : [n] "r"(count), [up] "r"(up)
        : "q0", "lr", "cc", "memory");
}

/* The products of `n` rows of int8, which lie side by side, with a vector, as long as they are, and the rows' biases. */
void exai_mve_rows(const int8_t *rows, int32_t n, const int8_t *v, int32_t depth, const int32_t *bias, int32_t *sums);

/* The sums of a pixel's `out` channels: biases, and the values of taps times their weights (taps, out), which stay bytes. */
void exai_mve_depthwise(const int8_t *weights, const int32_t *bias, int32_t out, const int8_t **tap, int32_t taps,
                        int32_t *sums);

/* What is below zero becomes zero. */
void exai_mve_positive(const int8_t *w, int32_t count, int8_t *to);

/* `exai_finish_sums` of channels `first` ... `first + count - 1`, their sums in order; `rises` is `exai_mve_rises`. */
void exai_mve_finish(const exai_ending *end, int32_t first, const int32_t *sums, int32_t count, int rises, int8_t *y);

/* Whether a multiplier of a layer is one or more. */
int exai_mve_rises(const exai_ending *end, int32_t count);

#endif

static inline void exai_clear(void *to, int32_t bytes) {
#if EXAI_MVE
    exai_mve_fill(to, bytes, 0);
#else
    memset(to, 0, (size_t)bytes);
#endif
}

#endif
