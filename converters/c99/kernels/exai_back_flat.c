/* The flat rule at the first layer: every position of a window alike. */

#include "exai_flow.h"

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
                    int32_t share = ring[at];
                    exai_store(way->keep, (next * columns + j) * each + k, 1, &share, exai_size(share), exponents[at], NULL,
                               relevance);
                }
                exponents[at] = EXAI_NOTHING;
            }
        }
        for (int32_t column = 0; column < layer->out_columns && row < layer->out_rows; column++, p++) {
            int32_t sum = 0, taps = 0;
            if (above[pixels * out + p] == EXAI_NOTHING) continue;
            for (int32_t j = 0; j < out; j++) sum += above[p * out + j];
            for (int32_t pass = 0; pass < 2; pass++) { /* count, then share out */
                for (int32_t t = 0; t < layer->kernel_rows * kernel; t++) {
                    const int32_t i = row * layer->stride_rows - layer->top + t / kernel * layer->dilation_rows;
                    const int32_t j = column * layer->stride_columns - layer->left + t % kernel * layer->dilation_columns;
                    if (i < 0 || i >= layer->in_rows || j < 0 || j >= columns) continue;
                    const int32_t at = i % span * columns + j;
                    if (pass)
                        exai_accumulate(ring + at, exponents + at, &sum, 1, above[pixels * out + p] - way->bits);
                    else
                        taps++;
                }
                if (!pass && taps) sum = (int32_t)((int64_t)sum * ((int64_t)1 << way->bits) / (taps * each));
            }
        }
    }
}
