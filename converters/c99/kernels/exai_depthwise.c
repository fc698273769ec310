/* DEPTHWISE_CONV_2D: the taps of a window are listed once, then four channels at a time walk along the list. */

#include "exai_arithmetic.h"

static inline int8_t finish(const exai_layer *layer, int32_t channel, int32_t sum) {
    const int32_t which = channel * layer->step;
    const int32_t low = layer->low;
    if (sum <= 0 && low == layer->out_zero) return (int8_t)low;
    return exai_clamp(exai_scale(sum, layer->multiplier[which], layer->shift[which]) + layer->out_zero, low, layer->high);
}

void exai_depthwise(const exai_layer *layer, const int8_t *x, int8_t *y, void *scratch) {
    const int32_t taps = layer->kernel_rows * layer->kernel_columns, out = layer->out_channels;
    const int32_t in = layer->in_channels, times = out / in;
    const int8_t **const tap = scratch;
    int8_t *const outside = (int8_t *)(tap + taps);
    memset(outside, layer->in_zero, (size_t)in);
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
            int32_t c = 0;
#if EXAI_DSP
            for (; times == 1 && c + 4 <= out; c += 4) {
                int32_t s0 = layer->bias[c], s1 = layer->bias[c + 1], s2 = layer->bias[c + 2], s3 = layer->bias[c + 3];
                const int8_t *w = layer->weights + c;
                const int8_t **from = tap;
                uint32_t n = (uint32_t)taps, p, a, b, d, e;
                __asm__ volatile(
                    "1:\n\t"
                    "ldr %[p], [%[from]], #4\n\t"
                    "ldr %[a], [%[w]]\n\t"
                    "ldr %[p], [%[p], %[c]]\n\t"
                    "add %[w], %[w], %[out]\n\t"
                    "sxtb16 %[b], %[a]\n\t"
                    "sxtb16 %[a], %[a], ror #8\n\t"
                    "sxtb16 %[d], %[p]\n\t"
                    "sxtb16 %[e], %[p], ror #8\n\t"
                    "subs %[n], %[n], #1\n\t"
                    "smlabb %[s0], %[b], %[d], %[s0]\n\t"
                    "smlabb %[s1], %[a], %[e], %[s1]\n\t"
                    "smlatt %[s2], %[b], %[d], %[s2]\n\t"
                    "smlatt %[s3], %[a], %[e], %[s3]\n\t"
                    "bne 1b\n\t"
                    : [s0] "+r"(s0), [s1] "+r"(s1), [s2] "+r"(s2), [s3] "+r"(s3), [from] "+r"(from), [w] "+r"(w),
                      [n] "+r"(n), [p] "=&r"(p), [a] "=&r"(a), [b] "=&r"(b), [d] "=&r"(d), [e] "=&r"(e)
                    : [c] "r"(c), [out] "r"(out)
                    : "cc", "memory");
                y[c] = finish(layer, c, s0);
                y[c + 1] = finish(layer, c + 1, s1);
                y[c + 2] = finish(layer, c + 2, s2);
                y[c + 3] = finish(layer, c + 3, s3);
            }
#endif
            for (; c < out; c++) {
                const int32_t from = times == 1 ? c : c / times;
                int32_t sum = layer->bias[c];
                for (t = 0; t < taps; t++) sum += tap[t][from] * layer->weights[t * out + c];
                y[c] = finish(layer, c, sum);
            }
        }
    }
}
