/* Dot products of int8 weights, the inner kernel of everything. */

#include "exai_arithmetic.h"

#if EXAI_DSP

void exai_widen(const int8_t *x, int32_t count, int32_t zero, int16_t *out, int32_t step) {
    const int16x2_t both = (int16x2_t)(((uint32_t)zero & 0xFFFFu) * 0x10001u);
    for (; count >= 4; count -= 4, x += 4, out += step) {
        const uint32_t four = exai_word(x);
        uint32_t pairs[2] = {(uint32_t)__sxtb16((int8x4_t)four), (uint32_t)__sxtb16((int8x4_t)((four >> 8) | (four << 24)))};
        if (both) pairs[0] = (uint32_t)__ssub16((int16x2_t)pairs[0], both), pairs[1] = (uint32_t)__ssub16((int16x2_t)pairs[1], both);
        memcpy(out, pairs, sizeof pairs);
    }
    for (int32_t i = 0; i < count; i++) out[i] = (int16_t)(x[i] - zero);
}

#if !EXAI_MVE /* whose convolutions do without */
void exai_dot2x2(const int8_t *row0, const int8_t *row1, const int16_t *v, int32_t count, int32_t sums[4]) {
    int32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
    int32_t fours = count >> 2;
    if (fours) {
        uint32_t a, b, c, d, x, y;
        __asm__ volatile(
            "1:\n\t"
            "ldr %[b], [%[r0]], #4\n\t"
            "ldrd %[x], %[y], [%[v]], #8\n\t"
            "ldr %[d], [%[r1]], #4\n\t"
            "sxtb16 %[a], %[b]\n\t"
            "sxtb16 %[b], %[b], ror #8\n\t"
            "sxtb16 %[c], %[d]\n\t"
            "sxtb16 %[d], %[d], ror #8\n\t"
            "smlad %[s0], %[a], %[x], %[s0]\n\t"
            "smlad %[s1], %[c], %[x], %[s1]\n\t"
            "smlad %[s0], %[b], %[y], %[s0]\n\t"
            "smlad %[s1], %[d], %[y], %[s1]\n\t"
            "ldrd %[x], %[y], [%[v]], #8\n\t"
            "subs %[n], %[n], #1\n\t"
            "smlad %[s2], %[a], %[x], %[s2]\n\t"
            "smlad %[s3], %[c], %[x], %[s3]\n\t"
            "smlad %[s2], %[b], %[y], %[s2]\n\t"
            "smlad %[s3], %[d], %[y], %[s3]\n\t"
            "bne 1b\n\t"
            : [s0] "+r"(s0), [s1] "+r"(s1), [s2] "+r"(s2), [s3] "+r"(s3), [r0] "+r"(row0), [r1] "+r"(row1), [v] "+r"(v),
              [n] "+r"(fours), [a] "=&r"(a), [b] "=&r"(b), [c] "=&r"(c), [d] "=&r"(d), [x] "=&r"(x), [y] "=&r"(y)
            :
            : "cc", "memory");
    }
    for (int32_t i = 0; i < (count & 3); i++) {
        s0 += row0[i] * v[i];
        s1 += row1[i] * v[i];
        s2 += row0[i] * v[i + 4];
        s3 += row1[i] * v[i + 4];
    }
    sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
}
#endif

int32_t exai_dot(const int8_t *row, const int16_t *v, int32_t count, int32_t step) {
    int32_t sum = 0;
    for (; count >= 4; count -= 4, row += 4, v += step) {
        const uint32_t w = exai_word(row);
        sum = __smlad(__sxtb16((int8x4_t)w), (int16x2_t)exai_word(v), sum);
        sum = __smlad(__sxtb16((int8x4_t)((w >> 8) | (w << 24))), (int16x2_t)exai_word(v + 2), sum);
    }
    for (int32_t i = 0; i < count; i++) sum += row[i] * v[i];
    return sum;
}

#else

