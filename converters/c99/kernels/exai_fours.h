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

#if EXAI_MVE

/* Eight channels, any number of taps but none; the second four lie `step` bytes behind the first. */
#define EXAI_EIGHT(s0, s1, at, step)                                                                              \
    __asm__ volatile("dls lr, %[n]\n"                                                                             \
                     "1:\n\t"                                                                                     \
                     "ldr %[p], [%[taps]], #4\n\t"                                                                \
                     "vldrh.s32 q2, [%[w0]], #8\n\t"                                                              \
                     "add %[p], %[p], %[from]\n\t"                                                                \
                     "vldrw.32 q3, [%[p]]\n\t"                                                                    \
                     "vshl.i32 q2, q2, #16\n\t"                                                                   \
                     "vmulh.s32 q2, q2, q3\n\t"                                                                   \
                     "vldrh.s32 q1, [%[w1]], #8\n\t"                                                              \
                     "vadd.i32 %q[a], %q[a], q2\n\t"                                                              \
                     "vldrw.32 q3, [%[p], #" step "]\n\t"                                                         \
                     "vshl.i32 q1, q1, #16\n\t"                                                                   \
                     "vmulh.s32 q1, q1, q3\n\t"                                                                   \
                     "vadd.i32 %q[b], %q[b], q1\n\t"                                                              \
                     "le lr, 1b"                                                                                  \
                     : [a] "+w"(s0), [b] "+w"(s1), [taps] "+r"(tap), [w0] "+l"(w0), [w1] "+l"(w1), [p] "=&l"(p)   \
                     : [n] "r"(tap_count), [from] "r"(at)                                                         \
                     : "q1", "q2", "q3", "lr", "cc", "memory")

/* Four channels of sixteen: factors times weights over 2^16. */
#define EXAI_FOURTH(sum, w, step)                    \
    "vldrh.s32 q4, [%[" w "]], #8\n\t"               \
    "vldrw.32 q5, [%[p], #" step "]\n\t"             \
    "vshl.i32 q4, q4, #16\n\t"                       \
    "vmulh.s32 q4, q4, q5\n\t"                       \
    "vadd.i32 %q[" sum "], %q[" sum "], q4\n\t"

/* Sixteen channels, any number of taps but none; `from` bytes lie before the first one. */
static inline void exai_sixteen_factors(const int32_t **tap, int32_t from, int32_t tap_count, const int16_t *w0,
                                        int32_t stride, int32_t *sums) {
    int32x4_t a = vdupq_n_s32(0), b = a, c = a, d = a;
    const int16_t *w1 = w0 + stride, *w2 = w1 + stride, *w3 = w2 + stride;
    const int32_t *p;
    __asm__ volatile("dls lr, %[n]\n"
                     "1:\n\t"
                     "ldr %[p], [%[taps]], #4\n\t"
                     "add %[p], %[p], %[from]\n\t" EXAI_FOURTH("a", "w0", "0") EXAI_FOURTH("b", "w1", "16")
                         EXAI_FOURTH("c", "w2", "32") EXAI_FOURTH("d", "w3", "48") "le lr, 1b"
                     : [a] "+w"(a), [b] "+w"(b), [c] "+w"(c), [d] "+w"(d), [taps] "+r"(tap), [w0] "+l"(w0), [w1] "+l"(w1),
                       [w2] "+l"(w2), [w3] "+l"(w3), [p] "=&r"(p)
                     : [n] "r"(tap_count), [from] "r"(from)
                     : "q4", "q5", "lr", "cc", "memory");
    vstrwq_s32(sums, a), vstrwq_s32(sums + 4, b), vstrwq_s32(sums + 8, c), vstrwq_s32(sums + 12, d);
}

#elif EXAI_DSP

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

#endif

/* Factors times weights over 2^16, each rounded down: the sums of `count` channels. */
static inline void exai_fours_of_factors(const int32_t **taps, int32_t count, int32_t tap_count, const int16_t *w,
                                         int32_t stride, int32_t *sums) {
#if EXAI_MVE
    int32_t at = 0;
    for (; at + 16 <= count; at += 16, w += 4 * stride, sums += 16) {
        exai_sixteen_factors(taps, 4 * at, tap_count, w, stride, sums);
    }
    for (; at < count; at += 8, w += 2 * stride, sums += 8) {
        const int more = at + 4 < count; /* else the same four again */
        const int16_t *w0 = w, *w1 = more ? w + stride : w;
        const int32_t **tap = taps, *p;
        int32x4_t a = vdupq_n_s32(0), b = a;
        if (more)
            EXAI_EIGHT(a, b, 4 * at, "16");
        else
            EXAI_EIGHT(a, b, 4 * at, "0");
        vstrwq_s32(sums, a);
        if (more) vstrwq_s32(sums + 4, b);
    }
#elif EXAI_DSP
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
