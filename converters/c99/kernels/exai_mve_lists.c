/* Lists with MVE: what carries relevance, sixteen values at a time, and what is done with listed values, four at a time. */

#include "exai_mve.h"
#include "exai_wide.h"

#if EXAI_MVE

/* Where bits of four are set, and how many; what lies behind them is written over by those that follow. */
static const uint8_t set[16][4] = {{0}, {0}, {1}, {0, 1}, {2}, {0, 2}, {1, 2}, {0, 1, 2}, {3}, {0, 3}, {1, 3}, {0, 1, 3},
                                   {2, 3}, {0, 2, 3}, {1, 2, 3}, {0, 1, 2, 3}};
static const uint8_t sets[16] = {0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4};

/* The first `count` of sixteen bits, of values from i on; room for all of them. */
static inline uint16_t *listed(uint32_t bits, int32_t i, uint16_t *end) {
    for (; bits; bits >>= 4, i += 4) {
        const uint32_t four = bits & 15u;
        vstrhq_u32(end, vaddq_n_u32(vldrbq_u32(set[four]), (uint32_t)i));
        end += sets[four];
    }
    return end;
}

int32_t exai_list(const int16_t *m, int32_t count, uint16_t *list) {
    uint16_t *end = list;
    int32_t i = 0;
    for (; i + 16 <= count; i += 16) {
        const int16x8x2_t both = vld2q_s16(m + i); /* even ones, odd ones: narrowed, they are in order again */
        const int8x16_t all = vqmovntq_s16(vqmovnbq_s16(vdupq_n_s8(0), both.val[0]), both.val[1]);
        end = listed(vcmpneq_n_s8(all, 0), i, end);
    }
    for (; i < count; i++) {
        if (m[i]) *end++ = (uint16_t)i;
    }
    return (int32_t)(end - list);
}

int32_t exai_list_kept(const exai_keep *keep, int32_t first, int32_t from, int32_t to, const void *gate, uint16_t *list) {
    uint16_t *end = list;
    int32_t i = from;
    if (keep->gate == EXAI_OPEN) {
        for (; i < to; i++) *end++ = (uint16_t)i;
    } else if (keep->gate == EXAI_BITS) {
        const uint8_t *const bits = gate;
        for (; i + 8 <= to && !((first | i) & 7); i += 8) end = listed(bits[(first + i) >> 3], i, end);
        for (; i < to; i++) {
            if (bits[(first + i) >> 3] >> ((first + i) & 7) & 1) *end++ = (uint16_t)i;
        }
    } else {
        const int8_t *const v = (const int8_t *)gate + first, zero = (int8_t)keep->zero;
        const int only = keep->form == EXAI_FACTOR; /* what is above zero */
        for (; i < to; i += 16) {
            const mve_pred16_t here = vctp8q((uint32_t)(to - i));
            const int8x16_t all = vldrbq_z_s8(v + i, here);
            end = listed(only ? vcmpgtq_m_n_s8(all, zero, here) : vcmpneq_m_n_s8(all, zero, here), i, end);
        }
    }
    return (int32_t)(end - list);
}

#define DIVIDE(q, r, by, lane) q = vsetq_lane_s32(vgetq_lane_s32(r, lane) / vgetq_lane_s32(by, lane), q, lane)

uint32_t exai_quotients(const int16_t *m, const uint16_t *list, int32_t n, const int32_t *offset, int32_t *d, int32_t *shift) {
    const int32x4_t none = vdupq_n_s32(0);
    for (int32_t k = 0; k < n && offset; k += 4) {
        const mve_pred16_t p = vctp32q((uint32_t)(n - k));
        const int32x4_t added = vldrwq_gather_shifted_offset_z_s32(offset, vldrhq_z_u32(list + k, p), p);
        vstrwq_p_s32(d + k, vaddq_s32(vldrwq_z_s32(d + k, p), added), p);
    }
    uint32_t size = exai_sizes(d, n);
    int32_t by = exai_length(size) > 15 ? exai_length(size) - 15 : 0;
    size = 0;
    for (int32_t k = 0; k < n; k += 4) {
        const mve_pred16_t p = vctp32q((uint32_t)(n - k));
        const int32x4_t own = vldrwq_z_s32(d + k, p), fifteen = vrshlq_n_s32(own, -by);
        int32x4_t r = vshlq_n_s32(vldrhq_gather_shifted_offset_z_s32(m, vldrhq_z_u32(list + k, p), p), 16), what = fifteen, q = none;
        const uint32x4_t place = vreinterpretq_u32_s32(vaddq_n_s32(fifteen, 128));
        const mve_pred16_t small = vcmpcsq_u32(vdupq_n_u32(256), place); /* they keep their bits */
        if (small) {
            const mve_pred16_t zero = vcmpeqq_n_s32(own, 0);
            r = vpselq_s32(none, r, zero);
            what = vpselq_s32(vdupq_n_s32(1), vpselq_s32(own, fifteen, small), zero);
        }
        DIVIDE(q, r, what, 0), DIVIDE(q, r, what, 1), DIVIDE(q, r, what, 2), DIVIDE(q, r, what, 3);
        int32x4_t sizes = veorq_s32(q, vshrq_n_s32(q, 31));
        if (small) {
            if (by && vcmpneq_m_n_s32(vshlq_r_s32(sizes, by - 30), 0, small)) { /* one is so small that others lose bits */
                size = exai_quotients_of(m, list, k, k + 4 < n ? k + 4 : n, d, &by, size);
                continue;
            }
            q = vshlq_m_r_s32(q, by, small);
            sizes = veorq_s32(q, vshrq_n_s32(q, 31));
        }
        vstrwq_p_s32(d + k, q, p);
        size |= (uint32_t)vmaxvq_s32(0, sizes);
    }
    *shift = by;
    return size;
}

