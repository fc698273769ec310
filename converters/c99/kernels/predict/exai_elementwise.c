/* ADD, SUB, MUL, MAXIMUM, MINIMUM, PRELU, ARG_MAX, ARG_MIN, table look-ups (every function of one int8), QUANTIZE and DEQUANTIZE. */

#include "exai_mve_maps.h"

#if EXAI_DSP && !EXAI_MVE
/* Values that lie side by side, a + b, not cut off within int8. The map of the larger scale is multiplied by one half, which
 * is exact: it is a. What a shift loses last is its carry, which rounds halves away from zero where negative numbers were
 * made one less before; its amount is the lowest byte of a register, which counts above. */
static __attribute__((noinline)) void side_by_side(const exai_pair *p, const int8_t *a, const int8_t *b, int8_t *y) {
    const int swaps = p->shift_a != 0;
    const int32_t zero_a = swaps ? p->zero_b : p->zero_a, zero_b = swaps ? p->zero_a : p->zero_b;
    const int32_t shift = swaps ? p->shift_a : p->shift_b, up = shift ? 1 << (EXAI_HEADROOM + 1) : 1 << (EXAI_HEADROOM + 2);
    const int8_t *u = swaps ? b : a, *v = swaps ? a : b;
    int32_t left, sum, n = (p->count[3] - 1) * 256 - p->shift;
    __asm__ volatile(
        "1:\n\t"
        "ldrsb %[sum], [%[v]], #1\n\t"
        "ldrsb %[left], [%[u]], #1\n\t"
        "mla %[sum], %[sum], %[up], %[less_b]\n\t"
        "smmulr %[sum], %[sum], %[multiplier_b]\n\t"
        "add %[sum], %[sum], %[sum], asr #31\n\t"
        "asrs %[sum], %[sum], %[by_b]\n\t"
        "adc %[sum], %[sum], %[left], lsl %[half]\n\t"
        "rsb %[sum], %[zero_a], %[sum], lsl #1\n\t"
        "smmulr %[sum], %[sum], %[multiplier]\n\t"
        "add %[sum], %[sum], %[sum], asr #31\n\t"
        "asrs %[sum], %[sum], %[n]\n\t"
        "adc %[sum], %[sum], %[zero]\n\t"
        "ssat %[sum], #8, %[sum]\n\t"
        "strb %[sum], [%[y]], #1\n\t"
        "subs %[n], %[n], #256\n\t"
        "bhs 1b"
        : [u] "+r"(u), [v] "+r"(v), [y] "+r"(y), [n] "+r"(n), [left] "=&r"(left), [sum] "=&r"(sum)
        : [up] "r"(up), [less_b] "r"(-zero_b * up), [multiplier_b] "r"(swaps ? p->multiplier_a : p->multiplier_b),
          [by_b] "r"(shift ? -shift : 1), [zero_a] "r"(zero_a * (1 << EXAI_HEADROOM)), [multiplier] "r"(p->multiplier),
          [zero] "r"((int32_t)p->zero), [half] "i"(EXAI_HEADROOM - 1)
        : "cc", "memory");
}

static int is_side_by_side(const exai_pair *p) {
    return p->stride_a[3] == 1 && p->stride_b[3] == 1 && p->sign_b > 0 && p->low == -128 && p->high == 127 &&
           p->shift < 0 && (!p->shift_a || !p->shift_b);
}
#endif

static void sums(const exai_pair *p, const int8_t *u, const int8_t *v, int8_t *y) {
#if EXAI_MVE
    if (p->stride_a[3] == 1 && p->stride_b[3] == 1) {
        exai_mve_add(p, u, v, p->count[3], y);
        return;
    }
#elif EXAI_DSP
    if (is_side_by_side(p)) {
        side_by_side(p, u, v, y);
        return;
    }
#endif
    for (int32_t l = 0; l < p->count[3]; l++, u += p->stride_a[3], v += p->stride_b[3]) {
        const int32_t left = exai_summed(*u - p->zero_a, p->multiplier_a, p->shift_a);
        const int32_t sum = left + p->sign_b * exai_summed(*v - p->zero_b, p->multiplier_b, p->shift_b);
        *y++ = exai_clamp(exai_scale(sum, p->multiplier, p->shift) + p->zero, p->low, p->high);
    }
}

