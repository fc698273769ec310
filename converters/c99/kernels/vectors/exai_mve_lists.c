/* Lists with MVE: what carries relevance, sixteen values at a time, and how listed values are kept, four at a time. */

#include "exai_mve.h"
#include "exai_wide.h"

#if EXAI_MVE

/* Where bits of a byte are set; what lies behind them is written over by those that follow. And how many are. */
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

static const uint8_t sets[256] = {
    0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 1, 2, 2, 3, 2, 3, 3, 4, 2, 3, 3, 4, 3, 4, 4, 5, 1, 2, 2, 3, 2, 3, 3, 4,
    2, 3, 3, 4, 3, 4, 4, 5, 2, 3, 3, 4, 3, 4, 4, 5, 3, 4, 4, 5, 4, 5, 5, 6, 1, 2, 2, 3, 2, 3, 3, 4, 2, 3, 3, 4, 3, 4, 4, 5,
    2, 3, 3, 4, 3, 4, 4, 5, 3, 4, 4, 5, 4, 5, 5, 6, 2, 3, 3, 4, 3, 4, 4, 5, 3, 4, 4, 5, 4, 5, 5, 6, 3, 4, 4, 5, 4, 5, 5, 6,
    4, 5, 5, 6, 5, 6, 6, 7, 1, 2, 2, 3, 2, 3, 3, 4, 2, 3, 3, 4, 3, 4, 4, 5, 2, 3, 3, 4, 3, 4, 4, 5, 3, 4, 4, 5, 4, 5, 5, 6,
    2, 3, 3, 4, 3, 4, 4, 5, 3, 4, 4, 5, 4, 5, 5, 6, 3, 4, 4, 5, 4, 5, 5, 6, 4, 5, 5, 6, 5, 6, 6, 7, 2, 3, 3, 4, 3, 4, 4, 5,
    3, 4, 4, 5, 4, 5, 5, 6, 3, 4, 4, 5, 4, 5, 5, 6, 4, 5, 5, 6, 5, 6, 6, 7, 3, 4, 4, 5, 4, 5, 5, 6, 4, 5, 5, 6, 5, 6, 6, 7,
    4, 5, 5, 6, 5, 6, 6, 7, 5, 6, 6, 7, 6, 7, 7, 8};

/* Sixteen more of a list at a time, from number i on, where `bits` (a register) are set; there is room for all of them. */
#define EIGHT                                \
    "ldrb %[count], [%[sets], %[byte]]\n\t" \
    "add %[byte], %[set], %[byte], lsl #3\n\t" \
    "vldrb.u16 q0, [%[byte]]\n\t"          \
    "vadd.i16 q0, q0, %[i]\n\t"            \
    "adds %[i], #8\n\t"                    \
    "vstrh.16 q0, [%[end]]\n\t"            \
    "add %[end], %[end], %[count], lsl #1\n\t"
#define LIST(bits_of)                                                                                             \
    __asm__ volatile("wls lr, %[n], 2f\n"                                                                         \
                     "1:\n\t" bits_of "uxtb %[byte], %[bits]\n\t" EIGHT "ubfx %[byte], %[bits], #8, #8\n\t" EIGHT \
                     "le lr, 1b\n"                                                                                \
                     "2:"                                                                                         \
                     : [from] "+&r"(from), [end] "+&r"(end), [i] "+&l"(i), [bits] "=&r"(bits), [byte] "=&l"(byte),   \
                       [count] "=&r"(count)                                                                       \
                     : [n] "r"(sixteens), [set] "r"(set), [sets] "r"(sets), [zero] "r"(zero)                      \
                     : "q0", "q1", "q2", "lr", "cc", "memory")

int32_t exai_list(const int16_t *m, int32_t count_of, uint16_t *list) {
    const int16_t *from = m;
    const int32_t sixteens = count_of / 16, zero = 0;
    uint16_t *end = list;
    int32_t i = 0, bits, byte, count;
    /* even ones, odd ones: narrowed, they are in order again */
    LIST("vld20.16 {q0, q1}, [%[from]]\n\t"
         "vld21.16 {q0, q1}, [%[from]]!\n\t"
         "vqmovnb.s16 q2, q0\n\t"
         "vqmovnt.s16 q2, q1\n\t"
         "vcmp.i8 ne, q2, %[zero]\n\t"
         "vmrs %[bits], p0\n\t");
    for (; i < count_of; i++) {
        if (m[i]) *end++ = (uint16_t)i;
    }
    return (int32_t)(end - list);
}

int32_t exai_list_kept(const exai_keep *keep, int32_t first, int32_t start, int32_t to, const void *gate, uint16_t *list) {
    const int32_t sixteens = (to - start) / 16, zero = keep->zero;
    uint16_t *end = list;
    int32_t i = start, bits, byte, count;
    if (keep->gate == EXAI_BITS && !((first + start) & 7)) {
        const uint8_t *from = (const uint8_t *)gate + ((first + start) >> 3);
        LIST("ldrh %[bits], [%[from]], #2\n\t");
    } else if (keep->gate == EXAI_VALUES) {
        const int8_t *from = (const int8_t *)gate + first + start;
        if (keep->form == EXAI_FACTOR) /* what is above zero */
            LIST("vldrb.8 q0, [%[from]], #16\n\tvcmp.s8 gt, q0, %[zero]\n\tvmrs %[bits], p0\n\t");
        else
            LIST("vldrb.8 q0, [%[from]], #16\n\tvcmp.i8 ne, q0, %[zero]\n\tvmrs %[bits], p0\n\t");
    }
    if (i < to) end = exai_list_rest(keep, first, i, to, gate, end);
    return (int32_t)(end - list);
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
    return exai_mve_size(high, low);
}

uint32_t exai_mve_times_values(const int8_t *v, int32_t zero, int32_t count, int32_t *t, int32_t by) {
    int32x4_t high = vdupq_n_s32(0), low = high;
    __asm__ volatile(
        "wlstp.32 lr, %[n], 2f\n"
        "1:\n\t"
        "vldrw.32 q0, [%[t]]\n\t"
        "vldrb.s32 q1, [%[v]], #4\n\t"
        "vrshl.s32 q0, %[by]\n\t"
        "vsub.i32 q1, q1, %[zero]\n\t"
        "vmul.i32 q0, q0, q1\n\t"
        "vstrw.32 q0, [%[t]], #16\n\t"
        "vmax.s32 %q[high], %q[high], q0\n\t"
        "vmin.s32 %q[low], %q[low], q0\n\t"
        "letp lr, 1b\n"
        "2:"
        : [t] "+r"(t), [v] "+l"(v), [high] "+w"(high), [low] "+w"(low)
        : [n] "r"(count), [by] "r"(by > 0 ? -by : 0), [zero] "r"(zero)
        : "q0", "q1", "lr", "cc", "memory");
    return exai_mve_size(high, low);
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
    return exai_mve_size(high, low);
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
    return exai_mve_size(high, low);
}

#endif
