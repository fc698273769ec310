/* Weights widened to int16, dot products of listed rows of them, and how listed channels are kept. */

#include "exai_mve.h"
#include "exai_wide.h"

#define COLUMNS (EXAI_USES_POINTWISE | EXAI_USES_WINDOWS | EXAI_USES_NARROW)
#define DIVIDES (EXAI_USES_SHARES | EXAI_USES_DEPTHWISE)

int32_t exai_offset(const exai_way *way, int32_t unit, const int8_t *weights, int32_t count, int32_t stride) {
    const exai_layer *const layer = way->layer;
    uint32_t bias = (uint32_t)layer->bias[unit]; /* less the products of its weights with the input's zero point */
    if (exai_is(DIVIDES, EXAI_STABILIZED, way->stabilizer != 0)) {
        const int32_t which = unit * layer->step, by = way->steps + layer->shift[which];
        return by < -12 ? 1 << 28 : exai_shifted(way->stabilizer / (layer->multiplier[which] >> 15 | 1), by);
    }
    for (int32_t i = 0; i < count; i++) bias += (uint32_t)(layer->in_zero * weights[i * stride]);
    return !exai_is_all(DIVIDES, way->weights) && (int32_t)bias < 0 ? 0 : (int32_t)bias;
}

#if !EXAI_MVE

void exai_wide_rows(const int8_t *weights, int32_t rows, int32_t depth, int sharing, int16_t *wide) {
    const int32_t width = exai_eights(depth);
    for (; rows > 0; rows--, weights += depth, wide += width) {
        for (int32_t i = depth; i < width; i++) wide[i] = 0;
        exai_widen(weights, depth, 0, wide, 4);
        if (exai_is_signed(EXAI_USES_SHARES, sharing)) memcpy(wide + width, wide, (size_t)width * sizeof *wide);
        for (int32_t i = 0; i < width && !exai_is_all(EXAI_USES_SHARES, sharing); i += 2) {
            const uint32_t two = exai_word(wide + i), taken = two & ~((two >> 15 & 0x10001u) * 0xFFFFu);
            memcpy(wide + i, &taken, sizeof taken);
        }
        if (exai_is_signed(EXAI_USES_SHARES, sharing)) wide += width;
    }
}

void exai_wide_vector(const int8_t *x, int32_t depth, int32_t zero, int sharing, int16_t *v) {
    const int32_t width = exai_eights(depth);
    exai_widen(x, depth, zero, v, 4);
    for (int32_t i = depth; i < width; i++) v[i] = 0;
    if (!exai_is_signed(EXAI_USES_SHARES, sharing)) return;
    for (int32_t i = 0; i < width; i += 2) {
        const uint32_t two = exai_word(v + i), ones = two >> 15 & 0x10001u, mask = ones * 0xFFFFu;
        const uint32_t below = two & mask, size = (two ^ mask) + ones;
        memcpy(v + width + i, &below, sizeof below), memcpy(v + i, &size, sizeof size);
    }
}

#if EXAI_DSP
/* Weights of two units as they share, four inputs at a time, two in a word; how many inputs are done. */
static int32_t two_columns(const int8_t *r0, const int8_t *r1, int32_t count, int sharing, int32_t width, int16_t *to) {
    int32_t i = 0;
    for (; i + 4 <= count; i += 4, to += 4 * width) {
        uint32_t a = exai_word(r0 + i), b = exai_word(r1 + i), c, d;
        __asm__("sxtb16 %0, %1, ror #8" : "=r"(c) : "r"(a));
        __asm__("sxtb16 %0, %1, ror #8" : "=r"(d) : "r"(b));
        __asm__("sxtb16 %0, %0" : "+r"(a));
        __asm__("sxtb16 %0, %0" : "+r"(b));
        if (!exai_is_all(COLUMNS, sharing)) {
            __asm__("usat16 %0, #8, %0\n\tusat16 %1, #8, %1\n\tusat16 %2, #8, %2\n\tusat16 %3, #8, %3"
                    : "+r"(a), "+r"(b), "+r"(c), "+r"(d));
        }
        const uint32_t first = (a & 0xFFFFu) | b << 16, second = (c & 0xFFFFu) | d << 16;
        const uint32_t third = a >> 16 | (b & 0xFFFF0000u), fourth = c >> 16 | (d & 0xFFFF0000u);
        memcpy(to, &first, 4), memcpy(to + width, &second, 4);
        memcpy(to + 2 * width, &third, 4), memcpy(to + 3 * width, &fourth, 4);
    }
    return i;
}
#endif