void exai_add(const exai_pair *p, const int8_t *a, const int8_t *b, int8_t *y) {
    exai_by_rows(sums, p, a, b, y);
}

static void products(const exai_pair *p, const int8_t *u, const int8_t *v, int8_t *y) {
    for (int32_t l = 0; l < p->count[3]; l++, u += p->stride_a[3], v += p->stride_b[3]) {
        const int32_t product = (*u - p->zero_a) * (*v - p->zero_b);
        *y++ = exai_clamp(exai_scale(product, p->multiplier, p->shift) + p->zero, p->low, p->high);
    }
}

void exai_multiply(const exai_pair *p, const int8_t *a, const int8_t *b, int8_t *y) {
    exai_by_rows(products, p, a, b, y);
}

static void extremes(const exai_pair *p, const int8_t *u, const int8_t *v, int8_t *y) {
    for (int32_t l = 0; l < p->count[3]; l++, u += p->stride_a[3], v += p->stride_b[3])
        *y++ = (*u > *v) == (p->sign_b > 0) ? *u : *v;
}

void exai_extreme(const exai_pair *p, const int8_t *a, const int8_t *b, int8_t *y) {
    exai_by_rows(extremes, p, a, b, y);
}

static void bent(const exai_pair *p, const int8_t *x, const int8_t *slope, int8_t *y) {
    for (int32_t l = 0; l < p->count[3]; l++, x += p->stride_a[3], slope += p->stride_b[3]) {
        const int32_t value = *x - p->zero_a;
        const int32_t out = value >= 0 ? exai_scale(value, p->multiplier, p->shift)
                                       : exai_scale(value * (*slope - p->zero_b), p->multiplier_a, p->shift_a);
        *y++ = exai_clamp(out + p->zero, -128, 127);
    }
}

void exai_prelu(const exai_pair *p, const int8_t *x, const int8_t *slope, int8_t *y) {
    exai_by_rows(bent, p, x, slope, y);
}

/* The first position of each row's greatest value times `sign`. */
static inline void greatest(const int8_t *x, int32_t rows, int32_t columns, int32_t sign, int32_t *y) {
    for (int32_t row = 0; row < rows; row++, x += columns) {
        int32_t best = 0;
        for (int32_t i = 1; i < columns; i++) best = sign * x[i] > sign * x[best] ? i : best;
        y[row] = best;
    }
}

void exai_largest(const int8_t *x, int32_t rows, int32_t columns, int32_t *y) {
    greatest(x, rows, columns, 1, y);
}

void exai_smallest(const int8_t *x, int32_t rows, int32_t columns, int32_t *y) {
    greatest(x, rows, columns, -1, y);
}

void exai_table_rows(const int8_t *table, int32_t rows, int32_t width, const int32_t *numbers, int32_t count, int8_t *y) {
    for (int32_t i = 0; i < count; i++) {
        const int32_t from = numbers[i] < 0 && numbers[i] >= -rows ? numbers[i] + rows : numbers[i];
        const int32_t n = from < 0 ? 0 : from >= rows ? rows - 1 : from;
        memcpy(y + i * width, table + n * width, (size_t)width);
    }
}

void exai_whole(const float *x, int32_t count, int32_t *y) {
    for (int32_t i = 0; i < count; i++) y[i] = x[i] > -2147483648.0f && x[i] < 2147483648.0f ? (int32_t)x[i] : 0;
}

void exai_requantize16(const int16_t *x, int32_t count, int32_t in_zero, int32_t multiplier, int32_t shift, int32_t zero,
                       int8_t *y) {
    for (int32_t i = 0; i < count; i++) y[i] = exai_clamp(exai_scale(x[i] - in_zero, multiplier, shift) + zero, -128, 127);
}

void exai_lookup(const int8_t *table, const int8_t *x, int32_t count, int8_t *y) {
    for (int32_t i = 0; i < count; i++) y[i] = table[x[i] + 128];
}

void exai_lookup16(const int16_t *table, const int8_t *x, int32_t count, int16_t *y) {
    for (int32_t i = 0; i < count; i++) y[i] = table[x[i] + 128];
}

void exai_rescale16(const void *x, int32_t count, int32_t in_zero, int32_t multiplier, int32_t shift, int32_t zero, int32_t *y) {
    const int16_t *const values = x;
    for (int32_t i = 0; i < count; i++) y[i] = exai_scale(values[i] - in_zero, multiplier, shift) + zero;
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
