/* The flat rule at the first layer: every position of a window alike. */

#include "exai_flow.h"

/* How many of a window's positions along an axis lie inside the map. */
static int32_t inside(int32_t from, int32_t kernel, int32_t dilation, int32_t inputs) {
    int32_t n = 0;
    for (int32_t k = 0; k < kernel; k++, from += dilation) n += from >= 0 && from < inputs;
    return n;
}

/* The flat rule: all channels' relevance alike to every position of the window. */
void exai_back_flat(const exai_way *way, const int16_t *above, float *relevance, void *scratch) {
    const exai_layer *const layer = way->layer;
    const int32_t out = layer->out_channels, pixels = layer->out_rows * layer->out_columns, columns = layer->in_columns;
    const int32_t kernel = layer->kernel_columns, span = (layer->kernel_rows - 1) * layer->dilation_rows + 1;
    int32_t *const ring = scratch;
    int16_t *const exponents = (int16_t *)(ring + span * columns);
    const int32_t each = way->keep->channels; /* values a position: one if channels are summed in the map */
    int32_t next = 0, p = 0;
    for (int32_t i = 0; i < span * columns; i++) exponents[i] = EXAI_NOTHING;
    for (int32_t row = 0; row <= layer->out_rows; row++) {
        int32_t end = row * layer->stride_rows - layer->top;
        if (row == layer->out_rows || end > layer->in_rows) end = layer->in_rows;
        for (; next < end; next++) {
            for (int32_t j = 0; j < columns; j++) {
                const int32_t at = next % span * columns + j;
                for (int32_t k = 0; k < each; k++) {
                    const int32_t to = (next * columns + j) * each + k, exponent = exponents[at];
                    int32_t share = ring[at];
                    if (way->keep->form == EXAI_MAP && !way->keep->adds)
                        relevance[to] = exponent == EXAI_NOTHING ? 0.0f : (float)share * exai_power_of_two(exponent);
                    else
                        exai_store(way->keep, to, 1, &share, exai_size(share), exponent, NULL, relevance);
                }
                exponents[at] = EXAI_NOTHING;
            }
        }
        for (int32_t column = 0; column < layer->out_columns && row < layer->out_rows; column++, p++) {
            const int32_t exponent = above[pixels * out + p] - way->bits;
            const int32_t top = row * layer->stride_rows - layer->top, left = column * layer->stride_columns - layer->left;
            const int32_t taps = inside(top, layer->kernel_rows, layer->dilation_rows, layer->in_rows) *
                                 inside(left, kernel, layer->dilation_columns, columns);
            int32_t sum = 0;
            if (above[pixels * out + p] == EXAI_NOTHING || !taps) continue;
            for (int32_t j = 0; j < out; j++) sum += above[p * out + j];
            sum = (int32_t)((int64_t)sum * ((int64_t)1 << way->bits) / (taps * each));
            for (int32_t a = 0, i = top; a < layer->kernel_rows; a++, i += layer->dilation_rows) {
                if (i < 0 || i >= layer->in_rows) continue;
                for (int32_t b = 0, j = left; b < kernel; b++, j += layer->dilation_columns) {
                    const int32_t at = i % span * columns + j;
                    if (j < 0 || j >= columns) continue;
                    const int32_t by = exponents[at] - exponent;
                    if (by >= 0)
                        ring[at] += sum >> (by > 31 ? 31 : by);
                    else
                        exai_accumulate(ring + at, exponents + at, &sum, 1, exponent);
                }
            }
        }
    }
}
