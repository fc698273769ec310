/* Convolutions and dense layers with MVE: products of int8, and sums that become values. */

#include "exai_mve.h"

#if EXAI_MVE

/* Two rows of weights at a time; vectors of v before the last one in q4 ... q6, and the last one, which may be cut, in q7. */
#define FULL(q, at, row, sum) "vldrb.8 q0, [%[" row "], #" at "]\n\tvmladava.s8 %[" sum "], q0, " q "\n\t"
#define CUT(at, row, sum) "vpst\n\tvldrbt.8 q0, [%[" row "], #" at "]\n\tvmladava.s8 %[" sum "], q0, q7\n\t"
#define BEFORE(q, at) "vldrb.8 " q ", [%[v], #" at "]\n\t"
#define ROWS(before, last_at, products)                                                                        \
    __asm__ volatile("vctp.8 %[last]\n\t" before "vpst\n\t"                                                    \
                     "vldrbt.8 q7, [%[v], #" last_at "]\n\t"                                                   \
                     "wls lr, %[n], 2f\n"                                                                      \
                     "1:\n\t"                                                                                  \
                     "ldrd %[s0], %[s1], [%[from]], #8\n\t" products "strd %[s0], %[s1], [%[to]], #8\n\t"      \
                     "le lr, 1b\n"                                                                             \
                     "2:"                                                                                      \
                     : [r0] "+r"(r0), [r1] "+r"(r1), [from] "+r"(from), [to] "+r"(to), [s0] "=&Te"(s0), [s1] "=&Te"(s1) \
                     : [v] "r"(v), [n] "r"(n / 2), [two] "r"(2 * depth), [last] "r"(last)                      \
                     : "q0", "q4", "q5", "q6", "q7", "lr", "cc", "memory")
#define BOTH(products) products("r0", "s0") products("r1", "s1") "add %[r0], %[r0], %[two]\n\tadd %[r1], %[r1], %[two]\n\t"
#define DEEP(row, sum) FULL("q4", "0", row, sum) FULL("q5", "16", row, sum) FULL("q6", "32", row, sum) FULL("q7", "48", row, sum)
#define CUT_4(row, sum) FULL("q4", "0", row, sum) FULL("q5", "16", row, sum) FULL("q6", "32", row, sum) CUT("48", row, sum)
#define CUT_3(row, sum) FULL("q4", "0", row, sum) FULL("q5", "16", row, sum) CUT("32", row, sum)
#define CUT_2(row, sum) FULL("q4", "0", row, sum) CUT("16", row, sum)
#define CUT_1(row, sum) CUT("0", row, sum)

/* Rows of 64 values, four at a time. */
#define NEXT(q, sum) "vldrb.8 q0, [%[row]], #16\n\tvmladava.s8 " sum ", q0, " q "\n\t"
#define ROW_64(sum) NEXT("q4", sum) NEXT("q5", sum) NEXT("q6", sum) NEXT("q7", sum)

static inline void rows_of_64(const int8_t *row, int32_t n, const int8_t *v, const int32_t *bias, int32_t *sums) {
    __asm__ volatile(
        BEFORE("q4", "0") BEFORE("q5", "16") BEFORE("q6", "32") BEFORE("q7", "48")
        "wls lr, %[n], 2f\n"
        "1:\n\t"
        "ldmia %[bias]!, {r4, r6, r8, r10}\n\t" ROW_64("r4") ROW_64("r6") ROW_64("r8") ROW_64("r10")
        "stmia %[sums]!, {r4, r6, r8, r10}\n\t"
        "le lr, 1b\n"
        "2:"
        : [row] "+r"(row), [bias] "+r"(bias), [sums] "+r"(sums)
        : [n] "r"(n / 4), [v] "r"(v)
        : "q0", "q4", "q5", "q6", "q7", "r4", "r6", "r8", "r10", "lr", "cc", "memory");
}

static int32_t one_row(const int8_t *row, const int8_t *v, int32_t depth, int32_t sum) {
    for (; depth > 0; depth -= 16, row += 16, v += 16) {
        const mve_pred16_t p = vctp8q((uint32_t)depth);
        sum = vmladavaq_p_s8(sum, vldrbq_z_s8(row, p), vldrbq_z_s8(v, p), p);
    }
    return sum;
}

