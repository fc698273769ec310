/* Weights widened to int16, dot products of listed rows of them, and how listed channels are kept. */

#include "exai_wide.h"

#if !EXAI_MVE

void exai_wide_rows(const int8_t *weights, int32_t rows, int32_t depth, int sharing, int16_t *wide) {
    const int32_t width = exai_eights(depth);
    for (; rows > 0; rows--, weights += depth, wide += width) {
        for (int32_t i = depth; i < width; i++) wide[i] = 0;
        exai_widen(weights, depth, 0, wide, 4);
        if (sharing == EXAI_SIGNED) {
            for (int32_t i = 0; i < width; i++) wide[width + i] = (int16_t)(wide[i] & (wide[i] >> 15));
        }
        for (int32_t i = 0; i < width && sharing != EXAI_ALL; i += 2) {
            const uint32_t two = exai_word(wide + i), taken = two & ~((two >> 15 & 0x10001u) * 0xFFFFu);
            memcpy(wide + i, &taken, sizeof taken);
        }
        if (sharing == EXAI_SIGNED) wide += width;
    }
}

void exai_wide_vector(const int8_t *x, int32_t depth, int32_t zero, int sharing, int16_t *v) {
    const int32_t width = exai_eights(depth);
    exai_widen(x, depth, zero, v, 4);
    for (int32_t i = depth; i < width; i++) v[i] = 0;
    if (sharing != EXAI_SIGNED) return;
    for (int32_t i = 0; i < width; i++) {
        v[width + i] = (int16_t)(v[i] & (v[i] >> 15));
        v[i] = (int16_t)(v[i] & ~(v[i] >> 15));
    }
}

void exai_wide_columns(const exai_way *way, int folded, int32_t tap, int32_t first, int32_t last, int32_t width,
                       int32_t below, int16_t *wide) {
    const exai_layer *const layer = way->layer;
    const int32_t in = layer->in_channels, depth = layer->kernel_rows * layer->kernel_columns * in;
    const int8_t *row = layer->weights + tap * in + first;
    int32_t j = 0;
    for (; j < layer->out_channels; j++, row += depth) {
        int16_t *to = wide + j;
        if (folded) {
            for (int32_t i = 0; i < last - first; i++, to += width) *to = (int16_t)exai_folded(way, j, row[i]);
        } else {
            if (way->weights == EXAI_ALL) {
                for (int32_t i = 0; i < last - first; i++, to += width) *to = row[i];
                continue;
            }
            for (int32_t i = 0; i < last - first; i++, to += width) *to = (int16_t)(row[i] & ~(row[i] >> 7));
            if (way->weights != EXAI_SIGNED) continue;
            to = wide + below + j;
            for (int32_t i = 0; i < last - first; i++, to += width) *to = (int16_t)(row[i] & (row[i] >> 7));
        }
    }
    for (; j < exai_eights(layer->out_channels); j++) {
        for (int32_t i = 0; i < last - first; i++) wide[i * width + j] = 0;
        for (int32_t i = 0; i < last - first && way->weights == EXAI_SIGNED; i++) wide[below + i * width + j] = 0;
    }
}

void exai_shares_begin(const exai_way *way, int32_t depth, int16_t *wide) {
    if (way->wide) exai_wide_rows(way->layer->weights, way->layer->out_channels, depth, way->weights, wide);
}

void exai_shares(const exai_way *way, const int8_t *x, int32_t depth, const uint16_t *list, int32_t n, const int16_t *wide,
                 int16_t *v, int32_t *d) {
    const int32_t eights = exai_eights(depth), width = way->weights == EXAI_SIGNED ? 2 * eights : eights;
    exai_wide_vector(x, depth, way->layer->in_zero, way->weights, v);
    if (way->wide)
        exai_dots(wide, width, list, n, v, width, d);
    else
        exai_rows_dot(way->layer->weights, depth, list, n, v, eights, way->weights, d);
}

#if EXAI_DSP

/* Two rows with one vector, eight columns at a time: thirteen instructions for sixteen products. */
static void two_rows(const int16_t *r0, const int16_t *r1, const int16_t *v, uint32_t eights, int32_t *sum0, int32_t *sum1) {
    int32_t s0 = 0, s1 = 0;
    __asm__ volatile(
        "1:\n\t"
        "ldmia %[v]!, {r4-r6, r8}\n\t"
        "ldmia %[r0]!, {r9-r11, r12}\n\t"
        "subs %[n], %[n], #1\n\t"
        "smlad %[s0], r4, r9, %[s0]\n\t"
        "smlad %[s0], r5, r10, %[s0]\n\t"
        "smlad %[s0], r6, r11, %[s0]\n\t"
        "smlad %[s0], r8, r12, %[s0]\n\t"
        "ldmia %[r1]!, {r9-r11, r12}\n\t"
        "smlad %[s1], r4, r9, %[s1]\n\t"
        "smlad %[s1], r5, r10, %[s1]\n\t"
        "smlad %[s1], r6, r11, %[s1]\n\t"
        "smlad %[s1], r8, r12, %[s1]\n\t"
        "bne 1b\n\t"
        : [s0] "+r"(s0), [s1] "+r"(s1), [r0] "+r"(r0), [r1] "+r"(r1), [v] "+r"(v), [n] "+r"(eights)
        :
        : "r4", "r5", "r6", "r8", "r9", "r10", "r11", "r12", "cc", "memory");
    *sum0 = s0, *sum1 = s1;
}