void exai_widen(const int8_t *x, int32_t count, int32_t zero, int16_t *out, int32_t step) {
    for (; count > 0; count -= 4, x += 4, out += step) {
        for (int32_t i = 0; i < 4 && i < count; i++) out[i] = (int16_t)(x[i] - zero);
    }
}

void exai_dot2x2(const int8_t *row0, const int8_t *row1, const int16_t *v, int32_t count, int32_t sums[4]) {
    int32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
    for (; count > 0; count -= 4, row0 += 4, row1 += 4, v += 8) {
        for (int32_t i = 0; i < 4 && i < count; i++) {
            s0 += row0[i] * v[i];
            s1 += row1[i] * v[i];
            s2 += row0[i] * v[i + 4];
            s3 += row1[i] * v[i + 4];
        }
    }
    sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
}

int32_t exai_dot(const int8_t *row, const int16_t *v, int32_t count, int32_t step) {
    int32_t sum = 0;
    for (; count > 0; count -= 4, row += 4, v += step) {
        for (int32_t i = 0; i < 4 && i < count; i++) sum += row[i] * v[i];
    }
    return sum;
}

#endif

#if EXAI_MVE

static inline void copy(const int8_t *from, int32_t bytes, int8_t *to) {
    __asm__ volatile(
        "wlstp.8 lr, %[n], 2f\n"
        "1:\n\t"
        "vldrb.8 q0, [%[from]], #16\n\t"
        "vstrb.8 q0, [%[to]], #16\n\t"
        "letp lr, 1b\n"
        "2:"
        : [from] "+r"(from), [to] "+r"(to)
        : [n] "r"(bytes)
        : "q0", "lr", "cc", "memory");
}

static inline void fill(int8_t *to, int32_t bytes, int32_t value) {
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

/* A window whose columns lie side by side. */
static void side_by_side(const exai_layer *layer, const int8_t *x, int32_t top, int32_t left, int8_t *out) {
    const int32_t channels = layer->in_channels, all = layer->in_columns * channels, zero = layer->in_zero;
    const int32_t bytes = layer->kernel_columns * channels, right = left * channels + bytes - all;
    const int32_t before = left < 0 ? (-left * channels < bytes ? -left * channels : bytes) : 0;
    const int32_t behind = right > 0 ? (right < bytes - before ? right : bytes - before) : 0;
    const int32_t dilation = layer->dilation_rows, rows = layer->in_rows;
    const int8_t *from = x + top * all + left * channels + before;
    for (int32_t i = layer->kernel_rows, y = top; i > 0; i--, y += dilation, from += dilation * all, out += bytes) {
        if (y < 0 || y >= rows) {
            fill(out, bytes, zero);
            continue;
        }
        if (before) fill(out, before, zero);
        copy(from, bytes - before - behind, out + before);
        if (behind) fill(out + bytes - behind, behind, zero);
    }
}

#endif

void exai_window(const exai_layer *layer, const int8_t *x, int32_t row, int32_t column, int8_t *out) {
    const int32_t channels = layer->in_channels, columns = layer->in_columns, span = layer->kernel_columns;
    const int32_t left = column * layer->stride_columns - layer->left, step = layer->dilation_columns;
    int32_t y = row * layer->stride_rows - layer->top;
#if EXAI_MVE
    if (step == 1) {
        side_by_side(layer, x, y, left, out);
        return;
    }
#endif
    for (int32_t i = 0; i < layer->kernel_rows; i++, y += layer->dilation_rows, out += span * channels) {
        if (y < 0 || y >= layer->in_rows) {
            memset(out, layer->in_zero, (size_t)(span * channels));
        } else if (step == 1 && left >= 0 && left + span <= columns) {
            memcpy(out, x + (y * columns + left) * channels, (size_t)(span * channels));
        } else {
            for (int32_t j = 0, z = left; j < span; j++, z += step) {
                int8_t *const to = out + j * channels;
                if (z < 0 || z >= columns)
                    memset(to, layer->in_zero, (size_t)channels);
                else
                    memcpy(to, x + (y * columns + z) * channels, (size_t)channels);
            }
        }
    }
}
