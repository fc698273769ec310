/* Dot products of int8 weights, the inner kernel of everything. */

#include "exai_arithmetic.h"
#include "exai_mve.h"

#if EXAI_DSP

void exai_widen(const int8_t *x, int32_t count, int32_t zero, int16_t *out, int32_t step) {
    const uint32_t both = ((uint32_t)zero & 0xFFFFu) * 0x10001u;
    int32_t fours = count / 4;
    if (fours) {
        uint32_t a, b;
        __asm__ volatile(
            "1:\n\t"
            "ldr %[b], [%[x]], #4\n\t"
            "subs %[n], %[n], #1\n\t"
            "sxtb16 %[a], %[b]\n\t"
            "sxtb16 %[b], %[b], ror #8\n\t"
            "ssub16 %[a], %[a], %[both]\n\t"
            "ssub16 %[b], %[b], %[both]\n\t"
            "strd %[a], %[b], [%[out]]\n\t"
            "add %[out], %[out], %[step], lsl #1\n\t"
            "bne 1b\n\t"
            : [x] "+r"(x), [out] "+r"(out), [n] "+r"(fours), [a] "=&r"(a), [b] "=&r"(b)
            : [both] "r"(both), [step] "r"(step)
            : "cc", "memory");
    }
    for (int32_t i = 0; i < count % 4; i++) out[i] = (int16_t)(x[i] - zero);
}

#if !EXAI_MVE /* whose convolutions do without */
/* Four columns of two rows and two vectors. */
#define FOUR_COLUMNS               \
    "ldr r5, [r0], #4\n\t"         \
    "ldrd r8, r9, [r3], #8\n\t"    \
    "ldr r7, [r1], #4\n\t"         \
    "sxtb16 r4, r5\n\t"            \
    "sxtb16 r5, r5, ror #8\n\t"    \
    "sxtb16 r6, r7\n\t"            \
    "sxtb16 r7, r7, ror #8\n\t"    \
    "smlad r10, r4, r8, r10\n\t"   \
    "smlad r11, r6, r8, r11\n\t"   \
    "smlad r10, r5, r9, r10\n\t"   \
    "smlad r11, r7, r9, r11\n\t"   \
    "ldrd r8, r9, [r3], #8\n\t"    \
    "smlad r12, r4, r8, r12\n\t"   \
    "smlad lr, r6, r8, lr\n\t"     \
    "smlad r12, r5, r9, r12\n\t"   \
    "smlad lr, r7, r9, lr\n\t"