void exai_dots(const int16_t *rows, int32_t stride, const uint16_t *list, int32_t n, const int16_t *v, int32_t width,
               int32_t *sums) {
    int32_t k = 0, other;
    for (; k + 2 <= n; k += 2) {
        two_rows(rows + list[k] * stride, rows + list[k + 1] * stride, v, (uint32_t)width / 8, sums + k, sums + k + 1);
    }
    if (k < n) two_rows(rows + list[k] * stride, rows + list[k] * stride, v, (uint32_t)width / 8, sums + k, &other);
}

#else

void exai_dots(const int16_t *rows, int32_t stride, const uint16_t *list, int32_t n, const int16_t *v, int32_t width,
               int32_t *sums) {
    for (int32_t k = 0; k < n; k++) {
        const int16_t *const row = rows + list[k] * stride;
        int32_t sum = 0;
        for (int32_t i = 0; i < width; i++) sum += row[i] * v[i];
        sums[k] = sum;
    }
}

#endif

#endif

#if !EXAI_MVE
uint32_t exai_quotients(const int16_t *m, const uint16_t *list, int32_t n, const int32_t *offset, int32_t *d, int32_t *shift) {
    uint32_t size = 0;
    for (int32_t k = 0; k < n; k++) {
        if (offset) d[k] += offset[list[k]];
        size |= exai_size(d[k]);
    }
    int32_t by = exai_length(size) > 15 ? exai_length(size) - 15 : 0, half = by ? 1 << (by - 1) : 0;
    size = 0;
    for (int32_t k = 0; k < n; k++) {
        const int32_t r = m[list[k]] * 65536, fifteen = (d[k] + half) >> by;
        int32_t q = 0;
        if ((uint32_t)(fifteen + 128) > 256u) {
            q = r / fifteen;
        } else if (d[k]) { /* a small one keeps its bits */
            q = r / d[k];
            if (exai_size(q) >> (30 - by)) { /* it is so small that there is no room for others' last bits */
                for (int32_t j = 0; j < k; j++) d[j] >>= by;
                size >>= by, by = 0, half = 0;
            }
            q *= 1 << by;
        }
        d[k] = q;
        size |= exai_size(q);
    }
    *shift = by;
    return size;
}
#endif

int32_t exai_as_factors(int32_t *d, const uint16_t *list, int32_t n, uint32_t size, int32_t exponent, int32_t bits,
                        int16_t *m) {
    const int32_t up = exai_coarse(size, exponent, bits);
    if (!size) return EXAI_NOTHING;
    if (up > 0) {
        int32_t k = 0;
        const int32_t round = 1 << (up - 1);
#if EXAI_MVE
        for (; k + 4 <= n; k += 4) {
            const int32x4_t four = vldrwq_s32(d + k), upper = vrshlq_n_s32(four, -up);
            vstrhq_scatter_shifted_offset_s32(m, vldrhq_u32(list + k), upper);
            vstrwq_s32(d + k, vsubq_s32(four, vshlq_r_s32(upper, up)));
        }
#endif
        for (; k < n; k++) {
            m[list[k]] = (int16_t)((d[k] + round) >> up);
            d[k] -= m[list[k]] * (1 << up);
        }
    } else {
        for (int32_t k = 0; k < n; k++) m[list[k]] = (int16_t)(d[k] * (1 << -up)), d[k] = 0;
    }
    return exponent + up;
}

#if !EXAI_MVE

/* Four more of a list, where bits are set. */
#define FOUR(bits, i)                                           \
    if ((bits) & 1u) *end++ = (uint16_t)(i);                          \
    if ((bits) & 2u) *end++ = (uint16_t)((i) + 1);          \
    if ((bits) & 4u) *end++ = (uint16_t)((i) + 2);      \
    if ((bits) & 8u) *end++ = (uint16_t)((i) + 3)

