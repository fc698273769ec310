/* Flows of relevance: where they start, how they are kept, where they end. */

#include "exai_flow.h"
#include "exai_mve_maps.h"

#if EXAI_DSP && !EXAI_MVE
/* Four bits: which of four values are at least as large as `least`'s. */
static inline uint32_t four_signs(const int8_t *x, uint32_t least) {
    uint32_t which;
    __asm__("ssub8 %0, %1, %2\n\tsel %0, %3, %4" : "=&r"(which) : "r"(exai_word(x)), "r"(least), "r"(0x08040201u), "r"(0u) : "cc");
    return which * 0x01010101u >> 24;
}
#endif

void exai_signs(const int8_t *x, int32_t count, int32_t zero, uint8_t *bits) {
    uint32_t byte = 0;
#if EXAI_MVE
    for (; count >= 16; count -= 16, x += 16, bits += 2) { /* a bit for each byte */
        const mve_pred16_t p = vcmpgtq_n_s8(vldrbq_s8(x), (int8_t)zero);
        memcpy(bits, &p, 2);
    }
#elif EXAI_DSP
    const uint32_t least = ((uint32_t)(zero + 1) & 0xFFu) * 0x01010101u;
    for (; count >= 8 && zero < 127; count -= 8, x += 8) {
        *bits++ = (uint8_t)(four_signs(x, least) | four_signs(x + 4, least) << 4);
    }
#endif
    for (; count >= 8; count -= 8, x += 8) { /* the sign of zero - x is at bit 31 */
        byte = (uint32_t)(zero - x[0]) >> 31 | (uint32_t)(zero - x[1]) >> 31 << 1 | (uint32_t)(zero - x[2]) >> 31 << 2 |
               (uint32_t)(zero - x[3]) >> 31 << 3 | (uint32_t)(zero - x[4]) >> 31 << 4 |
               (uint32_t)(zero - x[5]) >> 31 << 5 | (uint32_t)(zero - x[6]) >> 31 << 6 |
               (uint32_t)(zero - x[7]) >> 31 << 7;
        *bits++ = (uint8_t)byte;
    }
    byte = 0;
    for (int32_t k = 0; k < count; k++) byte |= (uint32_t)(zero - x[k]) >> 31 << k;
    if (count) *bits = (uint8_t)byte;
}

int32_t exai_align(int32_t *sums, int16_t *sums_exponent, int32_t count, int32_t exponent) {
    const int32_t up = exponent - *sums_exponent;
    if (*sums_exponent == EXAI_NOTHING) {
        exai_clear(sums, count * 4);
    } else if (up > 0) {
        const int32_t by = up > 31 ? 31 : up;
        for (int32_t i = 0; i < count; i++) sums[i] >>= by;
    } else {
        return up < -31 ? 31 : -up;
    }
    *sums_exponent = (int16_t)exponent;
    return 0;
}

void exai_accumulate(int32_t *sums, int16_t *sums_exponent, const int32_t *values, int32_t count, int32_t exponent) {
    if (*sums_exponent == EXAI_NOTHING) {
        memcpy(sums, values, (size_t)count * sizeof *sums);
        *sums_exponent = (int16_t)exponent;
        return;
    }
    const int32_t by = exai_align(sums, sums_exponent, count, exponent);
    if (by) {
        for (int32_t i = 0; i < count; i++) sums[i] += values[i] >> by;
    } else {
        for (int32_t i = 0; i < count; i++) sums[i] += values[i];
    }
}

#if !EXAI_MVE
uint32_t exai_sizes(const int32_t *values, int32_t count) {
    uint32_t size = 0;
    for (; count >= 4; count -= 4, values += 4) {
        size |= exai_size(values[0]) | exai_size(values[1]) | exai_size(values[2]) | exai_size(values[3]);
    }
    for (int32_t i = 0; i < count; i++) size |= exai_size(values[i]);
    return size;
}
#endif

