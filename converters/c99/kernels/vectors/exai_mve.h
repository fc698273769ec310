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

/* A vector's greatest value, or its smallest one below zero, as an unsigned number of its size. */
static inline uint32_t exai_mve_size(int32x4_t high, int32x4_t low) {
    return (uint32_t)(vmaxvq_s32(0, high) | ~vminvq_s32(-1, low));
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

/* Sixteen sums in q0 ... q3, sum k in vector k % 4, and how such vectors are loaded and stored. */
#define EXAI_MVE_SIXTEEN register int32x4_t s0 __asm__("q0"), s1 __asm__("q1"), s2 __asm__("q2"), s3 __asm__("q3")
#define EXAI_MVE_SUMS(how) how "w"(s0), how "w"(s1), how "w"(s2), how "w"(s3)
#define EXAI_MVE_FOURTHS(what, q, at)                                                                             \
    what "0.32 {" q "}, [%[" at "]]\n\t" what "1.32 {" q "}, [%[" at "]]\n\t" what "2.32 {" q "}, [%[" at "]]\n\t" \
    what "3.32 {" q "}, [%[" at "]]!\n\t"

/* They become values: where no multiplier is one or more and a RELU cuts off, so that 0 is the least. A shift is the lowest
 * byte of a number. */
#define EXAI_MVE_FINISH(multiplier, shift, y, zero, limit)                                                        \
    __asm__ volatile(EXAI_MVE_FOURTHS("vld4", "q4, q5, q6, q7", "m")                                              \
                     "vqrdmulh.s32 q0, q0, q4\n\t"                                                                \
                     "vldrb.8 q4, [%[by]]\n\t"                                                                    \
                     "vqrdmulh.s32 q1, q1, q5\n\t"                                                                \
                     "vrshl.s32 q0, q0, q4\n\t"                                                                   \
                     "vshr.u32 q5, q4, #8\n\t"                                                                    \
                     "vqrdmulh.s32 q2, q2, q6\n\t"                                                                \
                     "vrshl.s32 q1, q1, q5\n\t"                                                                   \
                     "vshr.u32 q6, q4, #16\n\t"                                                                   \
                     "vqrdmulh.s32 q3, q3, q7\n\t"                                                                \
                     "vrshl.s32 q2, q2, q6\n\t"                                                                   \
                     "vshr.u32 q7, q4, #24\n\t"                                                                   \
                     "vqmovunb.s32 q4, q0\n\t"                                                                    \
                     "vrshl.s32 q3, q3, q7\n\t"                                                                   \
                     "vqmovunb.s32 q5, q1\n\t"                                                                    \
                     "vqmovunt.s32 q4, q2\n\t"                                                                    \
                     "vqmovunt.s32 q5, q3\n\t"                                                                    \
                     "vdup.8 q7, %[most]\n\t"                                                                     \
                     "vqmovnb.u16 q6, q4\n\t"                                                                     \
                     "vqmovnt.u16 q6, q5\n\t"                                                                     \
                     "vmin.u8 q6, q6, q7\n\t"                                                                     \
                     "vadd.i8 q6, q6, %[least]\n\t"                                                               \
                     "vstrb.8 q6, [%[to]], #16"                                                                   \
                     : EXAI_MVE_SUMS("+"), [m] "+r"(multiplier), [to] "+r"(y)                                     \
                     : [by] "r"(shift), [most] "r"(limit), [least] "r"(zero)                                      \
                     : "q4", "q5", "q6", "q7", "memory")

/* Whether `EXAI_MVE_FINISH` does a layer; `rises` is `exai_mve_rises`. */
static inline int exai_mve_plain(const exai_ending *end, int rises) {
    return end->step && !rises && end->low == end->zero;
}

/* Pointers to four pixels of a row that begins at address `row`: those of columns `at`; beyond its columns is `outside`. */
static inline void exai_mve_pixels(uint32_t row, uint32x4_t at, int32_t columns, int32_t bytes, uint32x4_t outside, void *to) {
    __asm__ volatile(
        "vmul.i32 q0, %q[at], %[bytes]\n\t"
        "vcmp.u32 cs, %q[at], %[columns]\n\t"
        "vadd.i32 q0, q0, %[row]\n\t"
        "vpsel q0, %q[outside], q0\n\t"
        "vstrw.32 q0, [%[to]]"
        :
        : [at] "w"(at), [bytes] "r"(bytes), [columns] "r"(columns), [row] "r"(row), [outside] "w"(outside), [to] "r"(to)
        : "q0", "cc", "memory"); /* and the predicate, for which compilers have no common name */
}

/* A depthwise layer: weights (taps, out) stay bytes; `pairs` is whether none is -128, so that two products fit 16 bits. */
typedef struct {
    const int8_t *weights;
    const int32_t *bias;
    int32_t taps, out;
    int pairs;
} exai_mve_layer;

exai_mve_layer exai_mve_depthwise_of(const int8_t *weights, const int32_t *bias, int32_t taps, int32_t out);

/* Pointers go on by so many bytes. */
static inline void exai_mve_advance(void *pointers, int32_t count, int32_t bytes) {
    __asm__ volatile(
        "dlstp.32 lr, %[n]\n"
        "1:\n\t"
        "vldrw.32 q0, [%[to]]\n\t"
        "vadd.i32 q0, q0, %[bytes]\n\t"
        "vstrw.32 q0, [%[to]], #16\n\t"
        "letp lr, 1b"
        : [to] "+r"(pointers)
        : [n] "r"(count), [bytes] "r"(bytes)
        : "q0", "lr", "cc", "memory");
}

/* Whether this window and the one before it are inside the map: pointers to its values are those before it, gone on. */
static inline int exai_mve_follows(const exai_layer *layer, int32_t row, int32_t column) {
    const int32_t top = row * layer->stride_rows - layer->top, left = column * layer->stride_columns - layer->left;
    const int32_t bottom = top + (layer->kernel_rows - 1) * layer->dilation_rows;
    const int32_t right = left + (layer->kernel_columns - 1) * layer->dilation_columns;
    return left >= layer->stride_columns && right < layer->in_columns && top >= 0 && bottom < layer->in_rows;
}

/* Pointers to the values under the taps of a window; three more than there are are written. */
void exai_mve_taps(const exai_layer *layer, const int8_t *x, int32_t row, int32_t column, const int8_t *outside,
                   const int8_t **tap);

/* The sums of a pixel's channels: biases, and the values under taps times their weights; what they become. */
void exai_mve_depthwise(const exai_mve_layer *layer, const int8_t **tap, int32_t *sums);
void exai_mve_depthwise_values(const exai_mve_layer *layer, const int8_t **tap, const exai_ending *end, int32_t *sums,
                               int rises, int8_t *y);

/* The way back: sums of `eights` channels, of the factors under `count` of a layer's taps, after `before` others, times their
 * weights, which lie in sixteens of channels (the last ones may be eight) and there tap by tap, over 2^32. */
void exai_mve_factors(const int32_t **tap, int32_t count, int32_t eights, int32_t taps, int32_t before, const int32_t *wide,
                      int32_t *sums);

/* What is below zero becomes zero. */
void exai_mve_positive(const int8_t *w, int32_t count, int8_t *to);

/* `exai_finish_sums` of channels `first` ... `first + count - 1`, their sums in order; `rises` is `exai_mve_rises`. */
void exai_mve_finish(const exai_ending *end, int32_t first, const int32_t *sums, int32_t count, int rises, int8_t *y);

/* Factors over 2^by, rounded, times the values of a map; the size of what comes out. */
uint32_t exai_mve_times_values(const int8_t *v, int32_t zero, int32_t count, int32_t *t, int32_t by);

/* Whether a multiplier of a layer is one or more. */
int exai_mve_rises(const exai_ending *end, int32_t count);

#endif

static inline void exai_clear(void *to, int32_t bytes) {
#if EXAI_MVE
    exai_mve_fill(to, bytes, 0);
#else
#if EXAI_DSP
    if (bytes > 0 && !(((uint32_t)(uintptr_t)to & 3u) | ((uint32_t)bytes & 15u))) { /* a call takes longer than what is short */
        __asm__ volatile(
            "movs r4, #0\n\tmovs r5, #0\n\tmovs r6, #0\n\tmov r8, r4\n"
            "1:\n\t"
            "stmia %[to]!, {r4-r6, r8}\n\t"
            "subs %[n], %[n], #16\n\t"
            "bne 1b"
            : [to] "+r"(to), [n] "+r"(bytes)
            :
            : "r4", "r5", "r6", "r8", "cc", "memory");
        return;
    }
#endif
    memset(to, 0, (size_t)bytes);
#endif
}

#endif
