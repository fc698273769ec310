/* Vectors for what goes over whole maps: sums of maps, rows of weights added, mantissas that are rounded and placed. */

#ifndef EXAI_MVE_MAPS_H
#define EXAI_MVE_MAPS_H

#include "exai_flow.h"
#include "exai_mve.h"

#if EXAI_MVE

/* Numbers over 2^by, rounded, as mantissas; by < 0 multiplies. */
static inline void exai_mve_shortened(const int32_t *t, int32_t count, int32_t by, int16_t *to) {
    __asm__ volatile(
        "wlstp.32 lr, %[n], 2f\n"
        "1:\n\t"
        "vldrw.32 q0, [%[t]], #16\n\t"
        "vrshl.s32 q0, %[by]\n\t"
        "vstrh.32 q0, [%[to]], #8\n\t"
        "letp lr, 1b\n"
        "2:"
        : [t] "+r"(t), [to] "+l"(to)
        : [n] "r"(count), [by] "r"(-by)
        : "q0", "lr", "cc", "memory");
}

/* The same added to mantissas that are rounded, too: m / 2^less + t / 2^by / 2^then. */
void exai_mve_joined_with(const int32_t *t, int32_t count, int32_t by, int32_t then, int32_t less, int16_t *m);

/* `exai_rows_sum` without the size. */
void exai_mve_rows_sum(const int8_t *weights, const exai_entry *list, int32_t n, const int8_t *x, int32_t zero, int32_t depth,
                       int sharing, int32_t *sums);

/* `exai_multiplied` of all units; the size of what comes out. */
uint32_t exai_mve_multiplied_all(const exai_layer *layer, int32_t most, const int16_t *m, int32_t *products);

/* `exai_add` of values that lie side by side. */
void exai_mve_add(const exai_pair *pair, const int8_t *a, const int8_t *b, int32_t count, int8_t *y);

/* A summand's share by sign of `count` values. */
void exai_mve_by_sign(const exai_summand *summand, const int8_t *own, const int8_t *other, const int16_t *m, int32_t count,
                      int32_t *t);

#endif
#endif