void exai_ring_begin(exai_ring *ring, const exai_way *way, int32_t *sums, int16_t *exponents) {
    ring->layer = way->layer, ring->keep = way->keep, ring->sums = sums, ring->exponents = exponents, ring->next = 0;
    ring->span = (way->layer->kernel_rows - 1) * way->layer->dilation_rows + 1;
    for (int32_t i = 0; i < ring->span * way->layer->in_columns; i++) exponents[i] = EXAI_NOTHING;
    if (EXAI_MVE) exai_clear(sums, 4 * ring->span * way->layer->in_columns * way->layer->in_channels); /* read without one */
}

#if EXAI_MVE
/* A row of factors of an input of one channel becomes a row of the map: `exai_store` of each. */
static void flush_values(const exai_keep *keep, const int8_t *v, int32_t *sums, int16_t *exponents, int32_t count, float *to) {
    for (int32_t j = 0; j < count; j++) {
        const int32_t length = exponents[j] == EXAI_NOTHING ? 0 : exai_length(exai_size(sums[j])), by = length > 22 ? length - 22 : 0;
        const int32_t t = length ? exai_round(sums[j], by) * (v[j] - keep->zero) : 0;
        to[j] = t ? (float)t * exai_power_of_two(exponents[j] + by) : 0.0f;
        exponents[j] = EXAI_NOTHING, sums[j] = 0;
    }
}
#endif

void exai_ring_flush(exai_ring *ring, int32_t end, const void *gate, void *below) {
    const int32_t columns = ring->layer->in_columns, in = ring->layer->in_channels;
    if (end > ring->layer->in_rows) end = ring->layer->in_rows;
    for (; ring->next < end; ring->next++) {
#if EXAI_MVE
        const exai_keep *const keep = ring->keep;
        if (in == 1 && keep->from == EXAI_FACTOR && keep->form == EXAI_MAP && !keep->adds) {
            const int32_t first = ring->next % ring->span * columns, p = ring->next * columns;
            flush_values(keep, (const int8_t *)gate + p, ring->sums + first, ring->exponents + first, columns, (float *)below + p);
            continue;
        }
#endif
        for (int32_t j = 0; j < columns; j++) {
            const int32_t at = ring->next % ring->span * columns + j;
            int32_t *const sums = ring->sums + at * in;
            const uint32_t size = ring->exponents[at] == EXAI_NOTHING ? 0 : exai_sizes(sums, in);
            exai_store(ring->keep, ring->next * columns + j, in, sums, size, ring->exponents[at], gate, below);
            ring->exponents[at] = EXAI_NOTHING;
            if (EXAI_MVE) exai_clear(sums, 4 * in);
        }
    }
}

/* Factors to relevance, by the values of the map; returns its size. */
static uint32_t times_values(const int8_t *v, int32_t zero, int32_t count, int32_t *t, int32_t by) {
#if EXAI_MVE
    return exai_mve_times_values(v, zero, count, t, by);
#else
    uint32_t size = 0;
    if (by > 0) {
        const int32_t half = (int32_t)(1u << (by - 1));
        for (int32_t i = 0; i < count; i++) {
            t[i] = ((t[i] + half) >> by) * (v[i] - zero);
            size |= exai_size(t[i]);
        }
    } else {
        for (int32_t i = 0; i < count; i++) size |= exai_size(t[i] *= v[i] - zero);
    }
    return size;
#endif
}

/* Relevance to factors: what is no step counts as half of one. Values have 30 bits. */
static uint32_t over_values(const int8_t *v, int32_t zero, int32_t count, int32_t *t, int32_t up) {
    for (int32_t i = 0; i < count; i++) {
        const int32_t steps = v[i] == zero ? 1 : 2 * (v[i] - zero);
        t[i] = 2 * (int32_t)((uint32_t)t[i] << up) / steps;
    }
    return exai_sizes(t, count);
}

#define GATE(k) size |= exai_size(t[k] &= -(int32_t)(byte >> (k) & 1u))