/* The products of `n` rows of int8, which lie side by side, with a vector, as long as they are, and the rows' biases. */
static inline void products(const int8_t *rows, int32_t n, const int8_t *v, int32_t depth, const int32_t *bias, int32_t *sums) {
    if (depth == 64 && n % 4 == 0) {
        rows_of_64(rows, n, v, bias, sums);
        return;
    }
    if (n & 1) sums[n - 1] = one_row(rows + (n - 1) * depth, v, depth, bias[n - 1]);
    for (int32_t at = 0; at < depth; at += 64, v += 64) {
        const int32_t *from = at ? sums : bias;
        const int8_t *r0 = rows + at, *r1 = r0 + depth;
        const int32_t left = depth - at, last = left >= 64 ? 16 : (left - 1) % 16 + 1;
        int32_t *to = sums, s0, s1;
        if (left >= 64)
            ROWS(BEFORE("q4", "0") BEFORE("q5", "16") BEFORE("q6", "32"), "48", BOTH(DEEP));
        else if (left > 48)
            ROWS(BEFORE("q4", "0") BEFORE("q5", "16") BEFORE("q6", "32"), "48", BOTH(CUT_4));
        else if (left > 32)
            ROWS(BEFORE("q4", "0") BEFORE("q5", "16"), "32", BOTH(CUT_3));
        else if (left > 16)
            ROWS(BEFORE("q4", "0"), "16", BOTH(CUT_2));
        else
            ROWS("", "0", BOTH(CUT_1));
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

/* Where `exai_mve_plain`: what is below zero is cut off, however it is rounded. */
static inline void finish_plain(const exai_ending *end, int32_t first, const int32_t *sums, int32_t count, int8_t *y) {
    const int32_t *multiplier = end->multiplier + first;
    const int8_t *shift = end->shift + first;
    const int32_t zero = end->zero, limit = end->high - zero;
    for (; count >= 16; count -= 16, shift += 16) {
        EXAI_MVE_SIXTEEN;
        __asm__ volatile(EXAI_MVE_FOURTHS("vld4", "q0, q1, q2, q3", "from") : EXAI_MVE_SUMS("="), [from] "+r"(sums) : : "memory");
        EXAI_MVE_FINISH(multiplier, shift, y, zero, limit);
    }
    if (count) {
        const int32x4_t low = vdupq_n_s32(zero), high = vdupq_n_s32(end->high);
        FINISH("");
    }
}

static __attribute__((noinline)) void finish_any(const exai_ending *end, int32_t first, const int32_t *sums, int32_t count,
                                                 int rises, int8_t *y) {
    const int32x4_t zeros = vdupq_n_s32(0), low = vdupq_n_s32(end->low), high = vdupq_n_s32(end->high);
    const int32_t *multiplier = end->multiplier + first * end->step;
    const int8_t *shift = end->shift + first * end->step;
    const int32_t zero = end->zero;
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

void exai_mve_finish(const exai_ending *end, int32_t first, const int32_t *sums, int32_t count, int rises, int8_t *y) {
    if (exai_mve_plain(end, rises))
        finish_plain(end, first, sums, count, y);
    else
        finish_any(end, first, sums, count, rises, y);
}

/* One window at a time. */
enum { TOGETHER = 64 };

void exai_conv(const exai_layer *layer, const int8_t *x, int8_t *y, void *scratch) {
    const int32_t taps = layer->kernel_rows * layer->kernel_columns, depth = taps * layer->in_channels;
    const int32_t out = layer->out_channels, columns = layer->out_columns, pixels = layer->out_rows * columns;
    const int direct = exai_is_pointwise(layer);
    const exai_ending end = exai_ending_of(layer);
    const int rises = exai_mve_rises(&end, out), plain = exai_mve_plain(&end, rises);
    const int8_t *from = direct ? x : scratch;
    for (int32_t p = 0; p < pixels; p++, y += out, from += direct ? depth : 0) {
        int32_t sums[TOGETHER];
        if (!direct) exai_window(layer, x, p / columns, p % columns, scratch);
        for (int32_t c = 0; c < out; c += TOGETHER) {
            const int32_t n = out - c < TOGETHER ? out - c : TOGETHER;
            products(layer->weights + c * depth, n, from, depth, layer->bias + c, sums);
            if (plain)
                finish_plain(&end, c, sums, n, y + c);
            else
                finish_any(&end, c, sums, n, rises, y + c);
        }
    }
}

void exai_dense(const exai_layer *layer, const int8_t *x, int8_t *y, void *scratch) {
    exai_conv(layer, x, y, scratch);
}

#endif
