/* Lists with MVE: what carries relevance, sixteen values at a time, and what is done with listed values, four at a time. */

#include "exai_mve.h"
#include "exai_wide.h"

#if EXAI_MVE

/* Where bits of a byte are set; what lies behind them is written over by those that follow. */
static const uint8_t set[256][8] = {
    {0}, {0}, {1}, {0, 1}, {2}, {0, 2}, {1, 2}, {0, 1, 2}, {3}, {0, 3}, {1, 3}, {0, 1, 3}, {2, 3}, {0, 2, 3}, {1, 2, 3},
    {0, 1, 2, 3}, {4}, {0, 4}, {1, 4}, {0, 1, 4}, {2, 4}, {0, 2, 4}, {1, 2, 4}, {0, 1, 2, 4}, {3, 4}, {0, 3, 4}, {1, 3, 4},
    {0, 1, 3, 4}, {2, 3, 4}, {0, 2, 3, 4}, {1, 2, 3, 4}, {0, 1, 2, 3, 4}, {5}, {0, 5}, {1, 5}, {0, 1, 5}, {2, 5},
    {0, 2, 5}, {1, 2, 5}, {0, 1, 2, 5}, {3, 5}, {0, 3, 5}, {1, 3, 5}, {0, 1, 3, 5}, {2, 3, 5}, {0, 2, 3, 5}, {1, 2, 3, 5},
    {0, 1, 2, 3, 5}, {4, 5}, {0, 4, 5}, {1, 4, 5}, {0, 1, 4, 5}, {2, 4, 5}, {0, 2, 4, 5}, {1, 2, 4, 5}, {0, 1, 2, 4, 5},
    {3, 4, 5}, {0, 3, 4, 5}, {1, 3, 4, 5}, {0, 1, 3, 4, 5}, {2, 3, 4, 5}, {0, 2, 3, 4, 5}, {1, 2, 3, 4, 5},
    {0, 1, 2, 3, 4, 5}, {6}, {0, 6}, {1, 6}, {0, 1, 6}, {2, 6}, {0, 2, 6}, {1, 2, 6}, {0, 1, 2, 6}, {3, 6}, {0, 3, 6},
    {1, 3, 6}, {0, 1, 3, 6}, {2, 3, 6}, {0, 2, 3, 6}, {1, 2, 3, 6}, {0, 1, 2, 3, 6}, {4, 6}, {0, 4, 6}, {1, 4, 6},
    {0, 1, 4, 6}, {2, 4, 6}, {0, 2, 4, 6}, {1, 2, 4, 6}, {0, 1, 2, 4, 6}, {3, 4, 6}, {0, 3, 4, 6}, {1, 3, 4, 6},
    {0, 1, 3, 4, 6}, {2, 3, 4, 6}, {0, 2, 3, 4, 6}, {1, 2, 3, 4, 6}, {0, 1, 2, 3, 4, 6}, {5, 6}, {0, 5, 6}, {1, 5, 6},
    {0, 1, 5, 6}, {2, 5, 6}, {0, 2, 5, 6}, {1, 2, 5, 6}, {0, 1, 2, 5, 6}, {3, 5, 6}, {0, 3, 5, 6}, {1, 3, 5, 6},
    {0, 1, 3, 5, 6}, {2, 3, 5, 6}, {0, 2, 3, 5, 6}, {1, 2, 3, 5, 6}, {0, 1, 2, 3, 5, 6}, {4, 5, 6}, {0, 4, 5, 6},
    {1, 4, 5, 6}, {0, 1, 4, 5, 6}, {2, 4, 5, 6}, {0, 2, 4, 5, 6}, {1, 2, 4, 5, 6}, {0, 1, 2, 4, 5, 6}, {3, 4, 5, 6},
    {0, 3, 4, 5, 6}, {1, 3, 4, 5, 6}, {0, 1, 3, 4, 5, 6}, {2, 3, 4, 5, 6}, {0, 2, 3, 4, 5, 6}, {1, 2, 3, 4, 5, 6},
    {0, 1, 2, 3, 4, 5, 6}, {7}, {0, 7}, {1, 7}, {0, 1, 7}, {2, 7}, {0, 2, 7}, {1, 2, 7}, {0, 1, 2, 7}, {3, 7}, {0, 3, 7},
    {1, 3, 7}, {0, 1, 3, 7}, {2, 3, 7}, {0, 2, 3, 7}, {1, 2, 3, 7}, {0, 1, 2, 3, 7}, {4, 7}, {0, 4, 7}, {1, 4, 7},
    {0, 1, 4, 7}, {2, 4, 7}, {0, 2, 4, 7}, {1, 2, 4, 7}, {0, 1, 2, 4, 7}, {3, 4, 7}, {0, 3, 4, 7}, {1, 3, 4, 7},
    {0, 1, 3, 4, 7}, {2, 3, 4, 7}, {0, 2, 3, 4, 7}, {1, 2, 3, 4, 7}, {0, 1, 2, 3, 4, 7}, {5, 7}, {0, 5, 7}, {1, 5, 7},
    {0, 1, 5, 7}, {2, 5, 7}, {0, 2, 5, 7}, {1, 2, 5, 7}, {0, 1, 2, 5, 7}, {3, 5, 7}, {0, 3, 5, 7}, {1, 3, 5, 7},
    {0, 1, 3, 5, 7}, {2, 3, 5, 7}, {0, 2, 3, 5, 7}, {1, 2, 3, 5, 7}, {0, 1, 2, 3, 5, 7}, {4, 5, 7}, {0, 4, 5, 7},
    {1, 4, 5, 7}, {0, 1, 4, 5, 7}, {2, 4, 5, 7}, {0, 2, 4, 5, 7}, {1, 2, 4, 5, 7}, {0, 1, 2, 4, 5, 7}, {3, 4, 5, 7},
    {0, 3, 4, 5, 7}, {1, 3, 4, 5, 7}, {0, 1, 3, 4, 5, 7}, {2, 3, 4, 5, 7}, {0, 2, 3, 4, 5, 7}, {1, 2, 3, 4, 5, 7},
    {0, 1, 2, 3, 4, 5, 7}, {6, 7}, {0, 6, 7}, {1, 6, 7}, {0, 1, 6, 7}, {2, 6, 7}, {0, 2, 6, 7}, {1, 2, 6, 7},
    {0, 1, 2, 6, 7}, {3, 6, 7}, {0, 3, 6, 7}, {1, 3, 6, 7}, {0, 1, 3, 6, 7}, {2, 3, 6, 7}, {0, 2, 3, 6, 7},
    {1, 2, 3, 6, 7}, {0, 1, 2, 3, 6, 7}, {4, 6, 7}, {0, 4, 6, 7}, {1, 4, 6, 7}, {0, 1, 4, 6, 7}, {2, 4, 6, 7},
    {0, 2, 4, 6, 7}, {1, 2, 4, 6, 7}, {0, 1, 2, 4, 6, 7}, {3, 4, 6, 7}, {0, 3, 4, 6, 7}, {1, 3, 4, 6, 7},
    {0, 1, 3, 4, 6, 7}, {2, 3, 4, 6, 7}, {0, 2, 3, 4, 6, 7}, {1, 2, 3, 4, 6, 7}, {0, 1, 2, 3, 4, 6, 7}, {5, 6, 7},
    {0, 5, 6, 7}, {1, 5, 6, 7}, {0, 1, 5, 6, 7}, {2, 5, 6, 7}, {0, 2, 5, 6, 7}, {1, 2, 5, 6, 7}, {0, 1, 2, 5, 6, 7},
    {3, 5, 6, 7}, {0, 3, 5, 6, 7}, {1, 3, 5, 6, 7}, {0, 1, 3, 5, 6, 7}, {2, 3, 5, 6, 7}, {0, 2, 3, 5, 6, 7},
    {1, 2, 3, 5, 6, 7}, {0, 1, 2, 3, 5, 6, 7}, {4, 5, 6, 7}, {0, 4, 5, 6, 7}, {1, 4, 5, 6, 7}, {0, 1, 4, 5, 6, 7},
    {2, 4, 5, 6, 7}, {0, 2, 4, 5, 6, 7}, {1, 2, 4, 5, 6, 7}, {0, 1, 2, 4, 5, 6, 7}, {3, 4, 5, 6, 7}, {0, 3, 4, 5, 6, 7},
    {1, 3, 4, 5, 6, 7}, {0, 1, 3, 4, 5, 6, 7}, {2, 3, 4, 5, 6, 7}, {0, 2, 3, 4, 5, 6, 7}, {1, 2, 3, 4, 5, 6, 7},
    {0, 1, 2, 3, 4, 5, 6, 7}};