void exai_wide_columns(const exai_way *way, int folded, int32_t tap, int32_t first, int32_t last, int32_t width,
                       int32_t below, int16_t *wide) {
    const exai_layer *const layer = way->layer;
    const int32_t in = layer->in_channels, depth = layer->kernel_rows * layer->kernel_columns * in, out = layer->out_channels;
    const int8_t *row = layer->weights + tap * in + first;
    int32_t j = 0, done = 0;
    folded = folded && !exai_is(EXAI_USES_POINTWISE | EXAI_USES_WINDOWS, EXAI_DIVIDES, 0);
    for (; j < out; j++, row += depth) {
        int16_t *to = wide + j;
#if EXAI_DSP
        if (folded || exai_is_signed(COLUMNS, way->weights))
            done = 0;
        else if (!(j & 1))
            done = j + 1 < out ? two_columns(row, row + depth, last - first, way->weights, width, to) : 0;
        to += done * width;
#endif
        if (folded) {
            const int32_t gain = exai_gain(way, j), half = way->fold ? 1 << (way->fold - 1) : 0, fold = way->fold;
            for (int32_t i = 0; i < last - first; i++, to += width) *to = (int16_t)((row[i] * gain + half) >> fold);
        } else {
            if (exai_is_all(COLUMNS, way->weights)) {
                for (int32_t i = done; i < last - first; i++, to += width) *to = row[i];
                continue;
            }
            for (int32_t i = done; i < last - first; i++, to += width) *to = (int16_t)(row[i] & ~(row[i] >> 7));
            if (!exai_is_signed(COLUMNS, way->weights)) continue;
            to = wide + below + j;
            for (int32_t i = 0; i < last - first; i++, to += width) *to = (int16_t)(row[i] & (row[i] >> 7));
        }
    }
    for (; j < exai_eights(layer->out_channels); j++) {
        for (int32_t i = 0; i < last - first; i++) wide[i * width + j] = 0;
        for (int32_t i = 0; i < last - first && exai_is_signed(COLUMNS, way->weights); i++) wide[below + i * width + j] = 0;
    }
}

void exai_shares_begin(const exai_way *way, int32_t depth, int16_t *wide) {
    if (way->wide) exai_wide_rows(way->layer->weights, way->layer->out_channels, depth, way->weights, wide);
}

void exai_shares(const exai_way *way, const int8_t *x, int32_t depth, const uint16_t *list, int32_t n, const int16_t *wide,
                 int16_t *v, int32_t *d) {
    const int32_t eights = exai_eights(depth), width = exai_is_signed(EXAI_USES_SHARES, way->weights) ? 2 * eights : eights;
    exai_wide_vector(x, depth, way->layer->in_zero, way->weights, v);
    if (exai_is(EXAI_USES_SHARES, EXAI_WIDE, way->wide))
        exai_dots(wide, width, list, n, v, width, d);
    else
        exai_rows_dot(way->layer->weights, depth, depth, list, n, v, eights, way->weights, d);
}

#if EXAI_DSP

/* Eight columns of two rows and one vector. */
#define EIGHT_COLUMNS              \
    "ldmia r2!, {r4-r6, r8}\n\t"   \
    "ldmia r0!, {r9-r11, r12}\n\t" \
    "smlad r7, r4, r9, r7\n\t"     \
    "smlad r7, r5, r10, r7\n\t"    \
    "smlad r7, r6, r11, r7\n\t"    \
    "smlad r7, r8, r12, r7\n\t"    \
    "ldmia r1!, {r9-r11, r12}\n\t" \
    "smlad lr, r4, r9, lr\n\t"     \
    "smlad lr, r5, r10, lr\n\t"    \
    "smlad lr, r6, r11, lr\n\t"    \
    "smlad lr, r8, r12, lr\n\t"

