/* Whole maps with MVE: sums of maps and their way back, and listed rows of weights, where few pixels meet them. */

#include "exai_mve_maps.h"

#if EXAI_MVE

void exai_mve_joined_with(const int32_t *t, int32_t count, int32_t by, int32_t then, int32_t less, int16_t *m) {
    then = then > 31 ? 31 : then, less = less > 31 ? 31 : less;
    __asm__ volatile(
        "wlstp.32 lr, %[n], 2f\n"
        "1:\n\t"
        "vldrw.32 q0, [%[t]], #16\n\t"
        "vldrh.s32 q1, [%[m]]\n\t"
        "vrshl.s32 q0, %[by]\n\t"
        "vrshl.s32 q1, %[less]\n\t"
        "vrshl.s32 q0, %[then]\n\t"
        "vadd.i32 q0, q0, q1\n\t"
        "vstrh.32 q0, [%[m]], #8\n\t"
        "letp lr, 1b\n"
        "2:"
        : [t] "+r"(t), [m] "+l"(m)
        : [n] "r"(count), [by] "r"(-by), [then] "r"(-then), [less] "r"(-less)
        : "q0", "q1", "lr", "cc", "memory");
}

/* Sixteen columns, eleven instructions a row. */
#define SIXTEEN(take4, take5)                                                                          \
    __asm__ volatile(                                                                                  \
        "vmov.i32 q0, #0\n\t"                                                                          \
        "vmov.i32 q1, #0\n\t"                                                                          \
        "vmov.i32 q2, #0\n\t"                                                                          \
        "vmov.i32 q3, #0\n\t"                                                                          \
        "vmov.i32 q6, #0\n\t"                                                                          \
        "wls lr, %[n], 2f\n"                                                                           \
        "1:\n\t"                                                                                       \
        "ldrd %[row], %[factor], [%[list]], #8\n\t"                                                    \
        "add %[row], %[row], %[weights]\n\t"                                                           \
        "vldrb.s32 q4, [%[row]]\n\t"                                                                   \
        "vldrb.s32 q5, [%[row], #4]\n\t" take4 "vmla.s32 q0, q4, %[factor]\n\t"                        \
        "vldrb.s32 q4, [%[row], #8]\n\t" take5 "vmla.s32 q1, q5, %[factor]\n\t"                        \
        "vldrb.s32 q5, [%[row], #12]\n\t" take4 "vmla.s32 q2, q4, %[factor]\n\t" take5                 \
        "vmla.s32 q3, q5, %[factor]\n\t"                                                               \
        "le lr, 1b\n"                                                                                  \
        "2:\n\t"                                                                                       \
        "vstrw.32 q0, [%[sums]]\n\t"                                                                   \
        "vstrw.32 q1, [%[sums], #16]\n\t"                                                              \
        "vstrw.32 q2, [%[sums], #32]\n\t"                                                              \
        "vstrw.32 q3, [%[sums], #48]"                                                                  \
        : [list] "+r"(from), [row] "=&l"(row), [factor] "=&r"(factor)                                  \
        : [n] "r"(n), [weights] "r"(weights + i), [sums] "r"(sums + i)                                 \
        : "q0", "q1", "q2", "q3", "q4", "q5", "q6", "lr", "cc", "memory")

void exai_mve_rows_sum(const int8_t *weights, const exai_entry *list, int32_t n, const int8_t *x, int32_t zero, int32_t depth,
                       int sharing, int32_t *sums) {
    const int32x4_t zeros = vdupq_n_s32(0), least = vdupq_n_s32(-128), most = vdupq_n_s32(127);
    int32_t i = 0, row, factor;
    for (; i + 16 <= depth && sharing != EXAI_SIGNED; i += 16) {
        const exai_entry *from = list;
        if (sharing == EXAI_ALL)
            SIXTEEN("", "");
        else
            SIXTEEN("vmax.s32 q4, q4, q6\n\t", "vmax.s32 q5, q5, q6\n\t");
    }
    for (; i < depth; i += 4) { /* weights that share lie between `low` and `high` */
        const mve_pred16_t p = vctp32q((uint32_t)(depth - i));
        int32x4_t four = zeros, low = sharing == EXAI_ALL ? least : zeros, high = most;
        if (sharing == EXAI_SIGNED) {
            const int32x4_t v = vsubq_n_s32(vldrbq_z_s32(x + i, p), zero);
            low = vpselq_s32(least, zeros, vcmpltq_n_s32(v, 0));
            high = vpselq_s32(most, zeros, vcmpgtq_n_s32(v, 0));
        }
        for (int32_t k = 0; k < n; k++) {
            const int32x4_t w = vldrbq_z_s32(weights + list[k].row + i, p);
            four = vmlaq_n_s32(four, vminq_s32(vmaxq_s32(w, low), high), list[k].factor);
        }
        vstrwq_p_s32(sums + i, four, p);
    }
}