static uint32_t gated_by_bits(const uint8_t *bits, int32_t first, int32_t count, int32_t *t) {
    uint32_t size = 0;
    bits += first >> 3;
    if (!((first | count) & 7)) {
#if EXAI_MVE
        const uint32x4_t one = vshlq_u32(vdupq_n_u32(1), vreinterpretq_s32_u32(vidupq_n_u32(0, 1)));
        const int32x4_t zeros = vdupq_n_s32(0);
        int32x4_t sizes = zeros;
        for (int32_t i = 0; i < count; i += 4) {
            const uint32x4_t mine = vandq_u32(one, vdupq_n_u32((uint32_t)(bits[i >> 3] >> (i & 4))));
            /* not `vcmpneq_n`, with which GCC 12 fails under -Og */
            const int32x4_t four = vpselq_s32(vldrwq_s32(t + i), zeros, vcmphiq_n_u32(mine, 0));
            vstrwq_s32(t + i, four);
            sizes = vorrq_s32(sizes, veorq_s32(four, vshrq_n_s32(four, 31)));
        }
        int32_t four[4];
        vstrwq_s32(four, sizes);
        return (uint32_t)(four[0] | four[1] | four[2] | four[3]);
#endif
        for (; count; count -= 8, t += 8) {
            const uint32_t byte = *bits++;
            GATE(0), GATE(1), GATE(2), GATE(3), GATE(4), GATE(5), GATE(6), GATE(7);
        }
        return size;
    }
    first &= 7;
    for (int32_t i = 0; i < count; i++) {
        t[i] &= -((bits[(first + i) >> 3] >> ((first + i) & 7)) & 1);
        size |= exai_size(t[i]);
    }
    return size;
}

static inline int adds(const exai_keep *keep) {
    return exai_is(EXAI_USES_KEEPING, EXAI_ADDS, keep->adds);
}

#if !EXAI_MVE
/* Mantissas and numbers over 2^by, which are as long, over 2^less and 2^then, each rounded: their sums. */
static void join(const int32_t *t, int32_t count, int32_t by, int32_t then, int32_t less, int16_t *m) {
    const int32_t up = by < 0 ? 1 << -by : 1, down = by > 0 ? by : 0, half = (int32_t)(1u << down >> 1);
    if (then > 30) then = 30; /* which leaves nothing */
    if (less > 30) less = 30;
    const int32_t half_then = 1 << (then - 1), half_less = 1 << (less - 1);
    for (int32_t i = 0; i < count; i++) {
        const int32_t mine = (t[i] * up + half) >> down;
        m[i] = (int16_t)(((m[i] + half_less) >> less) + ((mine + half_then) >> then));
    }
}
#endif

/* One pixel's values as mantissas. */
static void keep_pixel(const exai_keep *keep, const int32_t *t, uint32_t size, int32_t exponent, int16_t *m, int16_t *e) {
    const int32_t count = keep->channels, by = exai_coarse(size, exponent, EXAI_PRECISION);
    exponent = size ? exponent + by : EXAI_NOTHING;
    if (adds(keep) && *e != EXAI_NOTHING) {
        if (!size) return;
        const int32_t both = (*e > exponent ? *e : exponent) + 1;
#if EXAI_MVE
        exai_mve_joined_with(t, count, by, both - exponent, both - *e, m);
#else
        join(t, count, by, both - exponent, both - *e, m);
#endif
        *e = (int16_t)both;
        return;
    }
    if (!size) {
        exai_clear(m, 2 * count);
#if EXAI_MVE
    } else {
        exai_mve_shortened(t, count, by, m);
    }
#else
    } else if (by > 0) {
        const int32_t half = (int32_t)(1u << (by - 1));
        for (int32_t i = 0; i < count; i++) m[i] = (int16_t)((t[i] + half) >> by);
    } else {
        for (int32_t i = 0; i < count; i++) m[i] = (int16_t)(t[i] * (1 << -by));
    }
#endif
    *e = (int16_t)exponent;
}