void exai_dots(const int16_t *rows, int32_t stride, const uint16_t *list, int32_t n, const int16_t *v, int32_t width,
               int32_t *sums) {
    const uint16_t last[2] = {n ? list[n - 1] : 0, n ? list[n - 1] : 0};
    int32_t both[2];
    if (width <= 0) memset(sums, 0, (size_t)n * sizeof *sums);
    for (int32_t odd = 0; odd <= (n & 1) && width > 0; odd++) { /* the last row of an odd number twice */
        register const int16_t *from __asm__("r2") = v, *first __asm__("r4") = rows;
        register int32_t by __asm__("r5") = 2 * stride, eights __asm__("r6") = width / 8 + 1;
        register const uint16_t *which __asm__("r8") = odd ? last : list;
        register int32_t *to __asm__("r9") = odd ? both : sums, pairs __asm__("r10") = odd ? 1 : n / 2;
        if (!odd && n < 2) continue;
        /* what the loop over rows needs waits on the stack while columns pass; an odd eight begins in the middle */
        __asm__ volatile(
            "3:\n\t"
            "push {r2, r4-r6, r8-r10}\n\t"
            "ldrh r0, [r8]\n\t"
            "ldrh r1, [r8, #2]\n\t"
            "mla r0, r0, r5, r4\n\t"
            "mla r1, r1, r5, r4\n\t"
            "movs r7, #0\n\t"
            "mov lr, r7\n\t"
            "lsrs r3, r6, #1\n\t"
            "bcc 2f\n"
            "1:\n\t" EIGHT_COLUMNS
            "2:\n\t" EIGHT_COLUMNS
            "subs r3, r3, #1\n\t"
            "bne 1b\n\t"
            "pop {r2, r4-r6, r8-r10}\n\t"
            "strd r7, lr, [r9], #8\n\t"
            "add r8, r8, #4\n\t"
            "subs r10, r10, #1\n\t"
            "bne 3b\n\t"
            : "+r"(from), "+r"(first), "+r"(by), "+r"(eights), "+r"(which), "+r"(to), "+r"(pairs)
            :
            : "r0", "r1", "r3", "r7", "r11", "r12", "lr", "cc", "memory");
        if (odd) sums[n - 1] = both[0];
    }
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

uint32_t exai_quotients(const exai_way *way, const int16_t *m, const uint16_t *list, int32_t n, const int32_t *offset,
                        int32_t *d, int32_t *shift) {
    int32_t by = way->down, half = by ? 1 << (by - 1) : 0;
    uint32_t size = 0;
    for (int32_t k = 0; k < n; k++) {
        const int32_t r = m[list[k]] * 65536, of = offset ? d[k] + offset[list[k]] : d[k], short_one = (of + half) >> by;
        int32_t q = 0;
        if ((uint32_t)(short_one + 128) > 256u) {
            q = r / short_one;
        } else if (of) { /* a small one keeps its bits */
            q = r / of;
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

int32_t exai_as_factors(const int32_t *d, const uint16_t *list, int32_t n, uint32_t size, int32_t exponent, int32_t bits,
                        int16_t *m) {
    const int32_t up = exai_coarse(size, exponent, bits);
    if (!size) return EXAI_NOTHING;
    exai_place_short(d, list, n, up, m);
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
    if (exai_is(EXAI_USES_LISTED, EXAI_GATE_BITS, keep->gate == EXAI_BITS)) {
        const uint8_t *const bits = gate;
        for (; i + 8 <= to && !((first | i) & 7); i += 8) {
            const uint32_t byte = bits[(first + i) >> 3];
            FOUR(byte, i);
            FOUR(byte >> 4, i + 4);
        }
    }
#if EXAI_DSP
    if (keep->gate == EXAI_VALUES && (keep->zero == -128 || keep->form != EXAI_FACTOR)) {
        const int8_t *const v = (const int8_t *)gate + first;
        const uint32_t zeros = ((uint32_t)keep->zero & 0xFFu) * 0x01010101u;
        for (; i + 4 <= to; i += 4) {
            const uint32_t four = exai_word(v + i) ^ zeros;
            if (!four) continue;
            if (four & 0xFFu) *end++ = (uint16_t)i;
            if (four & 0xFF00u) *end++ = (uint16_t)(i + 1);
            if (four & 0xFF0000u) *end++ = (uint16_t)(i + 2);
            if (four >> 24) *end++ = (uint16_t)(i + 3);
        }
    }
#endif
    if (i < to) end = exai_list_rest(keep, first, i, to, gate, end);
    return (int32_t)(end - list);
}

void exai_keep_listed(const exai_keep *keep, int32_t pixel, int32_t channels, const uint16_t *list, int32_t n, int32_t *sums,
                      int32_t exponent, const void *gate, void *below, int32_t *dense) {
    const int32_t first = pixel * channels;
    uint32_t size = 0;
    const int relevance = exai_is(EXAI_USES_LISTED, EXAI_AS_RELEVANCE, keep->form == EXAI_RELEVANCE);
    if (exai_is(EXAI_USES_LISTED, EXAI_AS_MAP, keep->form == EXAI_MAP) || exai_is(EXAI_USES_LISTED, EXAI_ADDS, keep->adds) || keep->channels != channels) {
        memset(dense, 0, (size_t)channels * sizeof *dense);
        for (int32_t k = 0; k < n; k++) dense[list[k]] = sums[k];
        exai_store(keep, pixel, channels, dense, exai_sizes(sums, n), exponent, gate, below);
        return;
    }
    int16_t *const m = (int16_t *)below + first, *const e = (int16_t *)below + keep->pixels * channels + pixel;
    exai_clear(m, 2 * channels);
    *e = EXAI_NOTHING;
    if (exponent == EXAI_NOTHING) return;
    if (relevance) {
        const int8_t *const v = (const int8_t *)gate + first;
        const int32_t small = exai_length(exai_sizes(sums, n)) <= 22, zero = keep->zero; /* steps have eight bits and a sign */
        if (small) {
            for (int32_t k = 0; k < n; k++) size |= exai_size(sums[k] *= v[list[k]] - zero);
        } else {
            for (int32_t k = 0; k < n; k++) size |= exai_size(sums[k] = exai_shortened(sums[k], (v[list[k]] - zero) * 128));
        }
        exponent += small ? 0 : 9;
    } else {
        size = exai_sizes(sums, n);
    }
    if (!size) return;
    const int32_t by = exai_coarse(size, exponent, relevance ? EXAI_ENOUGH : EXAI_PRECISION);
    exai_place_short(sums, list, n, by, m);
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
    if (stride == 1) {
        for (int32_t left = at - (kernel - 1) * dilation; n < kernel; left += dilation) outputs[n++] = (int16_t)left;
        return n;
    }
    for (int32_t a = kernel - 1; a >= 0; a--) {
        const int32_t left = at - a * dilation;
        if (left % stride == 0) outputs[n++] = (int16_t)(left / stride);
        *before += a * dilation % stride < at % stride;
    }
    return n;
}
