/* Layers with weights, and pools, in float32. */

#include "exai_float.h"

static inline float within(float x, float low, float high) {
    return x < low ? low : x > high ? high : x;
}

void exai_float_conv(const exai_float_layer *l, const float *x, float *y) {
    const int32_t in = l->in_channels, row_of_weights = l->kernel_columns * in;
    for (int32_t row = 0; row < l->out_rows; row++) {
        for (int32_t column = 0; column < l->out_columns; column++) {
            const float *w = l->weights;
            for (int32_t c = 0; c < l->out_channels; c++) {
                float sum = l->bias ? l->bias[c] : 0.0f;
                for (int32_t a = 0; a < l->kernel_rows; a++, w += row_of_weights) {
                    const int32_t i = row * l->stride_rows - l->top + a * l->dilation_rows;
                    if (i < 0 || i >= l->in_rows) continue;
                    for (int32_t b = 0; b < l->kernel_columns; b++) {
                        const int32_t j = column * l->stride_columns - l->left + b * l->dilation_columns;
                        if (j < 0 || j >= l->in_columns) continue;
                        const float *const from = x + (i * l->in_columns + j) * in, *const by = w + b * in;
                        for (int32_t k = 0; k < in; k++) sum += from[k] * by[k];
                    }
                }
                *y++ = within(sum, l->low, l->high);
            }
        }
    }
}

void exai_float_depthwise(const exai_float_layer *l, const float *x, float *y) {
    const int32_t out = l->out_channels, times = out / l->in_channels;
    for (int32_t row = 0; row < l->out_rows; row++) {
        for (int32_t column = 0; column < l->out_columns; column++, y += out) {
            for (int32_t c = 0; c < out; c++) y[c] = l->bias ? l->bias[c] : 0.0f;
            for (int32_t a = 0; a < l->kernel_rows; a++) {
                const int32_t i = row * l->stride_rows - l->top + a * l->dilation_rows;
                if (i < 0 || i >= l->in_rows) continue;
                for (int32_t b = 0; b < l->kernel_columns; b++) {
                    const int32_t j = column * l->stride_columns - l->left + b * l->dilation_columns;
                    if (j < 0 || j >= l->in_columns) continue;
                    const float *const from = x + (i * l->in_columns + j) * l->in_channels;
                    const float *const w = l->weights + (a * l->kernel_columns + b) * out;
                    if (times == 1)
                        for (int32_t c = 0; c < out; c++) y[c] += from[c] * w[c];
                    else
                        for (int32_t c = 0; c < out; c++) y[c] += from[c / times] * w[c];
                }
            }
            for (int32_t c = 0; c < out; c++) y[c] = within(y[c], l->low, l->high);
        }
    }
}

/* Weights (out, rows, columns, in): each input pixel adds its window to the output. */
void exai_float_transposed(const exai_float_layer *l, const float *x, float *y) {
    const int32_t in = l->in_channels, out = l->out_channels, pixels = l->out_rows * l->out_columns;
    for (int32_t p = 0; p < pixels; p++) {
        for (int32_t c = 0; c < out; c++) y[p * out + c] = l->bias ? l->bias[c] : 0.0f;
    }
    for (int32_t row = 0; row < l->in_rows; row++) {
        for (int32_t column = 0; column < l->in_columns; column++, x += in) {
            for (int32_t a = 0; a < l->kernel_rows; a++) {
                const int32_t i = row * l->stride_rows - l->top + a;
                if (i < 0 || i >= l->out_rows) continue;
                for (int32_t b = 0; b < l->kernel_columns; b++) {
                    const int32_t j = column * l->stride_columns - l->left + b;
                    if (j < 0 || j >= l->out_columns) continue;
                    float *const to = y + (i * l->out_columns + j) * out;
                    for (int32_t c = 0; c < out; c++) {
                        const float *const w = l->weights + ((c * l->kernel_rows + a) * l->kernel_columns + b) * in;
                        float sum = 0.0f;
                        for (int32_t k = 0; k < in; k++) sum += x[k] * w[k];
                        to[c] += sum;
                    }
                }
            }
        }
    }
    for (int32_t k = 0; k < pixels * out; k++) y[k] = within(y[k], l->low, l->high);
}

void exai_float_pools(const exai_float_pool *p, const float *x, float *y) {
    for (int32_t row = 0; row < p->out_rows; row++) {
        for (int32_t column = 0; column < p->out_columns; column++) {
            for (int32_t c = 0; c < p->channels; c++) {
                float sum = 0.0f, most = 0.0f;
                int32_t count = 0;
                for (int32_t a = 0; a < p->kernel_rows; a++) {
                    const int32_t i = row * p->stride_rows - p->top + a;
                    if (i < 0 || i >= p->in_rows) continue;
                    for (int32_t b = 0; b < p->kernel_columns; b++) {
                        const int32_t j = column * p->stride_columns - p->left + b;
                        if (j < 0 || j >= p->in_columns) continue;
                        const float value = x[(i * p->in_columns + j) * p->channels + c];
                        sum += value;
                        if (!count || value > most) most = value;
                        count++;
                    }
                }
                *y++ = within(p->largest ? most : sum / (float)count, p->low, p->high);
            }
        }
    }
}
