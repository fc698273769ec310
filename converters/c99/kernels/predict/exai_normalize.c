/* What normalizations are made of: L2_NORMALIZATION and SQUARED_DIFFERENCE. */

#include "exai_arithmetic.h"

/* 1 / sqrt(x) as what is returned times 2^(*shift - 31): five steps of Newton's method in Q3.28; 0 is taken as 1. */
static int32_t inverse_root(int32_t x, int *shift) {
    int down = 11;
    *shift = 0;
    if (x <= 1) return INT32_MAX;
    for (; x >= 1 << 29; x /= 4) down++;
    const int pairs = (31 - exai_length((uint32_t)x)) / 2 - 1;
    down -= pairs;
    const int32_t half = exai_divide((x << 2 * pairs) >> 1, 1);
    int32_t root = 1 << 28;
    for (int i = 0; i < 5; i++) {
        const int32_t cube = exai_saturated(exai_high(exai_high(root, root), root), 6);
        root = exai_saturated(exai_high(root, 3 << 27) - exai_high(half, cube), 3);
    }
    root = exai_high(root, 1518500250); /* sqrt(1/2) */
    if (down < 0) return root << -down;
    *shift = -down;
    return root;
}

void exai_unit_length(const int8_t *x, int32_t rows, int32_t columns, int32_t zero, int8_t *y) {
    for (int32_t row = 0; row < rows; row++, x += columns, y += columns) {
        int32_t sum = 0;
        int shift;
        for (int32_t i = 0; i < columns; i++) sum += (x[i] - zero) * (x[i] - zero);
        const int32_t by = inverse_root(sum, &shift);
        for (int32_t i = 0; i < columns; i++) y[i] = exai_clamp(exai_scale(x[i] - zero, by, shift + 7), -128, 127);
    }
}

static void squared_differences(const exai_pair *p, const int8_t *u, const int8_t *v, int8_t *y) {
    for (int32_t l = 0; l < p->count[3]; l++, u += p->stride_a[3], v += p->stride_b[3]) {
        const int32_t left = exai_scale((*u - p->zero_a) * 128, p->multiplier_a, p->shift_a);
        const int32_t by = left - exai_scale((*v - p->zero_b) * 128, p->multiplier_b, p->shift_b);
        *y++ = exai_clamp(exai_scale(by * by, p->multiplier, p->shift) + p->zero, -128, 127);
    }
}

void exai_squared_difference(const exai_pair *p, const int8_t *a, const int8_t *b, int8_t *y) {
    exai_by_rows(squared_differences, p, a, b, y);
}
