/* SOFTMAX: exponentials come from a table, since the difference of two int8 takes 256 values at most. */

#include "exai_arithmetic.h"

static int32_t saturating_shift(int32_t x, int by) {
    const int64_t wide = (int64_t)x * (1 << by);
    return wide > INT32_MAX ? INT32_MAX : wide < INT32_MIN ? INT32_MIN : (int32_t)wide;
}

/* 1 / (1 + x) for x in [0, 1], Q0.31: three steps of Newton's method in Q2.29. */
static int32_t reciprocal(int32_t x) {
    const int64_t both = (int64_t)x + INT32_MAX;
    const int32_t half = (int32_t)((both + 1) / 2);
    int32_t guess = 1515870810 + exai_high(half, -1010580540); /* 48/17 - 32/17 half */
    for (int i = 0; i < 3; i++) {
        const int32_t rest = (1 << 29) - exai_high(half, guess);
        guess += saturating_shift(exai_high(guess, rest), 2);
    }
    return saturating_shift(guess, 1);
}

void exai_softmax_rows(const exai_softmax *s, const int8_t *x, int8_t *y) {
    for (int32_t row = 0; row < s->rows; row++, x += s->columns, y += s->columns) {
        int32_t most = -128, sum = 0;
        for (int32_t i = 0; i < s->columns; i++) most = x[i] > most ? x[i] : most;
        for (int32_t i = 0; i < s->columns; i++) {
            const int32_t below = most - x[i];
            if (below < s->differences) sum += exai_divide(s->exponentials[below], 12);
        }
        const int zeros = 32 - exai_length((uint32_t)sum);
        const int32_t scale = reciprocal((int32_t)(((uint32_t)sum << zeros) - 0x80000000u));
        for (int32_t i = 0; i < s->columns; i++) {
            const int32_t below = most - x[i];
            int32_t out = -128;
            if (below < s->differences) out += exai_divide(exai_high(scale, s->exponentials[below]), 35 - zeros);
            y[i] = exai_clamp(out, -128, 127);
        }
    }
}
