/* What convolutions, depthwise and dense layers do with MVE: products of int8, and sums that become values four at a time. */

#include "exai_mve.h"

#if EXAI_MVE

/* Vectors of a row, those before it in q4 ... q6 and the last one, which may be cut, in q7. */
#define FULL(q, at) "vldrb.8 q0, [%[row], #" at "]\n\tvmladava.s8 %[sum], q0, " q "\n\t"
#define CUT(at) "vpst\n\tvldrbt.8 q0, [%[row], #" at "]\n\tvmladava.s8 %[sum], q0, q7\n\t"
#define BEFORE(q, at) "vldrb.8 " q ", [%[v], #" at "]\n\t"
#define ROWS(before, last_at, products)                                                                     \
    __asm__ volatile("vctp.8 %[last]\n\t" before "vpst\n\t"                                                \
                     "vldrbt.8 q7, [%[v], #" last_at "]\n\t"                                                \
                     "dls lr, %[n]\n"                                                                       \
                     "1:\n\t"                                                                               \
                     "ldr %[sum], [%[from]], #4\n\t" products "add %[row], %[row], %[depth]\n\t"                  \
                     "str %[sum], [%[to]], #4\n\t"                                                          \
                     "le lr, 1b"                                                                            \
                     : [row] "+r"(row), [from] "+r"(from), [to] "+r"(to), [sum] "=&Te"(sum)                                    \
                     : [v] "r"(v), [n] "r"(n), [depth] "r"(depth), [last] "r"(last)                         \
                     : "q0", "q4", "q5", "q6", "q7", "lr", "cc", "memory")

void exai_mve_rows(const int8_t *rows, int32_t n, const int8_t *v, int32_t depth, const int32_t *bias, int32_t *sums) {
    for (int32_t at = 0; at < depth; at += 64, v += 64) {
        const int32_t *from = at ? sums : bias;
        const int8_t *row = rows + at;
        const int32_t left = depth - at, last = left >= 64 ? 16 : (left - 1) % 16 + 1;
        int32_t *to = sums, sum;
        if (left >= 64)
            ROWS(BEFORE("q4", "0") BEFORE("q5", "16") BEFORE("q6", "32"), "48",
                 FULL("q4", "0") FULL("q5", "16") FULL("q6", "32") FULL("q7", "48"));
        else if (left > 48)
            ROWS(BEFORE("q4", "0") BEFORE("q5", "16") BEFORE("q6", "32"), "48",
                 FULL("q4", "0") FULL("q5", "16") FULL("q6", "32") CUT("48"));
        else if (left > 32)
            ROWS(BEFORE("q4", "0") BEFORE("q5", "16"), "32", FULL("q4", "0") FULL("q5", "16") CUT("32"));
        else if (left > 16)
            ROWS(BEFORE("q4", "0"), "16", FULL("q4", "0") CUT("16"));
        else
            ROWS("", "0", CUT("0"));
    }
}

enum { TOGETHER = 16 };

/* The sums of sixteen channels from `c` on, or of fewer if there are no more. */
static void sums_of(const int8_t *w, const int32_t *bias, int32_t out, const int8_t **tap, int32_t taps, int32_t c,
                    int32_t *sums) {
    w += c, bias += c;
    if (out >= TOGETHER) {
        __asm__ volatile(
            "vld20.32 {q0, q1}, [%[bias]]\n\t"
            "vld21.32 {q0, q1}, [%[bias]]!\n\t"
            "vld20.32 {q2, q3}, [%[bias]]\n\t"
            "vld21.32 {q2, q3}, [%[bias]]\n\t"
            "dls lr, %[n]\n"
            "1:\n\t"
            "ldr r4, [%[tap]], #4\n\t"
            "vldrb.s16 q4, [%[w]]\n\t"
            "add r4, r4, %[c]\n\t"
            "vldrb.s16 q5, [r4]\n\t"
            "vmullb.s16 q6, q4, q5\n\t"
            "vmullt.s16 q7, q4, q5\n\t"
            "vldrb.s16 q4, [%[w], #8]\n\t"
            "vadd.i32 q0, q0, q6\n\t"
            "vldrb.s16 q5, [r4, #8]\n\t"
            "vadd.i32 q1, q1, q7\n\t"
            "vmullb.s16 q6, q4, q5\n\t"
            "vmullt.s16 q7, q4, q5\n\t"
            "add %[w], %[w], %[out]\n\t"
            "vadd.i32 q2, q2, q6\n\t"
            "vadd.i32 q3, q3, q7\n\t"
            "le lr, 1b\n\t"
            "vst20.32 {q0, q1}, [%[sums]]\n\t"
            "vst21.32 {q0, q1}, [%[sums]]!\n\t"
            "vst20.32 {q2, q3}, [%[sums]]\n\t"
            "vst21.32 {q2, q3}, [%[sums]]"
            : [bias] "+r"(bias), [tap] "+r"(tap), [w] "+l"(w), [sums] "+r"(sums)
            : [n] "r"(taps), [c] "r"(c), [out] "r"(out)
            : "q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7", "r4", "lr", "cc", "memory");
        return;
    }
    for (; c < out; c += 4, w += 4, bias += 4, sums += 4) {
        const mve_pred16_t p = vctp32q((uint32_t)(out - c));
        int32x4_t four = vldrwq_z_s32(bias, p);
        for (int32_t t = 0; t < taps; t++) {
            four = vaddq_s32(four, vmulq_s32(vldrbq_z_s32(tap[t] + c, p), vldrbq_z_s32(w + t * out, p)));
        }
        vstrwq_p_s32(sums, four, p);
    }
}