uint32_t exai_mve_multiplied_all(const exai_layer *layer, int32_t most, const int16_t *m, int32_t *products) {
    const uint32x4_t places = vmulq_n_u32(vidupq_n_u32(0, 1), layer->step);
    const int32_t *multiplier = layer->multiplier;
    const int8_t *shift = layer->shift;
    for (int32_t j = 0; j < layer->out_channels; j += 4, multiplier += 4 * layer->step, shift += 4 * layer->step) {
        const mve_pred16_t p = vctp32q((uint32_t)(layer->out_channels - j));
        const int32x4_t by = vsubq_n_s32(vldrbq_gather_offset_z_s32(shift, places, p), most);
        const uint32x4_t short_ones =
            vrshrq_n_u32(vreinterpretq_u32_s32(vldrwq_gather_shifted_offset_z_s32(multiplier, places, p)), 16);
        const int32x4_t four = vmulq_s32(vldrhq_z_s32(m + j, p), vreinterpretq_s32_u32(short_ones));
        vstrwq_p_s32(products + j, vshlq_s32(four, vmaxq_s32(by, vdupq_n_s32(-31))), p);
    }
    return exai_sizes(products, layer->out_channels);
}

/* `exai_scale` of four. */
static inline int32x4_t scaled(int32x4_t x, int32_t multiplier, int32_t shift) {
    const int32x4_t right = vdupq_n_s32(shift < 0 ? shift : 0);
    x = vqrdmulhq_n_s32(vshlq_r_s32(x, shift > 0 ? shift : 0), multiplier);
    return vrshlq_s32(vqaddq_s32(x, vshrq_n_s32(vandq_s32(x, right), 31)), right); /* halves go away from zero */
}

void exai_mve_add(const exai_pair *pair, const int8_t *a, const int8_t *b, int32_t count, int8_t *y) {
    const exai_pair p = *pair; /* out of reach of what is written */
    const int32x4_t low = vdupq_n_s32(p.low), high = vdupq_n_s32(p.high);
    for (int32_t i = 0; i < count; i += 4) {
        const mve_pred16_t here = vctp32q((uint32_t)(count - i));
        const int32x4_t u = vshlq_n_s32(vsubq_n_s32(vldrbq_z_s32(a + i, here), p.zero_a), EXAI_HEADROOM);
        const int32x4_t v = vshlq_n_s32(vsubq_n_s32(vldrbq_z_s32(b + i, here), p.zero_b), EXAI_HEADROOM);
        const int32x4_t left = scaled(u, p.multiplier_a, p.shift_a), right = scaled(v, p.multiplier_b, p.shift_b);
        const int32x4_t sum = scaled(vmlaq_n_s32(left, right, p.sign_b), p.multiplier, p.shift);
        vstrbq_p_s32(y + i, vminq_s32(vmaxq_s32(vaddq_n_s32(sum, p.zero), low), high), here);
    }
}

enum { TOGETHER = 16 };

/* Numerators lie in t, denominators in `whole`. */
void exai_mve_by_sign(const exai_summand *summand, const int8_t *own, const int8_t *other, const int16_t *m, int32_t count,
                      int32_t *t) {
    const exai_summand way = *summand;
    const int32x4_t zeros = vdupq_n_s32(0), one = vdupq_n_s32(1);
    int32_t whole[TOGETHER];
    for (int32_t first = 0; first < count; first += TOGETHER) {
        const int32_t some = count - first < TOGETHER ? count - first : TOGETHER;
        for (int32_t c = 0; c < some; c += 4) {
            const int32_t at = first + c;
            const mve_pred16_t p = vctp32q((uint32_t)(count - at));
            int32x4_t a = vmulq_n_s32(vsubq_n_s32(vldrbq_z_s32(own + at, p), way.own_zero), way.own);
            int32x4_t b = vmulq_n_s32(vsubq_n_s32(vldrbq_z_s32(other + at, p), way.other_zero), way.other);
            const mve_pred16_t below = vcmpltq_n_s32(vaddq_s32(a, b), 0);
            a = vmaxq_s32(vnegq_m_s32(a, a, below), zeros), b = vmaxq_s32(vnegq_m_s32(b, b, below), zeros);
            const int32x4_t sum = vaddq_s32(a, b), by = vminq_s32(vsubq_n_s32(vclzq_s32(sum), 17), zeros);
            const int32x4_t twice = vmulq_s32(vshlq_n_s32(vldrhq_z_s32(m + at, p), 1), vrshlq_s32(a, by));
            vstrwq_p_s32(t + at, twice, p);
            vstrwq_s32(whole + c, vmaxq_s32(vrshlq_s32(sum, by), one));
        }
        for (int32_t c = 0; c < some; c++) t[first + c] /= whole[c];
    }
}

#endif
