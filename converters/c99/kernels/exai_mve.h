/* Vectors of Arm's M-profile extension (MVE, Helium).
 *
 * Loops are assembly: compilers do not yet write those that end by themselves and cut their last vector to the length that
 * is left (DLSTP ... LETP), or that keep a vector in registers while rows pass by.
 */

#ifndef EXAI_MVE_H
#define EXAI_MVE_H

#include "exai_arithmetic.h"

#if EXAI_MVE

static inline void exai_mve_copy(const int32_t *from, int32_t count, int32_t *to) {
    __asm__ volatile(
        "wlstp.32 lr, %[n], 2f\n"
        "1:\n\t"
        "vldrw.32 q0, [%[from]], #16\n\t"
        "vstrw.32 q0, [%[to]], #16\n\t"
        "letp lr, 1b\n"
        "2:"
        : [from] "+r"(from), [to] "+r"(to)
        : [n] "r"(count)
        : "q0", "lr", "cc", "memory");
}

/* The products of `n` rows of int8, which lie side by side, with a vector, as long as they are, added to sums. */
void exai_mve_rows(const int8_t *rows, int32_t n, const int8_t *v, int32_t depth, int32_t *sums);

/* `exai_finish_sums` of channels `first` ... `first + count - 1`, their sums in order; `rises` is `exai_mve_rises`. */
void exai_mve_finish(const exai_ending *end, int32_t first, const int32_t *sums, int32_t count, int rises, int8_t *y);

/* Whether a multiplier of a layer is one or more. */
int exai_mve_rises(const exai_ending *end, int32_t count);

#endif

#endif