int32_t exai_list_kept(const exai_keep *keep, int32_t first, int32_t from, int32_t to, const void *gate, uint16_t *list) {
    uint16_t *end = list;
    int32_t i = from;
    if (keep->gate == EXAI_OPEN) {
        for (; i < to; i++) *end++ = (uint16_t)i;
    } else if (keep->gate == EXAI_BITS) {
        const uint8_t *const bits = gate;
        for (; i + 8 <= to && !((first | i) & 7); i += 8) {
            const uint32_t byte = bits[(first + i) >> 3];
            FOUR(byte, i);
            FOUR(byte >> 4, i + 4);
        }
        for (; i < to; i++) {
            if (bits[(first + i) >> 3] >> ((first + i) & 7) & 1) *end++ = (uint16_t)i;
        }
    } else {
        const int8_t *const v = (const int8_t *)gate + first;
        const int32_t zero = keep->zero, least = keep->form == EXAI_FACTOR ? zero + 1 : -128;
#if EXAI_DSP
        const uint32_t zeros = ((uint32_t)zero & 0xFFu) * 0x01010101u;
        for (; i + 4 <= to && (zero == -128 || least == -128); i += 4) {
            const uint32_t four = exai_word(v + i) ^ zeros;
            if (!four) continue;
            if (four & 0xFFu) *end++ = (uint16_t)i;
            if (four & 0xFF00u) *end++ = (uint16_t)(i + 1);
            if (four & 0xFF0000u) *end++ = (uint16_t)(i + 2);
            if (four >> 24) *end++ = (uint16_t)(i + 3);
        }
#endif
        for (; i < to; i++) {
            if (v[i] != zero && v[i] >= least) *end++ = (uint16_t)i;
        }
    }
    return (int32_t)(end - list);
}

void exai_keep_listed(const exai_keep *keep, int32_t pixel, int32_t channels, const uint16_t *list, int32_t n, int32_t *sums,
                      int32_t exponent, const void *gate, void *below, int32_t *dense) {
    const int32_t first = pixel * channels;
    uint32_t size = 0;
    if (keep->form == EXAI_MAP || keep->adds || keep->channels != channels) {
        memset(dense, 0, (size_t)channels * sizeof *dense);
        for (int32_t k = 0; k < n; k++) dense[list[k]] = sums[k];
        exai_store(keep, pixel, channels, dense, exai_sizes(sums, n), exponent, gate, below);
        return;
    }
    int16_t *const m = (int16_t *)below + first, *const e = (int16_t *)below + keep->pixels * channels + pixel;
    memset(m, 0, (size_t)channels * sizeof *m);
    *e = EXAI_NOTHING;
    if (exponent == EXAI_NOTHING) return;
    if (keep->form == EXAI_RELEVANCE) {
        const int8_t *const v = (const int8_t *)gate + first;
        const int32_t small = exai_length(exai_sizes(sums, n)) <= 22; /* a value's steps have eight bits and a sign */
        for (int32_t k = 0; k < n; k++) {
            const int32_t steps = v[list[k]] - keep->zero;
            sums[k] = small ? sums[k] * steps : exai_shortened(sums[k], steps * 128);
            size |= exai_size(sums[k]);
        }
        exponent += small ? 0 : 9;
    } else {
        size = exai_sizes(sums, n);
    }
    if (!size) return;
    const int32_t by = exai_coarse(size, exponent, EXAI_PRECISION);
    if (by > 0) {
        const int32_t half = 1 << (by - 1);
        for (int32_t k = 0; k < n; k++) m[list[k]] = (int16_t)((sums[k] + half) >> by);
    } else {
        for (int32_t k = 0; k < n; k++) m[list[k]] = (int16_t)(sums[k] * (1 << -by));
    }
    *e = (int16_t)(exponent + by);
}

#endif

int32_t exai_list_rows(const exai_way *way, const int8_t *x, uint16_t *list, int32_t n, int32_t first, int32_t below,
                       uint16_t *rows) {
    const int32_t zero = way->layer->in_zero;
    int32_t left = 0;
    for (int32_t k = 0; k < n; k++) {
        const int32_t i = list[k], v = way->weights == EXAI_SIGNED ? x[i] - zero : 1;
        if (!v) continue;
        list[left] = (uint16_t)i;
        rows[left++] = (uint16_t)(i - first + (v < 0 ? below : 0));
    }
    return left;
}

int32_t exai_meeting(int32_t at, int32_t kernel, int32_t stride, int32_t dilation, int16_t *outputs, int32_t *before) {
    int32_t n = 0;
    *before = 0;
    for (int32_t a = kernel - 1; a >= 0; a--) {
        const int32_t left = at - a * dilation;
        if (left % stride == 0) outputs[n++] = (int16_t)(left / stride);
        *before += a * dilation % stride < at % stride;
    }
    return n;
}