void exai_store(const exai_keep *keep, int32_t pixel, int32_t count, int32_t *values, uint32_t size, int32_t exponent,
                const void *gate, void *below) {
    const int32_t first = pixel * count;
    const int8_t *const v = (const int8_t *)gate + first;
    if (exponent == EXAI_NOTHING || !size) {
        size = 0;
        exai_clear(values, 4 * count);
    } else if (exai_is(EXAI_USES_KEEPING, EXAI_MULTIPLIED, keep->from == EXAI_FACTOR && keep->form != EXAI_FACTOR)) {
        const int32_t by = exai_length(size) - 22; /* a value's steps have eight bits and a sign */
        size = times_values(v, keep->zero, count, values, by);
        exponent += by > 0 ? by : 0;
    } else if (exai_is(EXAI_USES_KEEPING, EXAI_DIVIDED, keep->from == EXAI_RELEVANCE && keep->form == EXAI_FACTOR)) {
        const int32_t up = 29 - exai_length(size);
        size = over_values(v, keep->zero, count, values, up > 0 ? up : 0);
        exponent -= up > 0 ? up : 0;
    } else if (exai_is(EXAI_USES_KEEPING, EXAI_GATE_BITS, keep->gate == EXAI_BITS)) {
        size = gated_by_bits(gate, first, count, values);
    } else if (keep->gate == EXAI_VALUES) {
        for (int32_t i = 0; i < count; i++) values[i] = v[i] > keep->zero ? values[i] : 0;
        size = exai_sizes(values, count);
    }
    if (exai_is(EXAI_USES_KEEPING, EXAI_AS_MAP, keep->form == EXAI_MAP)) {
        float *to = (float *)below + first / keep->run;
        for (int32_t i = 0; i < count; i += keep->run) {
            int64_t sum = 0;
            for (int32_t k = 0; k < keep->run; k++) sum += values[i + k];
            const float value = exai_real(sum, exponent);
            *to = adds(keep) ? *to + value : value;
            to++;
        }
        return;
    }
    int16_t *m = (int16_t *)below + first, *e = (int16_t *)below + keep->pixels * keep->channels + first / keep->channels;
    for (int32_t i = 0; i < count; i += keep->channels, m += keep->channels, e++) {
        if (count > keep->channels) size = exai_sizes(values + i, keep->channels);
        keep_pixel(keep, values + i, size, exponent, m, e);
    }
}

void exai_store_sums(const exai_keep *keep, int32_t pixel, int32_t count, const int64_t *sums, int32_t *values, int32_t exponent,
                     const void *gate, void *below) {
    uint64_t size = 0;
    for (int32_t i = 0; i < count && exponent != EXAI_NOTHING; i++) size |= (uint64_t)(sums[i] ^ (sums[i] >> 63));
    const int32_t down = size >> 31 ? 1 + exai_length((uint32_t)(size >> 31)) : 0;
    for (int32_t i = 0; i < count && size; i++) values[i] = (int32_t)(sums[i] >> down);
    exai_store(keep, pixel, count, values, (uint32_t)(size >> down), size ? exponent + down : EXAI_NOTHING, gate, below);
}

void exai_back_same(const exai_keep *keep, int32_t channels, const int16_t *above, const void *gate, void *below,
                    void *scratch) {
    const int32_t all = keep->pixels * keep->channels, pixels = all / channels;
    int32_t *const t = scratch;
    for (int32_t p = 0; p < pixels; p++) {
        for (int32_t i = 0; i < channels; i++) t[i] = above[p * channels + i];
        exai_store(keep, p, channels, t, exai_sizes(t, channels), above[all + p], gate, below);
    }
}

/* What logit i gets: the factor of the largest one, alone or less the mean of all, or its relevance. */
static int32_t start_of(const exai_target *t, const int8_t *logits, int32_t best, int32_t i) {
    const int32_t factor = (i == best ? (t->less_mean ? t->count : 1) : 0) - t->less_mean;
    if (t->form == EXAI_RELEVANCE) return factor * (logits[i] - t->zero);
    return t->cut && logits[i] <= t->zero ? 0 : factor;
}

