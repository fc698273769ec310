/* Listed rows of the weights themselves, where few pixels meet them. `sharing` says which weights take part. */

#include "exai_mve_maps.h"

static inline int32_t positive(int32_t w) {
    return w & ~(w >> 31);
}

#if EXAI_DSP && !EXAI_MVE

#define POSITIVE(a, b) "usat16 %[" #a "], #8, %[" #a "]\n\tusat16 %[" #b "], #8, %[" #b "]\n\t"

/* Two rows with one vector, four columns at a time: four weights of each row in pairs, and four values of the vector. */
#define TWO_ROWS(vector)                      \
    "ldr %[b], [%[r0]], #4\n\t"               \
    "ldrd %[x], %[y], [%[" #vector "]], #8\n\t" \
    "ldr %[d], [%[r1]], #4\n\t"               \
    "sxtb16 %[a], %[b]\n\t"                   \
    "sxtb16 %[b], %[b], ror #8\n\t"           \
    "sxtb16 %[c], %[d]\n\t"                   \
    "sxtb16 %[d], %[d], ror #8\n\t"
#define MEET                           \
    "smlad %[s0], %[a], %[x], %[s0]\n\t" \
    "smlad %[s1], %[c], %[x], %[s1]\n\t" \
    "smlad %[s0], %[b], %[y], %[s0]\n\t" \
    "smlad %[s1], %[d], %[y], %[s1]\n\t"
#define DOT_OF_TWO(take)                                                                                                      \
    __asm__ volatile("1:\n\t" TWO_ROWS(v) take "subs %[n], %[n], #1\n\t" MEET "bne 1b\n\t"                                  \
                     : [s0] "+r"(s0), [s1] "+r"(s1), [r0] "+r"(r0), [r1] "+r"(r1), [v] "+r"(from), [n] "+r"(fours),           \
                       [a] "=&r"(a), [b] "=&r"(b), [c] "=&r"(c), [d] "=&r"(d), [x] "=&r"(x), [y] "=&r"(y)                     \
                     :                                                                                                        \
                     : "cc", "memory")

static void dot_of_two(const int8_t *r0, const int8_t *r1, const int16_t *from, uint32_t fours, int sharing, int32_t *sum0,
                       int32_t *sum1) {
    int32_t s0 = 0, s1 = 0;
    uint32_t a, b, c, d, x, y;
    if (exai_is_all(EXAI_USES_SHARES, sharing))
        DOT_OF_TWO("");
    else
        DOT_OF_TWO(POSITIVE(a, b) POSITIVE(c, d));
    *sum0 = s0, *sum1 = s1;
}

/* The same under EXAI_SIGNED: all weights with `below`, and positive ones with the sizes in v. */
static void signed_dot_of_two(const int8_t *r0, const int8_t *r1, const int16_t *from, const int16_t *below, uint32_t fours,
                              int32_t *sum0, int32_t *sum1) {
    int32_t s0 = 0, s1 = 0;
    uint32_t a, b, c, d, x, y;
    __asm__ volatile(
        "1:\n\t" TWO_ROWS(below) MEET
        "ldrd %[x], %[y], [%[v]], #8\n\t" POSITIVE(a, b) POSITIVE(c, d)
        "subs %[n], %[n], #1\n\t" MEET
        "bne 1b\n\t"
        : [s0] "+r"(s0), [s1] "+r"(s1), [r0] "+r"(r0), [r1] "+r"(r1), [v] "+r"(from), [below] "+r"(below), [n] "+r"(fours),
          [a] "=&r"(a), [b] "=&r"(b), [c] "=&r"(c), [d] "=&r"(d), [x] "=&r"(x), [y] "=&r"(y)
        :
        : "cc", "memory");
    *sum0 = s0, *sum1 = s1;
}

#define ONE_ROW(take)                                                                                          \
    __asm__ volatile("1:\n\t"                                                                                  \
                     "ldr %[b], [%[row]], #4\n\t"                                                              \
                     "ldrd %[x], %[y], [%[v]], #8\n\t"                                                         \
                     "sxtb16 %[a], %[b]\n\t"                                                                   \
                     "sxtb16 %[b], %[b], ror #8\n\t" take "subs %[n], %[n], #1\n\t"                            \
                     "smlad %[s], %[a], %[x], %[s]\n\t"                                                        \
                     "smlad %[s], %[b], %[y], %[s]\n\t"                                                        \
                     "bne 1b\n\t"                                                                              \
                     : [s] "+r"(s), [row] "+r"(row), [v] "+r"(from), [n] "+r"(fours), [a] "=&r"(a), [b] "=&r"(b), \
                       [x] "=&r"(x), [y] "=&r"(y)                                                              \
                     :                                                                                         \
                     : "cc", "memory")

static int32_t dot_of_one(const int8_t *row, const int16_t *from, uint32_t fours, int sharing) {
    int32_t s = 0;
    uint32_t a, b, x, y;
    if (exai_is_all(EXAI_USES_SHARES, sharing))
        ONE_ROW("");
    else
        ONE_ROW(POSITIVE(a, b));
    return s;
}

/* One listed row, four columns. */
#define ROW(take)                          \
    "ldrd %[o], %[f], [%[list]], #8\n\t"   \
    "ldr %[a], [%[w], %[o]]\n\t"           \
    "sxtb16 %[b], %[a]\n\t"                \
    "sxtb16 %[a], %[a], ror #8\n\t" take   \
    "smlabb %[s0], %[f], %[b], %[s0]\n\t"  \
    "smlabb %[s1], %[f], %[a], %[s1]\n\t"  \
    "smlabt %[s2], %[f], %[b], %[s2]\n\t"  \
    "smlabt %[s3], %[f], %[a], %[s3]\n\t"
