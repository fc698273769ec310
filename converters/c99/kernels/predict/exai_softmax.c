/* SOFTMAX: exponentials come from a table, since the difference of two int8 takes 256 values at most. */

#include "exai_arithmetic.h"

/* 1 / (1 + x) for x in [0, 1], Q0.31: three steps of Newton's method in Q2.29. */
static int32_t reciprocal(int32_t x) {
    const int64_t both = (int64_t)x + INT32_MAX;
    const int32_t half = (int32_t)((both + 1) / 2);
    int32_t guess = 1515870810 + exai_high(half, -1010580540); /* 48/17 - 32/17 half */
    for (int i = 0; i < 3; i++) {
        const int32_t rest = (1 << 29) - exai_high(half, guess);
        guess += exai_saturated(exai_high(guess, rest), 2);
    }
    return exai_saturated(guess, 1);
}

/* A row's largest value, and what its exponentials are multiplied by and divided by 2^`down`, to have `bits`. */
typedef struct {
    int32_t most, scale, down;
} share;

static share share_of(const exai_softmax *s, const int8_t *x, int32_t bits) {
    share found = {-128, 0, 0};
    int32_t sum = 0;
    for (int32_t i = 0; i < s->columns; i++) found.most = x[i] > found.most ? x[i] : found.most;
    for (int32_t i = 0; i < s->columns; i++) {
        const int32_t below = found.most - x[i];
        if (below < s->differences) sum += exai_divide(s->exponentials[below], 12);
    }
    const int zeros = 32 - exai_length((uint32_t)sum);
    found.scale = reciprocal((int32_t)(((uint32_t)sum << zeros) - 0x80000000u));
    found.down = 43 - bits - zeros;
    return found;
}

static inline int32_t shared(const exai_softmax *s, const share *by, int32_t x) {
    const int32_t below = by->most - x;
    return below < s->differences ? exai_divide(exai_high(by->scale, s->exponentials[below]), by->down) : 0;
}

void exai_softmax_rows(const exai_softmax *s, const int8_t *x, int8_t *y) {
    for (int32_t row = 0; row < s->rows; row++, x += s->columns, y += s->columns) {
        const share by = share_of(s, x, 8);
        for (int32_t i = 0; i < s->columns; i++) y[i] = exai_clamp(shared(s, &by, x[i]) - 128, -128, 127);
    }
}

void exai_softmax_rows16(const exai_softmax *s, const int8_t *x, void *y) {
    int16_t *to = y;
    for (int32_t row = 0; row < s->rows; row++, x += s->columns) {
        const share by = share_of(s, x, 16);
        for (int32_t i = 0; i < s->columns; i++) {
            const int32_t out = shared(s, &by, x[i]) - 32768;
            *to++ = (int16_t)(out > 32767 ? 32767 : out);
        }
    }
}