/* A vector's greatest value, or its smallest one below zero, as an unsigned number of its size. */
static inline uint32_t size_of(int32x4_t high, int32x4_t low) {
    return (uint32_t)(vmaxvq_s32(0, high) | ~vminvq_s32(-1, low));
}

/* Factors times the values of listed channels, shortened if they are not `small`; the size of what comes out. */
#define TIMES(multiply)                                                                                               \
    __asm__ volatile("wlstp.32 lr, %[n], 2f\n"                                                                        \
                     "1:\n\t"                                                                                         \
                     "vldrh.u32 q0, [%[list]], #8\n\t"                                                                \
                     "vldrb.s32 q1, [%[v], q0]\n\t"                                                                   \
                     "vldrw.32 q0, [%[sums]]\n\t"                                                                     \
                     "vsub.i32 q1, q1, %[zero]\n\t" multiply "vstrw.32 q0, [%[sums]], #16\n\t"                        \
                     "vmax.s32 %q[high], %q[high], q0\n\t"                                                            \
                     "vmin.s32 %q[low], %q[low], q0\n\t"                                                              \
                     "letp lr, 1b\n"                                                                                  \
                     "2:"                                                                                             \
                     : [list] "+l"(list), [sums] "+r"(sums), [high] "+w"(high), [low] "+w"(low)                       \
                     : [n] "r"(n), [v] "r"(v), [zero] "r"(zero)                                                       \
                     : "q0", "q1", "lr", "cc", "memory")

static uint32_t times_values(const int8_t *v, int32_t zero, const uint16_t *list, int32_t n, int32_t *sums, int small) {
    int32x4_t high = vdupq_n_s32(0), low = high;
    if (small)
        TIMES("vmul.i32 q0, q0, q1\n\t");
    else
        TIMES("vshl.i32 q1, q1, #23\n\tvmulh.s32 q0, q0, q1\n\t");
    return size_of(high, low);
}

static void place(const int32_t *from, const uint16_t *list, int32_t n, int32_t by, int16_t *to) {
    __asm__ volatile(
        "wlstp.32 lr, %[n], 2f\n"
        "1:\n\t"
        "vldrw.32 q0, [%[from]], #16\n\t"
        "vldrh.u32 q1, [%[list]], #8\n\t"
        "vrshl.s32 q0, %[by]\n\t"
        "vstrh.32 q0, [%[to], q1, uxtw #1]\n\t"
        "letp lr, 1b\n"
        "2:"
        : [from] "+r"(from), [list] "+l"(list)
        : [n] "r"(n), [to] "r"(to), [by] "r"(-by)
        : "q0", "q1", "lr", "cc", "memory");
}

void exai_keep_listed(const exai_keep *keep, int32_t pixel, int32_t channels, const uint16_t *list, int32_t n, int32_t *sums,
                      int32_t exponent, const void *gate, void *below, int32_t *dense) {
    const int32_t first = pixel * channels;
    uint32_t size = exai_sizes(sums, n);
    if (keep->form == EXAI_MAP || keep->adds || keep->channels != channels) {
        exai_mve_clear(dense, 4 * channels);
        for (int32_t k = 0; k < n; k++) dense[list[k]] = sums[k];
        exai_store(keep, pixel, channels, dense, size, exponent, gate, below);
        return;
    }
    int16_t *const m = (int16_t *)below + first, *const e = (int16_t *)below + keep->pixels * channels + pixel;
    exai_mve_clear(m, 2 * channels);
    *e = EXAI_NOTHING;
    if (exponent == EXAI_NOTHING) return;
    if (keep->form == EXAI_RELEVANCE) {
        const int small = exai_length(size) <= 22; /* a value's steps have eight bits and a sign */
        size = times_values((const int8_t *)gate + first, keep->zero, list, n, sums, small);
        exponent += small ? 0 : 9;
    }
    if (!size) return;
    const int32_t by = exai_coarse(size, exponent, EXAI_PRECISION);
    place(sums, list, n, by, m);
    *e = (int16_t)(exponent + by);
}

uint32_t exai_sizes(const int32_t *values, int32_t count) {
    int32x4_t high = vdupq_n_s32(0), low = high;
    __asm__ volatile(
        "wlstp.32 lr, %[n], 2f\n"
        "1:\n\t"
        "vldrw.32 q0, [%[values]], #16\n\t"
        "vmax.s32 %q[high], %q[high], q0\n\t"
        "vmin.s32 %q[low], %q[low], q0\n\t"
        "letp lr, 1b\n"
        "2:"
        : [values] "+r"(values), [high] "+w"(high), [low] "+w"(low)
        : [n] "r"(count)
        : "q0", "lr", "cc", "memory");
    return size_of(high, low);
}

#endif
