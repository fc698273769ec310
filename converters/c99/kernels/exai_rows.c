/* Listed rows of weights: the inner kernel of the way back. `sharing` says which weights take part; under EXAI_SIGNED
 * `v` holds sizes and `negative` is -1 where a value was below zero, 0 elsewhere. Vectors lie as `exai_widen` writes them.
 */

#include "exai_flow.h"

static inline int32_t shared(int32_t w, int sharing, int32_t negative) {
    if (sharing == EXAI_ALL) return w;
    if (sharing == EXAI_SIGNED) w = (w ^ negative) - negative;
    return w & ~(w >> 31);
}

#if EXAI_DSP

#define POSITIVE(a, b) "usat16 %[" #a "], #8, %[" #a "]\n\tusat16 %[" #b "], #8, %[" #b "]\n\t"
#define TURNED(a, m) "eor %[" #a "], %[" #a "], %[" #m "]\n\tssub16 %[" #a "], %[" #a "], %[" #m "]\n\t"

/* Two rows with one vector, four columns at a time. */
#define TWO_ROWS(take)                                                                                              \
    __asm__ volatile("1:\n\t"                                                                                       \
                     "ldr %[b], [%[r0]], #4\n\t"                                                                    \
                     "ldrd %[x], %[y], [%[v]], #8\n\t"                                                              \
                     "ldr %[d], [%[r1]], #4\n\t"                                                                    \
                     "sxtb16 %[a], %[b]\n\t"                                                                        \
                     "sxtb16 %[b], %[b], ror #8\n\t"                                                                \
                     "sxtb16 %[c], %[d]\n\t"                                                                        \
                     "sxtb16 %[d], %[d], ror #8\n\t" take "subs %[n], %[n], #1\n\t"                                 \
                     "smlad %[s0], %[a], %[x], %[s0]\n\t"                                                           \
                     "smlad %[s1], %[c], %[x], %[s1]\n\t"                                                           \
                     "smlad %[s0], %[b], %[y], %[s0]\n\t"                                                           \
                     "smlad %[s1], %[d], %[y], %[s1]\n\t"                                                           \
                     "bne 1b\n\t"                                                                                   \
                     : [s0] "+r"(s0), [s1] "+r"(s1), [r0] "+r"(r0), [r1] "+r"(r1), [v] "+r"(from), [n] "+r"(fours), \
                       [a] "=&r"(a), [b] "=&r"(b), [c] "=&r"(c), [d] "=&r"(d), [x] "=&r"(x), [y] "=&r"(y)           \
                     :                                                                                              \
                     : "cc", "memory")

static void dot_of_two(const int8_t *r0, const int8_t *r1, const int16_t *from, uint32_t fours, int sharing, int32_t *sum0,
                       int32_t *sum1) {
    int32_t s0 = 0, s1 = 0;
    uint32_t a, b, c, d, x, y;
    if (sharing == EXAI_ALL)
        TWO_ROWS("");
    else
        TWO_ROWS(POSITIVE(a, b) POSITIVE(c, d));
    *sum0 = s0, *sum1 = s1;
}

static int32_t dot_signed(const int8_t *r0, const int16_t *from, const int16_t *negative, uint32_t fours) {
    int32_t s0 = 0;
    uint32_t a, b, x, y, m, k;
    __asm__ volatile("1:\n\t"
                     "ldr %[b], [%[r0]], #4\n\t"
                     "ldrd %[m], %[k], [%[negative]], #8\n\t"
                     "ldrd %[x], %[y], [%[v]], #8\n\t"
                     "sxtb16 %[a], %[b]\n\t"
                     "sxtb16 %[b], %[b], ror #8\n\t" TURNED(a, m) TURNED(b, k) POSITIVE(a, b)
                     "subs %[n], %[n], #1\n\t"
                     "smlad %[s0], %[a], %[x], %[s0]\n\t"
                     "smlad %[s0], %[b], %[y], %[s0]\n\t"
                     "bne 1b\n\t"
                     : [s0] "+r"(s0), [r0] "+r"(r0), [v] "+r"(from), [negative] "+r"(negative), [n] "+r"(fours),
                       [a] "=&r"(a), [b] "=&r"(b), [x] "=&r"(x), [y] "=&r"(y), [m] "=&r"(m), [k] "=&r"(k)
                     :
                     : "cc", "memory");
    return s0;
}

/* One listed row, four columns. */
#define ROW(take)                          \
    "ldrd %[o], %[f], [%[list]], #8\n\t"   \
    "ldr %[a], [%[w], %[o]]\n\t"           \
    "sxtb16 %[b], %[a]\n\t"                \
    "sxtb16 %[a], %[a], ror #8\n\t" take   \
    "smlawb %[s0], %[f], %[b], %[s0]\n\t"  \
    "smlawb %[s1], %[f], %[a], %[s1]\n\t"  \
    "smlawt %[s2], %[f], %[b], %[s2]\n\t"  \
    "smlawt %[s3], %[f], %[a], %[s3]\n\t"