/* How many are. */
static const uint8_t sets[256] = {
    0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 1, 2, 2, 3, 2, 3, 3, 4, 2, 3, 3, 4, 3, 4, 4, 5, 1, 2, 2, 3, 2, 3, 3, 4,
    2, 3, 3, 4, 3, 4, 4, 5, 2, 3, 3, 4, 3, 4, 4, 5, 3, 4, 4, 5, 4, 5, 5, 6, 1, 2, 2, 3, 2, 3, 3, 4, 2, 3, 3, 4, 3, 4, 4, 5,
    2, 3, 3, 4, 3, 4, 4, 5, 3, 4, 4, 5, 4, 5, 5, 6, 2, 3, 3, 4, 3, 4, 4, 5, 3, 4, 4, 5, 4, 5, 5, 6, 3, 4, 4, 5, 4, 5, 5, 6,
    4, 5, 5, 6, 5, 6, 6, 7, 1, 2, 2, 3, 2, 3, 3, 4, 2, 3, 3, 4, 3, 4, 4, 5, 2, 3, 3, 4, 3, 4, 4, 5, 3, 4, 4, 5, 4, 5, 5, 6,
    2, 3, 3, 4, 3, 4, 4, 5, 3, 4, 4, 5, 4, 5, 5, 6, 3, 4, 4, 5, 4, 5, 5, 6, 4, 5, 5, 6, 5, 6, 6, 7, 2, 3, 3, 4, 3, 4, 4, 5,
    3, 4, 4, 5, 4, 5, 5, 6, 3, 4, 4, 5, 4, 5, 5, 6, 4, 5, 5, 6, 5, 6, 6, 7, 3, 4, 4, 5, 4, 5, 5, 6, 4, 5, 5, 6, 5, 6, 6, 7,
    4, 5, 5, 6, 5, 6, 6, 7, 5, 6, 6, 7, 6, 7, 7, 8};