void exai_dot_pairs(const int8_t *rows, int32_t n, const int16_t *v, int32_t depth, const int32_t *bias, int32_t *sums) {
    const int32_t whole = depth / 4 * 4, left = depth - whole, even = whole ? n / 2 * 2 : 0;
    if (even) {
        register const int8_t *row __asm__("r0") = rows;
        register const int16_t *from __asm__("r3") = v;
        register int32_t *to __asm__("r4") = sums;
        register int32_t fours __asm__("r5") = whole / 4 + 1, pairs __asm__("r6") = n / 2;
        register const int32_t *added __asm__("r7") = bias;
        register int32_t by __asm__("r8") = depth, more __asm__("r9") = left;
        /* what the loop over rows needs waits on the stack while columns pass; an odd four begins in the middle */
        __asm__ volatile(
            "3:\n\t"
            "ldrd r10, r11, [r7], #8\n\t"
            "push {r3-r9}\n\t"
            "add r1, r0, r8\n\t"
            "mov r12, r10\n\t"
            "mov lr, r11\n\t"
            "lsrs r2, r5, #1\n\t"
            "bcc 2f\n"
            "1:\n\t" FOUR_COLUMNS
            "2:\n\t" FOUR_COLUMNS
            "subs r2, r2, #1\n\t"
            "bne 1b\n\t"
            "pop {r3-r9}\n\t"
            "add r0, r1, r9\n\t"
            "strd r12, lr, [r4, #%c[apart]]\n\t"
            "strd r10, r11, [r4], #8\n\t"
            "subs r6, r6, #1\n\t"
            "bne 3b\n\t"
            : "+r"(row), "+r"(to), "+r"(from), "+r"(fours), "+r"(pairs), "+r"(added), "+r"(by), "+r"(more)
            : [apart] "i"(4 * EXAI_ROWS)
            : "r1", "r2", "r10", "r11", "r12", "lr", "cc", "memory");
    }
    for (int32_t k = left ? 0 : even; k < n; k++) {
        const int8_t *const w = rows + k * depth;
        for (int32_t side = 0; side < 2; side++) {
            int32_t *const sum = sums + side * EXAI_ROWS + k;
            if (k >= even) *sum = bias[k] + exai_dot(w, v + 4 * side, whole, 8);
            for (int32_t i = 0; i < left; i++) *sum += w[whole + i] * v[2 * whole + 4 * side + i];
        }
    }
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

void exai_dot_pairs(const int8_t *rows, int32_t n, const int16_t *v, int32_t depth, const int32_t *bias, int32_t *sums) {
    for (int32_t k = 0; k < n; k++, rows += depth) {
        sums[k] = sums[EXAI_ROWS + k] = bias[k];
        for (int32_t i = 0; i < depth; i++) {
            sums[k] += rows[i] * v[i / 4 * 8 + i % 4];
            sums[EXAI_ROWS + k] += rows[i] * v[i / 4 * 8 + 4 + i % 4];
        }
    }
}

int32_t exai_dot(const int8_t *row, const int16_t *v, int32_t count, int32_t step) {
    int32_t sum = 0;
    for (; count > 0; count -= 4, row += 4, v += step) {
        for (int32_t i = 0; i < 4 && i < count; i++) sum += row[i] * v[i];
    }
    return sum;
}

#endif

#if EXAI_DSP
/* Behind a RELU, whose zero is the least value, most of what it cuts off costs nothing: values of sums below 2^30, from the
 * first one on, with multipliers of a channel each that are below one. How many are left. */
static int32_t finish_by_relu(const int32_t *multiplier, const int8_t *shift, const int32_t *sums, int32_t count,
                              int32_t zero, int32_t high, int8_t *y) {
    int32_t x, by, times;
    __asm__ volatile(
        "1:\n\t"
        "ldr %[x], [%[sums]], #4\n\t"
        "ldrsb %[by], [%[shift]], #1\n\t"
        "ldr %[times], [%[multiplier]], #4\n\t"
        "cmp %[x], %[limit]\n\t"
        "bhs 2f\n\t"
        "rsbs %[by], %[by], #0\n\t"
        "bmi 4f\n\t"
        "lsl %[x], %[x], #1\n\t"
        "smmulr %[x], %[x], %[times]\n\t"
        "lsl %[x], %[x], #1\n\t"
        "lsr %[x], %[x], %[by]\n\t"
        "add %[x], %[x], #1\n\t" /* halves up: away from zero */
        "add %[x], %[zero], %[x], lsr #1\n\t"
        "cmp %[x], %[high]\n\t"
        "it gt\n\t"
        "movgt %[x], %[high]\n\t"
        "strb %[x], [%[y]], #1\n\t"
        "subs %[n], %[n], #1\n\t"
        "bne 1b\n\t"
        "b 4f\n"
        "2:\n\t"
        "cmp %[x], #0\n\t"
        "bgt 4f\n\t"
        "strb %[zero], [%[y]], #1\n\t"
        "subs %[n], %[n], #1\n\t"
        "bne 1b\n"
        "4:"
        : [sums] "+r"(sums), [shift] "+r"(shift), [multiplier] "+r"(multiplier), [y] "+r"(y), [n] "+r"(count),
          [x] "=&r"(x), [by] "=&r"(by), [times] "=&r"(times)
        : [limit] "r"(1 << 30), [zero] "r"(zero), [high] "r"(high)
        : "cc", "memory");
    return count;
}
#endif

void exai_finish_sums(const exai_ending *end, int32_t first, const int32_t *sums, int32_t count, int8_t *y) {
    const int32_t *const multiplier = end->multiplier + first * end->step;
    const int8_t *const shift = end->shift + first * end->step;
    int32_t k = 0;
#if EXAI_DSP
    if (end->low == end->zero && end->step) k = count - finish_by_relu(multiplier, shift, sums, count, end->zero, end->high, y);
#endif
    for (; k < count; k++) {
        const int32_t which = k * end->step;
        y[k] = exai_clamp(exai_scale(sums[k], multiplier[which], shift[which]) + end->zero, end->low, end->high);
    }
}

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

/* At most sixteen bytes, of which those of a mask are read, the others are `zeros`. */
static inline void copy_some(const int8_t *from, uint32_t inside, int32_t bytes, int8x16_t zeros, int8_t *to) {
    __asm__ volatile(
        "vmsr p0, %[inside]\n\t"
        "vpst\n\t"
        "vldrbt.8 q0, [%[from]]\n\t"
        "vpsel q0, q0, %q[zeros]\n\t"
        "vctp.8 %[n]\n\t"
        "vpst\n\t"
        "vstrbt.8 q0, [%[to]]"
        :
        : [from] "r"(from), [inside] "r"(inside), [zeros] "w"(zeros), [n] "r"(bytes), [to] "r"(to)
        : "q0", "cc", "memory");
}

/* A window whose columns lie side by side. */
static void side_by_side(const exai_layer *layer, const int8_t *x, int32_t top, int32_t left, int8_t *out) {
    const int32_t channels = layer->in_channels, all = layer->in_columns * channels, zero = layer->in_zero;
    const int32_t bytes = layer->kernel_columns * channels, right = left * channels + bytes - all;
    const int32_t before = left < 0 ? (-left * channels < bytes ? -left * channels : bytes) : 0;
    const int32_t behind = right > 0 ? (right < bytes - before ? right : bytes - before) : 0;
    const int32_t dilation = layer->dilation_rows, rows = layer->in_rows;
    const int8_t *from = x + top * all + left * channels + before;
    if (bytes <= 16) {
        const uint32_t inside = ((1u << (bytes - behind)) - 1) & (0xFFFFu << before);
        const int8x16_t zeros = vdupq_n_s8((int8_t)zero);
        from -= before;
        for (int32_t i = layer->kernel_rows, y = top; i > 0; i--, y += dilation, from += dilation * all, out += bytes) {
            copy_some(from, (uint32_t)y < (uint32_t)rows ? inside : 0, bytes, zeros, out);
        }
        return;
    }
    for (int32_t i = layer->kernel_rows, y = top; i > 0; i--, y += dilation, from += dilation * all, out += bytes) {
        if (y < 0 || y >= rows) {
            exai_mve_fill(out, bytes, zero);
            continue;
        }
        if (before) exai_mve_fill(out, before, zero);
        copy(from, bytes - before - behind, out + before);
        if (behind) exai_mve_fill(out + bytes - behind, behind, zero);
    }
}

#else

static inline void copy(const int8_t *from, int32_t bytes, int8_t *to) {
    memcpy(to, from, (size_t)bytes);
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
            copy(x + (y * columns + left) * channels, span * channels, out);
        } else if (step == 1) {
            const int32_t from = left < 0 ? 0 : left, end = left + span < columns ? left + span : columns;
            memset(out, layer->in_zero, (size_t)(span * channels));
            if (from < end) copy(x + (y * columns + from) * channels, (end - from) * channels, out + (from - left) * channels);
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
