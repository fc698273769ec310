/* CONV_2D and FULLY_CONNECTED: two windows at a time are widened and meet two rows of weights at a time. A dense layer of
 * one long row goes piece by piece instead, so that its working space does not grow with the row. With MVE see `exai_mve.c`. */

#include "exai_arithmetic.h"

#if !EXAI_MVE

void exai_conv(const exai_layer *layer, const int8_t *x, int8_t *y, void *scratch) {
    const int32_t taps = layer->kernel_rows * layer->kernel_columns, out = layer->out_channels;
    const int32_t depth = taps * layer->in_channels, columns = layer->out_columns;
    const int32_t pixels = layer->out_rows * columns;
    const int direct = exai_is_pointwise(layer);
    int16_t *const v = scratch;
    int8_t *const window = (int8_t *)(v + 2 * exai_fours(depth));
    const exai_ending end = exai_ending_of(layer);
    for (int32_t p = 0; p < pixels; p += 2) {
        const int two = p + 1 < pixels;
        for (int32_t k = 0; k < 2; k++) { /* an odd last window, twice */
            const int32_t at = p + (two ? k : 0);
            const int8_t *from = x + at * layer->in_channels;
            if (!direct) {
                exai_window(layer, x, at / columns, at % columns, window);
                from = window;
            }
            exai_widen(from, depth, 0, v + 4 * k, 8);
        }
        for (int32_t c = 0; c < out; c += EXAI_ROWS) {
            const int32_t n = out - c < EXAI_ROWS ? out - c : EXAI_ROWS;
            int32_t sums[2 * EXAI_ROWS];
            exai_dot_pairs(layer->weights + c * depth, n, v, depth, layer->bias + c, sums);
            exai_finish_sums(&end, c, sums, n, y + p * out + c);
            if (two) exai_finish_sums(&end, c, sums + EXAI_ROWS, n, y + (p + 1) * out + c);
        }
    }
}

void exai_dense(const exai_layer *layer, const int8_t *x, int8_t *y, void *scratch) {
    const int32_t depth = layer->in_channels, out = layer->out_channels;
    int16_t *const v = scratch;
    int32_t *const sums = (int32_t *)(void *)(v + EXAI_PIECE);
    const exai_ending end = exai_ending_of(layer);
    memcpy(sums, layer->bias, (size_t)out * sizeof *sums);
    for (int32_t at = 0; at < depth; at += EXAI_PIECE) {
        const int32_t count = depth - at < EXAI_PIECE ? depth - at : EXAI_PIECE;
        exai_widen(x + at, count, 0, v, 4);
        for (int32_t c = 0; c < out; c++) sums[c] += exai_dot(layer->weights + c * depth + at, v, count, 4);
    }
    exai_finish_sums(&end, 0, sums, out, y);
}

#endif