/* The first eight bits, of values from i on; room for all of them. */
static inline uint16_t *listed(uint32_t byte, int32_t i, uint16_t *end) {
    vstrhq_u16(end, vaddq_n_u16(vldrbq_u16(set[byte]), (uint16_t)i));
    return end + sets[byte];
}

int32_t exai_list(const int16_t *m, int32_t count, uint16_t *list) {
    uint16_t *end = list;
    int32_t i = 0;
    for (; i + 16 <= count; i += 16) {
        const int16x8x2_t both = vld2q_s16(m + i); /* even ones, odd ones: narrowed, they are in order again */
        const int8x16_t all = vqmovntq_s16(vqmovnbq_s16(vdupq_n_s8(0), both.val[0]), both.val[1]);
        const uint32_t bits = vcmpneq_n_s8(all, 0);
        end = listed(bits & 0xFFu, i, end);
        end = listed(bits >> 8, i + 8, end);
    }
    for (; i < count; i++) {
        if (m[i]) *end++ = (uint16_t)i;
    }
    return (int32_t)(end - list);
}

int32_t exai_list_kept(const exai_keep *keep, int32_t first, int32_t from, int32_t to, const void *gate, uint16_t *list) {
    uint16_t *end = list;
    int32_t i = from;
    if (keep->gate == EXAI_BITS) {
        const uint8_t *const bits = gate;
        for (; i + 8 <= to && !((first | i) & 7); i += 8) end = listed(bits[(first + i) >> 3], i, end);
    } else if (keep->gate == EXAI_VALUES) {
        const int8_t *const v = (const int8_t *)gate + first, zero = (int8_t)keep->zero;
        const int only = keep->form == EXAI_FACTOR; /* what is above zero */
        for (; i + 16 <= to; i += 16) {
            const int8x16_t all = vldrbq_s8(v + i);
            const uint32_t bits = only ? vcmpgtq_n_s8(all, zero) : vcmpneq_n_s8(all, zero);
            end = listed(bits & 0xFFu, i, end);
            end = listed(bits >> 8, i + 8, end);
        }
    }
    return (int32_t)(exai_list_rest(keep, first, i, to, gate, end) - list);
}