void exai_mve_depthwise(const int8_t *weights, const int32_t *bias, int32_t out, const int8_t **tap, int32_t taps,
                        int32_t *sums) {
    for (int32_t c = 0; c < out; c += TOGETHER) {
        if (c && c > out - TOGETHER) c = out - TOGETHER; /* the last sixteen overlap those before them */
        sums_of(weights, bias, out, tap, taps, c, sums + c);
    }
}

void exai_mve_positive(const int8_t *w, int32_t count, int8_t *to) {
    __asm__ volatile(
        "vmov.i32 q1, #0\n\t"
        "wlstp.8 lr, %[n], 2f\n"
        "1:\n\t"
        "vldrb.8 q0, [%[w]], #16\n\t"
        "vmax.s8 q0, q0, q1\n\t"
        "vstrb.8 q0, [%[to]], #16\n\t"
        "letp lr, 1b\n"
        "2:"
        : [w] "+r"(w), [to] "+r"(to)
        : [n] "r"(count)
        : "q0", "q1", "lr", "cc", "memory");
}

int exai_mve_rises(const exai_ending *end, int32_t count) {
    int32_t most = 0;
    for (int32_t c = 0; c < (end->step ? count : 1); c++) most = end->shift[c] > most ? end->shift[c] : most;
    return most > 0;
}

#define FINISH(away)                                                                                        \
    __asm__ volatile(                                                                                       \
        "dlstp.32 lr, %[n]\n"                                                                              \
        "1:\n\t"                                                                                          \
        "vldrw.32 q0, [%[sums]], #16\n\t"                                                                 \
        "vldrw.32 q1, [%[multiplier]], #16\n\t"                                                           \
        "vqrdmulh.s32 q0, q0, q1\n\t"                                                                     \
        "vldrb.s32 q2, [%[shift]], #4\n\t" away                                                           \
        "vrshl.s32 q0, q0, q2\n\t"                                                                        \
        "vadd.i32 q0, q0, %[zero]\n\t"                                                                    \
        "vmax.s32 q0, q0, %q[low]\n\t"                                                                    \
        "vmin.s32 q0, q0, %q[high]\n\t"                                                                   \
        "vstrb.32 q0, [%[y]], #4\n\t"                                                                     \
        "letp lr, 1b"                                                                                       \
        : [sums] "+r"(sums), [multiplier] "+r"(multiplier), [shift] "+l"(shift), [y] "+l"(y)                \
        : [n] "r"(count), [zero] "r"(zero), [low] "w"(low), [high] "w"(high)                                \
        : "q0", "q1", "q2", "lr", "cc", "memory")

void exai_mve_finish(const exai_ending *end, int32_t first, const int32_t *sums, int32_t count, int rises, int8_t *y) {
    const int32x4_t zeros = vdupq_n_s32(0), low = vdupq_n_s32(end->low), high = vdupq_n_s32(end->high);
    const int32_t *multiplier = end->multiplier + first * end->step;
    const int8_t *shift = end->shift + first * end->step;
    const int32_t zero = end->zero;
    if (end->step && !rises && end->low == zero) { /* what is below zero is cut off, however it is rounded */
        FINISH("");
        return;
    }
    if (end->step && !rises) {
        FINISH("vand q1, q0, q2\n\tvshr.s32 q1, q1, #31\n\tvqadd.s32 q0, q0, q1\n\t"); /* halves go away from zero */
        return;
    }
    const uint32x4_t places = vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)end->step);
    for (; count > 0; count -= 4, sums += 4, y += 4, multiplier += 4 * end->step, shift += 4 * end->step) {
        const mve_pred16_t p = vctp32q((uint32_t)count);
        const int32x4_t by = vldrbq_gather_offset_z_s32(shift, places, p), right = vminq_s32(by, zeros);
        int32x4_t four = vshlq_s32(vldrwq_z_s32(sums, p), vmaxq_s32(by, zeros));
        four = vqrdmulhq_s32(four, vldrwq_gather_shifted_offset_z_s32(multiplier, places, p));
        four = vrshlq_s32(vqaddq_s32(four, vshrq_n_s32(vandq_s32(four, right), 31)), right);
        four = vminq_s32(vmaxq_s32(vaddq_n_s32(four, zero), low), high);
        vstrbq_p_s32(y, four, p);
    }
}

#endif
