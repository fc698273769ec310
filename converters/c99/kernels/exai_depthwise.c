/* DEPTHWISE_CONV_2D: the taps of a window are listed once, then four channels at a time walk along the list; with MVE,
 * sixteen. */

#include "exai_fours.h"
#include "exai_mve.h"

#if EXAI_MVE

enum { TOGETHER = 16 };

/* The sums of sixteen channels from `c` on, or of fewer if there are no more. */
static void sums_of(const exai_layer *layer, const int8_t **tap, int32_t taps, int32_t c, int32_t *sums) {
    const int32_t out = layer->out_channels;
    const int8_t *w = layer->weights + c;
    if (out >= TOGETHER) {
        const int32_t *bias = layer->bias + c;
        __asm__ volatile(
            "vld20.32 {q0, q1}, [%[bias]]\n\t"
            "vld21.32 {q0, q1}, [%[bias]]!\n\t"
            "vld20.32 {q2, q3}, [%[bias]]\n\t"
            "vld21.32 {q2, q3}, [%[bias]]\n\t"
            "dls lr, %[n]\n"
            "1:\n\t"
            "ldr r4, [%[tap]], #4\n\t"
            "vldrb.s16 q4, [%[w]]\n\t"
            "add r4, r4, %[c]\n\t"
            "vldrb.s16 q5, [r4]\n\t"
            "vmullb.s16 q6, q4, q5\n\t"
            "vmullt.s16 q7, q4, q5\n\t"
            "vldrb.s16 q4, [%[w], #8]\n\t"
            "vadd.i32 q0, q0, q6\n\t"
            "vldrb.s16 q5, [r4, #8]\n\t"
            "vadd.i32 q1, q1, q7\n\t"
            "vmullb.s16 q6, q4, q5\n\t"
            "vmullt.s16 q7, q4, q5\n\t"
            "add %[w], %[w], %[out]\n\t"
            "vadd.i32 q2, q2, q6\n\t"
            "vadd.i32 q3, q3, q7\n\t"
            "le lr, 1b\n\t"
            "vst20.32 {q0, q1}, [%[sums]]\n\t"
            "vst21.32 {q0, q1}, [%[sums]]!\n\t"
            "vst20.32 {q2, q3}, [%[sums]]\n\t"
            "vst21.32 {q2, q3}, [%[sums]]"
            : [bias] "+r"(bias), [tap] "+r"(tap), [w] "+l"(w), [sums] "+r"(sums)
            : [n] "r"(taps), [c] "r"(c), [out] "r"(out)
            : "q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7", "r4", "lr", "cc", "memory");
        return;
    }
    for (; c < out; c += 4, sums += 4) {
        const mve_pred16_t p = vctp32q((uint32_t)(out - c));
        int32x4_t four = vldrwq_z_s32(layer->bias + c, p);
        for (int32_t t = 0; t < taps; t++) {
            four = vaddq_s32(four, vmulq_s32(vldrbq_z_s32(tap[t] + c, p), vldrbq_z_s32(layer->weights + t * out + c, p)));
        }
        vstrwq_p_s32(sums, four, p);
    }
}

/* Of all channels; the last sixteen overlap those before them. */
static void sums_of_all(const exai_layer *layer, const int8_t **tap, int32_t taps, int32_t *sums) {
    const int32_t out = layer->out_channels;
    for (int32_t c = 0; c < out; c += TOGETHER) {
        if (c && c > out - TOGETHER) c = out - TOGETHER;
        sums_of(layer, tap, taps, c, sums + c);
    }
}

#endif

void exai_depthwise(const exai_layer *layer, const int8_t *x, int8_t *y, void *scratch) {
    const int32_t taps = layer->kernel_rows * layer->kernel_columns, out = layer->out_channels;
    const int32_t in = layer->in_channels, times = out / in, fours = times == 1 && !EXAI_MVE ? out / 4 * 4 : 0;
    const int8_t **const tap = scratch;
    int32_t *const sums = (int32_t *)(void *)((int64_t *)scratch + taps + 1);
    int16_t *const wide = (int16_t *)(sums + out);
    int8_t *const outside = (int8_t *)(wide + taps * fours);
    const exai_ending end = exai_ending_of(layer);
#if EXAI_MVE
    const int rises = exai_mve_rises(&end, out);
#endif
    memset(outside, layer->in_zero, (size_t)in);
    for (int32_t t = 0; t < taps; t++) {
        for (int32_t c = 0; c < fours; c++) wide[c / 4 * taps * 4 + 4 * t + c % 4] = layer->weights[t * out + c];
    }
    for (int32_t row = 0; row < layer->out_rows; row++) {
        for (int32_t column = 0; column < layer->out_columns; column++, y += out) {
            int32_t t = 0, i = row * layer->stride_rows - layer->top;
            for (int32_t a = 0; a < layer->kernel_rows; a++, i += layer->dilation_rows) {
                int32_t j = column * layer->stride_columns - layer->left;
                for (int32_t b = 0; b < layer->kernel_columns; b++, j += layer->dilation_columns) {
                    const int inside = i >= 0 && i < layer->in_rows && j >= 0 && j < layer->in_columns;
                    tap[t++] = inside ? x + (i * layer->in_columns + j) * in : outside;
                }
            }
#if EXAI_MVE
            if (times == 1) {
                sums_of_all(layer, tap, taps, sums);
                exai_mve_finish(&end, 0, sums, out, rises, y);
                continue;
            }
#endif
            exai_fours_of_values(tap, fours, taps, wide, 4 * taps, layer->bias, sums);
            for (int32_t c = fours; c < out; c++) {
                const int32_t from = times == 1 ? c : c / times;
                sums[c] = layer->bias[c];
                for (t = 0; t < taps; t++) sums[c] += tap[t][from] * layer->weights[t * out + c];
            }
            exai_finish_sums(&end, 0, sums, out, y);
        }
    }
}