#define COLUMNS(rows, ...)                                                                            \
    __asm__ volatile("1:\n\t" rows "cmp %[list], %[end]\n\tbne 1b\n\t"                               \
                     : [s0] "+r"(s0), [s1] "+r"(s1), [s2] "+r"(s2), [s3] "+r"(s3), [list] "+r"(from), \
                       [o] "=&r"(o), [f] "=&r"(f), [a] "=&r"(a), [b] "=&r"(b)                         \
                     : [w] "r"(weights + i), __VA_ARGS__                                              \
                     : "cc", "memory")

/* Weights change their sign where the input is below zero, in the lanes of `even` and `odd`, and the positive ones share. */
#define TURNED                            \
    "eor %[b], %[b], %[even]\n\t"         \
    "eor %[a], %[a], %[odd]\n\t"          \
    "ssub16 %[b], %[b], %[even]\n\t"      \
    "ssub16 %[a], %[a], %[odd]\n\t" POSITIVE(a, b)

/* -1 in each lane of two inputs that is below zero. */
static uint32_t lanes_below(const int8_t *x, int32_t zero) {
    return (x[0] < zero ? 0xFFFFu : 0u) | (x[2] < zero ? 0xFFFF0000u : 0u);
}

/* A sum with the sign of its input. */
static inline int32_t with_sign(int32_t x, int32_t zero, int32_t sum) {
    return x < zero ? -sum : x > zero ? sum : 0;
}

static int32_t columns_of_four(const int8_t *weights, exai_entry *list, int32_t n, const int8_t *x, int32_t zero,
                               int32_t depth, int sharing, int32_t *sums) {
    const exai_entry *const end = list + (n + 1) / 2 * 2;
    int32_t i = 0;
    list[n].row = 0, list[n].factor = 0;
    for (; i < depth / 4 * 4; i += 4) {
        const exai_entry *from = list;
        int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
        uint32_t o, f, a, b;
        if (exai_is_signed(EXAI_USES_ROWS, sharing)) {
            const uint32_t even = lanes_below(x + i, zero), odd = lanes_below(x + i + 1, zero);
            COLUMNS(ROW(TURNED), [end] "r"(end), [even] "r"(even), [odd] "r"(odd));
            s0 = with_sign(x[i], zero, s0), s1 = with_sign(x[i + 1], zero, s1);
            s2 = with_sign(x[i + 2], zero, s2), s3 = with_sign(x[i + 3], zero, s3);
        } else if (exai_is_all(EXAI_USES_ROWS, sharing))
            COLUMNS(ROW("") ROW(""), [end] "r"(end));
        else
            COLUMNS(ROW(POSITIVE(a, b)) ROW(POSITIVE(a, b)), [end] "r"(end));
        sums[i] = s0, sums[i + 1] = s1, sums[i + 2] = s2, sums[i + 3] = s3;
    }
    return i;
}

#endif

#if !EXAI_MVE
void exai_rows_dot(const int8_t *weights, int32_t stride, int32_t depth, const uint16_t *list, int32_t n, const int16_t *v,
                   int32_t negative, int sharing, int32_t *sums) {
    int32_t k = 0, done = 0;
#if EXAI_DSP
    if (depth >= 4) {
        const uint32_t fours = (uint32_t)depth / 4;
        int32_t other;
        done = depth / 4 * 4;
        for (; k < n; k += 2) {
            const int8_t *const r0 = weights + list[k] * stride, *const r1 = k + 1 < n ? weights + list[k + 1] * stride : r0;
            int32_t *const second = k + 1 < n ? sums + k + 1 : &other;
            if (exai_is_signed(EXAI_USES_SHARES, sharing)) /* the last row of an odd number twice */
                signed_dot_of_two(r0, r1, v, v + negative, fours, sums + k, second);
            else if (k + 1 < n)
                dot_of_two(r0, r1, v, fours, sharing, sums + k, second);
            else
                sums[k] = dot_of_one(r0, v, fours, sharing);
        }
        if (done == depth) return;
    }
#endif
    for (k = 0; k < n; k++) {
        const int8_t *const w = weights + list[k] * stride;
        int32_t sum = done ? sums[k] : 0;
        for (int32_t i = done; i < depth; i++) {
            if (exai_is_all(EXAI_USES_SHARES, sharing))
                sum += w[exai_order(i, depth)] * v[i];
            else
                sum += positive(w[exai_order(i, depth)]) * v[i];
            if (exai_is_signed(EXAI_USES_SHARES, sharing)) sum += w[exai_order(i, depth)] * v[negative + i];
        }
        sums[k] = sum;
    }
}
#endif

uint32_t exai_rows_sum(const int8_t *weights, exai_entry *list, int32_t n, const int8_t *x, int32_t zero, int32_t depth,
                       int sharing, int32_t *sums) {
#if EXAI_MVE
    exai_mve_rows_sum(weights, list, n, x, zero, depth, sharing, sums);
#else
    int32_t i = 0;
#if EXAI_DSP
    i = columns_of_four(weights, list, n, x, zero, depth, sharing, sums);
#endif
    for (; i < depth; i++) {
        const int32_t v = exai_is_signed(EXAI_USES_ROWS, sharing) ? x[i] - zero : 1;
        int32_t sum = 0;
        for (int32_t k = 0; k < n && v; k++) {
            const int32_t w = weights[list[k].row + i];
            sum += list[k].factor * (exai_is_all(EXAI_USES_ROWS, sharing) ? w : v < 0 ? w & (w >> 31) : positive(w));
        }
        sums[i] = sum;
    }
#endif
    return exai_sizes(sums, depth);
}