void exai_start(const exai_target *t, const int8_t *logits, int16_t *flow, int32_t *target, float *score) {
    const int32_t count = t->count;
    int32_t best = 0, sum = 0;
    uint32_t size = 0;
    for (int32_t i = 0; i < count; i++) {
        if (logits[i] > logits[best]) best = i;
        sum += logits[i] - t->zero;
    }
    for (int32_t i = 0; i < count; i++) {
        const int32_t mine = start_of(t, logits, best, i);
        size |= exai_size(mine) | (mine != 0); /* -1 has no size, and here it is a whole step */
    }
    const int32_t by = exai_length(size) - EXAI_PRECISION, most = logits[best] - t->zero;
    for (int32_t i = 0; i < count; i++) flow[i] = (int16_t)exai_shifted(start_of(t, logits, best, i), by);
    flow[count] = (int16_t)(size ? by : EXAI_NOTHING);
    *target = best;
    *score = (float)(t->less_mean ? count * most - sum : most) * t->scale;
}

/* How far an output is from its input, in steps of the output, Q16. */
static int32_t deviation(const exai_error *e, const int8_t *x, const int8_t *y, int32_t i) {
    return (y[i] - e->out_zero) * (1 << 16) - (x[i] - e->in_zero) * e->ratio;
}

void exai_start_error(const exai_error *e, const int8_t *x, const int8_t *y, int16_t *flow, int32_t *target, float *score) {
    int32_t best = 0, most = -1;
    uint32_t size = 0;
    int64_t sum = 0;
    for (int32_t i = 0; i < e->count; i++) {
        const int32_t d = deviation(e, x, y, i), far = d < 0 ? -d : d;
        size |= exai_size(d);
        sum += (int64_t)d * d >> 16;
        if (far > most) most = far, best = i;
    }
    const int32_t by = exai_length(size) - EXAI_PRECISION;
    for (int32_t i = 0; i < e->count; i++) {
        const int32_t d = deviation(e, x, y, i);
        flow[i] = (int16_t)(by > 0 ? exai_round(d, by) : d * (1 << -by));
    }
    for (int32_t p = 0; p < e->count / e->out_channels; p++) flow[e->count + p] = (int16_t)(size ? by : EXAI_NOTHING);
    *target = best;
    *score = (float)sum * e->scale;
}

void exai_finish(float scale, int32_t count, float *relevance) {
    for (int32_t i = 0; i < count; i++) relevance[i] *= scale;
}

/* m * 2^32 / ratio, rounded to zero: digits of fifteen bits where a remainder leaves them room, which take no division of
 * 64 bits. */
static int64_t over_ratio(int32_t m, int32_t ratio) {
    if (ratio >= 1 << 17) return ((int64_t)m * (1 << 16)) * (1 << 16) / ratio;
    const uint32_t by = (uint32_t)ratio, high = (uint32_t)(m < 0 ? -m : m) << 15, middle = high % by << 15;
    const uint64_t q = ((uint64_t)(high / by) << 17) + ((uint64_t)(middle / by) << 2) + (middle % by << 2) / by;
    return m < 0 ? -(int64_t)q : (int64_t)q;
}

/* d * (d - c): an input's own deviation, less what the network makes of it. */
void exai_finish_error(const exai_error *e, const int8_t *x, const int8_t *y, const int16_t *flow, float *relevance) {
    for (int32_t i = 0; i < e->count; relevance++) {
        int64_t sum = 0;
        for (int32_t k = 0; k < e->run; k++, i++) {
            const int32_t exponent = flow[e->count + i / e->in_channels], by = 16 - exponent;
            const int64_t d = deviation(e, x, y, i);
            int64_t c = over_ratio(flow[i], e->ratio);
            if (exponent == EXAI_NOTHING || by > 60)
                c = 0;
            else if (by > 0)
                c = (c + ((int64_t)1 << (by - 1))) >> by;
            else
                c *= (int64_t)1 << (by < -8 ? 8 : -by);
            sum += (d * (d - c)) >> 16;
        }
        *relevance = (float)sum * e->scale;
    }
}