#define COLUMNS(take, ...)                                                                                      \
    __asm__ volatile("1:\n\t" ROW(take) ROW(take) "cmp %[list], %[end]\n\tbne 1b\n\t"                           \
                     : [s0] "+r"(s0), [s1] "+r"(s1), [s2] "+r"(s2), [s3] "+r"(s3), [list] "+r"(from),           \
                       [o] "=&r"(o), [f] "=&r"(f), [a] "=&r"(a), [b] "=&r"(b)                                   \
                     : [w] "r"(weights + i), [end] "r"(end)__VA_ARGS__                                          \
                     : "cc", "memory")

static int32_t columns_of_four(const int8_t *weights, exai_entry *list, int32_t n, const int16_t *negative, int32_t depth,
                               int sharing, int32_t *sums) {
    const exai_entry *const end = list + (n + 1) / 2 * 2;
    int32_t i = 0;
    list[n].row = 0, list[n].factor = 0;
    for (; i + 4 <= depth; i += 4) {
        const exai_entry *from = list;
        int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
        uint32_t o, f, a, b;
        if (sharing == EXAI_ALL) {
            COLUMNS("", );
        } else if (sharing == EXAI_POSITIVE) {
            COLUMNS(POSITIVE(a, b), );
        } else {
            const uint32_t m = exai_word(negative + i), k = exai_word(negative + i + 2);
            COLUMNS(TURNED(b, m) TURNED(a, k) POSITIVE(a, b), , [m] "r"(m), [k] "r"(k));
            if (negative[i]) s0 = -s0; /* the order is 0 2 1 3 */
            if (negative[i + 2]) s1 = -s1;
            if (negative[i + 1]) s2 = -s2;
            if (negative[i + 3]) s3 = -s3;
        }
        sums[i] = s0, sums[i + 1] = s1, sums[i + 2] = s2, sums[i + 3] = s3;
    }
    return i;
}

#endif

void exai_rows_dot(const int8_t *weights, exai_entry *list, int32_t n, const int16_t *v, const int16_t *negative,
                   int32_t depth, int sharing) {
    int32_t k = 0, done = 0;
#if EXAI_DSP
    const uint32_t fours = (uint32_t)depth / 4;
    done = depth / 4 * 4;
    if (!fours) {
        for (; k < n; k++) list[k].factor = 0;
    } else if (sharing == EXAI_SIGNED) {
        for (; k < n; k++) list[k].factor = dot_signed(weights + list[k].row, v, negative, fours);
    } else {
        for (; k + 2 <= n; k += 2) {
            dot_of_two(weights + list[k].row, weights + list[k + 1].row, v, fours, sharing, &list[k].factor,
                       &list[k + 1].factor);
        }
        int32_t other;
        if (k < n) {
            const int8_t *const row = weights + list[k].row;
            dot_of_two(row, row, v, fours, sharing, &list[k].factor, &other);
        }
    }
    if (done == depth) return;
    k = 0;
#endif
    for (; k < n; k++) {
        const int8_t *const w = weights + list[k].row;
        int32_t sum = done ? list[k].factor : 0;
        for (int32_t i = done; i < depth; i++) {
            sum += shared(w[i], sharing, sharing == EXAI_SIGNED ? negative[i] : 0) * v[i];
        }
        list[k].factor = sum;
    }
}

uint32_t exai_rows_sum(const int8_t *weights, exai_entry *list, int32_t n, const int16_t *negative, int32_t depth,
                       int sharing, int32_t *sums) {
    int32_t i = 0;
    uint32_t size = 0;
#if EXAI_DSP
    i = columns_of_four(weights, list, n, negative, depth, sharing, sums);
#else
    const int32_t mask = sharing == EXAI_ALL ? 0 : -1;
    for (; i + 4 <= depth && sharing != EXAI_SIGNED; i += 4) {
        int32_t a = 0, b = 0, c = 0, d = 0;
        for (int32_t k = 0; k < n; k++) {
            const int8_t *const w = weights + list[k].row + i;
            const int32_t factor = list[k].factor;
            a += exai_times(factor, w[0] & ~(w[0] >> 31 & mask));
            b += exai_times(factor, w[1] & ~(w[1] >> 31 & mask));
            c += exai_times(factor, w[2] & ~(w[2] >> 31 & mask));
            d += exai_times(factor, w[3] & ~(w[3] >> 31 & mask));
        }
        sums[i] = a, sums[i + 1] = b, sums[i + 2] = c, sums[i + 3] = d;
    }
#endif
    for (; i < depth; i++) {
        const int32_t turned = sharing == EXAI_SIGNED ? negative[i] : 0;
        int32_t a = 0;
        for (int32_t k = 0; k < n; k++) {
            a += exai_times(list[k].factor, shared(weights[list[k].row + i], sharing, turned));
        }
        sums[i] = turned ? -a : a;
    }
    for (i = 0; i < depth; i++) size |= exai_size(sums[i]);
    return size;
}
