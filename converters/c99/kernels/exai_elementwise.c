/* ADD, SUB, MUL, table look-ups (every function of one int8), QUANTIZE and DEQUANTIZE. */

#include "exai_arithmetic.h"

enum { HEADROOM = 20 }; /* bits that sums keep below the inputs' own */

void exai_add(const exai_pair *p, const int8_t *a, const int8_t *b, int8_t *y) {
    for (int32_t i = 0; i < p->count[0]; i++) {
        for (int32_t j = 0; j < p->count[1]; j++) {
            for (int32_t k = 0; k < p->count[2]; k++) {
                const int8_t *u = a + i * p->stride_a[0] + j * p->stride_a[1] + k * p->stride_a[2];
                const int8_t *v = b + i * p->stride_b[0] + j * p->stride_b[1] + k * p->stride_b[2];
                for (int32_t l = 0; l < p->count[3]; l++, u += p->stride_a[3], v += p->stride_b[3]) {
                    const int32_t left = exai_scale((*u - p->zero_a) * (1 << HEADROOM), p->multiplier_a, p->shift_a);
                    const int32_t right = exai_scale((*v - p->zero_b) * (1 << HEADROOM), p->multiplier_b, p->shift_b);
                    const int32_t sum = left + p->sign_b * right;
                    *y++ = exai_clamp(exai_scale(sum, p->multiplier, p->shift) + p->zero, p->low, p->high);
                }
            }
        }
    }
}

void exai_multiply(const exai_pair *p, const int8_t *a, const int8_t *b, int8_t *y) {
    for (int32_t i = 0; i < p->count[0]; i++) {
        for (int32_t j = 0; j < p->count[1]; j++) {
            for (int32_t k = 0; k < p->count[2]; k++) {
                const int8_t *u = a + i * p->stride_a[0] + j * p->stride_a[1] + k * p->stride_a[2];
                const int8_t *v = b + i * p->stride_b[0] + j * p->stride_b[1] + k * p->stride_b[2];
                for (int32_t l = 0; l < p->count[3]; l++, u += p->stride_a[3], v += p->stride_b[3]) {
                    const int32_t product = (*u - p->zero_a) * (*v - p->zero_b);
                    *y++ = exai_clamp(exai_scale(product, p->multiplier, p->shift) + p->zero, p->low, p->high);
                }
            }
        }
    }
}

void exai_lookup(const int8_t *table, const int8_t *x, int32_t count, int8_t *y) {
    for (int32_t i = 0; i < count; i++) y[i] = table[x[i] + 128];
}

void exai_quantize(const float *x, int32_t count, float scale, int32_t zero, int8_t *y) {
    for (int32_t i = 0; i < count; i++) {
        float q = x[i] / scale;
        if (!(q > -512.0f)) q = -512.0f; /* not a number, too */
        if (q > 512.0f) q = 512.0f;
        int32_t whole = (int32_t)q;
        const float rest = q - (float)whole;
        if (rest >= 0.5f) whole++;
        if (rest <= -0.5f) whole--;
        y[i] = exai_clamp(whole + zero, -128, 127);
    }
}

void exai_dequantize(const int8_t *x, int32_t count, float scale, int32_t zero, float *y) {
    for (int32_t i = 0; i < count; i++) y[i] = scale * (float)(x[i] - zero);
}