/* A vector's greatest value, or its smallest one below zero, as an unsigned number of its size. */
static inline uint32_t size_of(int32x4_t high, int32x4_t low) {
    return (uint32_t)(vmaxvq_s32(0, high) | ~vminvq_s32(-1, low));
}

/* Listed offsets added to d; the size of what comes out. */
static uint32_t offset_by(const int32_t *offset, const uint16_t *list, int32_t n, int32_t *d) {
    int32x4_t high = vdupq_n_s32(0), low = high;
    __asm__ volatile(
        "wlstp.32 lr, %[n], 2f\n"
        "1:\n\t"
        "vldrh.u32 q0, [%[list]], #8\n\t"
        "vldrw.32 q1, [%[offset], q0, uxtw #2]\n\t"
        "vldrw.32 q0, [%[d]]\n\t"
        "vadd.i32 q0, q0, q1\n\t"
        "vstrw.32 q0, [%[d]], #16\n\t"
        "vmax.s32 %q[high], %q[high], q0\n\t"
        "vmin.s32 %q[low], %q[low], q0\n\t"
        "letp lr, 1b\n"
        "2:"
        : [list] "+l"(list), [d] "+r"(d), [high] "+w"(high), [low] "+w"(low)
        : [n] "r"(n), [offset] "r"(offset)
        : "q0", "q1", "lr", "cc", "memory");
    return size_of(high, low);
}

/* m * 2^16 over d / 2^by of listed units, in the place of d; small ones keep their bits. How many are left where one is so
 * small that others lose theirs. */
static int32_t divided(const int16_t *m, const uint16_t *list, int32_t n, int32_t by, int32_t *d) {
    int32_t r, own, q, t;
    __asm__ volatile(
        "wls lr, %[n], 4f\n"
        "1:\n\t"
        "ldrh %[t], [%[list]], #2\n\t"
        "ldr %[own], [%[d]]\n\t"
        "ldrsh %[r], [%[m], %[t], lsl #1]\n\t"
        "add %[t], %[own], %[half]\n\t"
        "asr %[t], %[t], %[by]\n\t"
        "lsl %[r], %[r], #16\n\t"
        "add %[q], %[t], #128\n\t"
        "cmp %[q], #256\n\t"
        "bls 2f\n\t"
        "sdiv %[q], %[r], %[t]\n\t"
        "str %[q], [%[d]], #4\n\t"
        "le lr, 1b\n\t"
        "b 4f\n"
        "2:\n\t"
        "movs %[q], %[own]\n\t"
        "beq 3f\n\t"
        "sdiv %[q], %[r], %[own]\n\t"
        "eor %[t], %[q], %[q], asr #31\n\t"
        "lsrs %[t], %[t], %[room]\n\t"
        "bne 5f\n\t"
        "lsl %[q], %[q], %[by]\n"
        "3:\n\t"
        "str %[q], [%[d]], #4\n\t"
        "le lr, 1b\n"
        "4:\n\t"
        "mov lr, #0\n"
        "5:\n\t"
        "mov %[t], lr"
        : [list] "+r"(list), [d] "+r"(d), [r] "=&r"(r), [own] "=&r"(own), [q] "=&r"(q), [t] "=&r"(t)
        : [n] "r"(n), [m] "r"(m), [half] "r"(by ? 1 << (by - 1) : 0), [by] "r"(by), [room] "r"(30 - by)
        : "lr", "cc", "memory");
    return t;
}

