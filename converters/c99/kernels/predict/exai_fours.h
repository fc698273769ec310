/* Depthwise sums: the weights of four channels stand together, tap by tap, so that four sums walk along the taps. A list of
 * taps has room for two pointers more than it holds. */

#ifndef EXAI_FOURS_H
#define EXAI_FOURS_H

#include "exai_arithmetic.h"

#if EXAI_DSP && !EXAI_MVE
#define EXAI_APART static __attribute__((noinline)) /* its loops take nearly all registers */
#else
#define EXAI_APART static inline
#endif

#if EXAI_DSP && !EXAI_MVE

/* Four channels of one tap. */
#define EXAI_VALUES(p)                \
    "ldr " p ", [" p ", %[at]]\n\t"   \
    "ldrd r9, r10, [%[w]], #8\n\t"    \
    "sxtb16 r8, " p "\n\t"            \
    "sxtb16 " p ", " p ", ror #8\n\t" \
    "smlabb %[s0], r8, r9, %[s0]\n\t" \
    "smlabt %[s1], " p ", r9, %[s1]\n\t" \
    "smlatb %[s2], r8, r10, %[s2]\n\t" \
    "smlatt %[s3], " p ", r10, %[s3]\n\t"
#define EXAI_FACTORS(first, added0, added1, added2, added3)  \
    "ldr r4, [%[taps]], #4\n\t"                              \
    "add r4, r4, %[at]\n\t"                                  \
    "ldmia r4, {r4, r5, r6, r8}\n\t"                         \
    "ldrd r9, r10, [%[w]], #8\n\t"                           \
    first "wb %[s0], r4, r9" added0 "\n\t"                   \
    first "wt %[s1], r5, r9" added1 "\n\t"                   \
    first "wb %[s2], r6, r10" added2 "\n\t"                  \
    first "wt %[s3], r8, r10" added3 "\n\t"
#define EXAI_FIRST EXAI_FACTORS("smul", "", "", "", "")
#define EXAI_MORE EXAI_FACTORS("smla", ", %[s0]", ", %[s1]", ", %[s2]", ", %[s3]")
#define EXAI_LOAD                                     \
    "ldr r8, [%[taps], #40]\n\tadd r8, r8, %[to]\n\t" \
    "ldrd %[s0], %[s1], [r8]\n\tldrd %[s2], %[s3], [r8, #8]\n\t"
#define EXAI_THREE(tap) "ldmia %[taps]!, {r4, r5, r6}\n\t" tap("r4") tap("r5") tap("r6")
/* Nine taps, all channels: the list's tenth place holds where they end, the eleventh how far biases lie from sums. */
#define EXAI_NINE(nine, step)                                                                                         \
    __asm__ volatile("1:\n\t" nine                                                                                    \
                     "strd %[s0], %[s1], [%[to]], #8\n\t"                                                             \
                     "strd %[s2], %[s3], [%[to]], #8\n\t"                                                             \
                     "ldr r8, [%[taps]]\n\t"                                                                          \
                     "subs %[taps], %[taps], #36\n\t"                                                                 \
                     "adds %[at], %[at], #" step "\n\t"                                                               \
                     "cmp %[at], r8\n\t"                                                                              \
                     "bne 1b\n\t"                                                                                     \
                     : [s0] "=&r"(s0), [s1] "=&r"(s1), [s2] "=&r"(s2), [s3] "=&r"(s3), [taps] "+r"(from), [w] "+r"(w), \
                       [to] "+r"(sums), [at] "+r"(at)                                                                 \
                     :                                                                                                \
                     : "r4", "r5", "r6", "r8", "r9", "r10", "cc", "memory")
/* Any number of taps, four channels. */
#define EXAI_SOME(one, ...)                                                                                             \
    __asm__ volatile("1:\n\t" one "subs %[n], %[n], #1\n\t"                                                          \
                     "bne 1b\n\t"                                                                                     \
                     : [s0] "+r"(s0), [s1] "+r"(s1), [s2] "+r"(s2), [s3] "+r"(s3), [taps] "+r"(from), [w] "+r"(four),    \
                       [n] "+r"(n)                                                                                    \
                     : [at] "r"(at)                                                                                   \
                     : __VA_ARGS__, "cc", "memory")

#endif

#if !EXAI_MVE

/* Values times weights and their biases: the sums of `count` channels, a multiple of four; `stride` weights lie between
 * fours. */
EXAI_APART void exai_fours_of_values(const int8_t **taps, int32_t count, int32_t tap_count, const int16_t *w,
                                        int32_t stride, const int32_t *bias, int32_t *sums) {
#if EXAI_DSP
    int32_t s0, s1, s2, s3, at = 0;
    const int8_t **from = taps;
    if (count && tap_count == 9 && stride == 36) {
        taps[9] = (const int8_t *)(uintptr_t)count;
        taps[10] = (const int8_t *)((uintptr_t)bias - (uintptr_t)sums);
        EXAI_NINE(EXAI_LOAD EXAI_THREE(EXAI_VALUES) EXAI_THREE(EXAI_VALUES) EXAI_THREE(EXAI_VALUES), "4");
        return;
    }
    for (; at < count; at += 4, w += stride, bias += 4, sums += 4) {
        const int16_t *four = w;
        int32_t n = tap_count;
        from = taps, s0 = bias[0], s1 = bias[1], s2 = bias[2], s3 = bias[3];
        EXAI_SOME("ldr r4, [%[taps]], #4\n\t" EXAI_VALUES("r4"), "r4", "r8", "r9", "r10");
        sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
    }
#else
    for (int32_t at = 0; at < count; at += 4, w += stride) {
        for (int32_t i = at; i < at + 4; i++) sums[i] = bias[i];
        for (int32_t t = 0; t < tap_count; t++) {
            for (int32_t i = at; i < at + 4; i++) sums[i] += taps[t][i] * w[4 * t + i - at];
        }
    }
#endif
}

/* Factors times weights over 2^16, each rounded down: the sums of `count` channels. */
static inline void exai_fours_of_factors(const int32_t **taps, int32_t count, int32_t tap_count, const int16_t *w,
                                         int32_t stride, int32_t *sums) {
#if EXAI_DSP
    int32_t s0, s1, s2, s3, at = 0;
    const int32_t **from = taps;
    if (tap_count == 9 && stride == 36) {
        taps[9] = (const int32_t *)(uintptr_t)(4 * count);
        EXAI_NINE(EXAI_FIRST EXAI_MORE EXAI_MORE EXAI_MORE EXAI_MORE EXAI_MORE EXAI_MORE EXAI_MORE EXAI_MORE, "16");
        return;
    }
    for (; at < 4 * count; at += 16, w += stride, sums += 4) {
        const int16_t *four = w;
        int32_t n = tap_count;
        from = taps, s0 = s1 = s2 = s3 = 0;
        EXAI_SOME(EXAI_MORE, "r4", "r5", "r6", "r8", "r9", "r10");
        sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
    }
#else
    for (int32_t at = 0; at < count; at += 4, w += stride) {
        for (int32_t i = at; i < at + 4; i++) sums[i] = 0;
        for (int32_t t = 0; t < tap_count; t++) {
            for (int32_t i = at; i < at + 4; i++) sums[i] += exai_shortened(taps[t][i], w[4 * t + i - at]);
        }
    }
#endif
}

#endif

#endif
