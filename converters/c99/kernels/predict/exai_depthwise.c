/* DEPTHWISE_CONV_2D: the taps of a window are listed once, then four channels at a time walk along the list; with MVE,
 * sixteen. */

#include "exai_fours.h"
#include "exai_mve.h"

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
    const exai_mve_layer mve = exai_mve_depthwise_of(layer->weights, layer->bias, taps, out);
#endif
    memset(outside, layer->in_zero, (size_t)in);
    for (int32_t t = 0; t < taps; t++) {
        for (int32_t c = 0; c < fours; c++) wide[c / 4 * taps * 4 + 4 * t + c % 4] = layer->weights[t * out + c];
    }
    for (int32_t row = 0; row < layer->out_rows; row++) {
        for (int32_t column = 0; column < layer->out_columns; column++, y += out) {
#if EXAI_MVE
            if (column && exai_mve_follows(layer, row, column))
                exai_mve_advance(tap, taps, layer->stride_columns * in);
            else
                exai_mve_taps(layer, x, row, column, outside, tap);
#else
            int32_t at = 0, i = row * layer->stride_rows - layer->top;
            for (int32_t a = 0; a < layer->kernel_rows; a++, i += layer->dilation_rows) {
                int32_t j = column * layer->stride_columns - layer->left;
                for (int32_t b = 0; b < layer->kernel_columns; b++, j += layer->dilation_columns) {
                    const int inside = i >= 0 && i < layer->in_rows && j >= 0 && j < layer->in_columns;
                    tap[at++] = inside ? x + (i * layer->in_columns + j) * in : outside;
                }
            }
#endif
#if EXAI_MVE
            if (times == 1) {
                exai_mve_depthwise_values(&mve, tap, &end, sums, rises, y);
                continue;
            }
#else
            exai_fours_of_values(tap, fours, taps, wide, 4 * taps, layer->bias, sums);
#endif
            for (int32_t c = fours; c < out; c++) {
                const int32_t from = times == 1 ? c : c / times;
                sums[c] = layer->bias[c];
                for (int32_t t = 0; t < taps; t++) sums[c] += tap[t][from] * layer->weights[t * out + c];
            }
            exai_finish_sums(&end, 0, sums, out, y);
        }
    }
}