uint32_t exai_quotients(const exai_way *way, const int16_t *m, const uint16_t *list, int32_t n, const int32_t *offset,
                        int32_t *d, int32_t *by) {
    *by = way->down;
    if (offset) offset_by(offset, list, n, d);
    const int32_t left = divided(m, list, n, *by, d), done = n - left;
    if (left) {
        for (int32_t k = 0; k < done; k++) d[k] >>= *by;
        *by = 0;
        divided(m, list + done, left, 0, d + done);
    }
    return exai_sizes(d, n);
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

uint32_t exai_mve_multiplied(const exai_way *way, const int16_t *m, const uint16_t *list, int32_t n, int32_t *q) {
    const exai_layer *const layer = way->layer;
    int32x4_t high = vdupq_n_s32(0), low = high;
    const int32x4_t least = vdupq_n_s32(-31);
    for (int32_t k = 0; k < n; k += 4) {
        const mve_pred16_t p = vctp32q((uint32_t)(n - k));
        const uint32x4_t unit = vldrhq_z_u32(list + k, p), which = vmulq_n_u32(unit, layer->step);
        const int32x4_t factor = vldrhq_gather_shifted_offset_z_s32(m, unit, p);
        const int32x4_t by = vsubq_n_s32(vldrbq_gather_offset_z_s32(layer->shift, which, p), way->most);
        const int32x4_t gain = vrshrq_n_s32(vldrwq_gather_shifted_offset_z_s32(layer->multiplier, which, p), 16);
        const int32x4_t four = vshlq_s32(vmulq_s32(factor, gain), vmaxq_s32(by, least));
        vstrwq_p_s32(q + k, four, p);
        high = vmaxq_m_s32(high, high, four, p), low = vminq_m_s32(low, low, four, p);
    }
    return size_of(high, low);
}

void exai_mve_parts(const int32_t *q, const uint16_t *list, int32_t n, int32_t by, int32_t less, int16_t *upper, int16_t *lower) {
    place(q, list, n, by, upper);
    for (int32_t k = 0; k < n && lower; k += 4) {
        const mve_pred16_t p = vctp32q((uint32_t)(n - k));
        const int32x4_t four = vldrwq_z_s32(q + k, p), rest = vsubq_s32(four, vshlq_r_s32(vrshlq_n_s32(four, -by), by));
        vstrhq_scatter_shifted_offset_p_s32(lower, vldrhq_z_u32(list + k, p), vshlq_r_s32(rest, -less), p);
    }
}

void exai_mve_joined(int32_t *sums, int32_t up, const int32_t *lower, int32_t by, int32_t n) {
    __asm__ volatile(
        "wlstp.32 lr, %[n], 2f\n"
        "1:\n\t"
        "vldrw.32 q0, [%[sums]]\n\t"
        "vldrw.32 q1, [%[lower]], #16\n\t"
        "vshl.s32 q0, %[up]\n\t"
        "vshl.s32 q1, %[by]\n\t"
        "vadd.i32 q0, q0, q1\n\t"
        "vstrw.32 q0, [%[sums]], #16\n\t"
        "letp lr, 1b\n"
        "2:"
        : [sums] "+r"(sums), [lower] "+r"(lower)
        : [n] "r"(n), [up] "r"(up), [by] "r"(-by)
        : "q0", "q1", "lr", "cc", "memory");
}

void exai_keep_listed(const exai_keep *keep, int32_t pixel, int32_t channels, const uint16_t *list, int32_t n, int32_t *sums,
                      int32_t exponent, const void *gate, void *below, int32_t *dense) {
    const int32_t first = pixel * channels;
    uint32_t size = exai_sizes(sums, n);
    if (keep->form == EXAI_MAP || keep->adds || keep->channels != channels) {
        exai_mve_fill(dense, 4 * channels, 0);
        for (int32_t k = 0; k < n; k++) dense[list[k]] = sums[k];
        exai_store(keep, pixel, channels, dense, size, exponent, gate, below);
        return;
    }
    int16_t *const m = (int16_t *)below + first, *const e = (int16_t *)below + keep->pixels * channels + pixel;
    exai_mve_fill(m, 2 * channels, 0);
    *e = EXAI_NOTHING;
    if (exponent == EXAI_NOTHING) return;
    if (keep->form == EXAI_RELEVANCE) {
        const int small = exai_length(size) <= 22; /* a value's steps have eight bits and a sign */
        size = times_values((const int8_t *)gate + first, keep->zero, list, n, sums, small);
        exponent += small ? 0 : 9;
    }
    if (!size) return;
    const int32_t by = exai_coarse(size, exponent, keep->form == EXAI_RELEVANCE ? EXAI_ENOUGH : EXAI_PRECISION);
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
