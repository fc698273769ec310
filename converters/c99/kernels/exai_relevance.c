/* LRP-epsilon in float32. A map c holds relevance per step of its int8 value: R = (q - zero point) * c. Going back
 * through a layer, c is multiplied by weights and by the multiplier that brought sums to the output's scale, so that no
 * scale is needed but the logits'. Outputs that a RELU cut off pass nothing, and their work is skipped.
 */

#include "exai_arithmetic.h"

static float power_of_two(int32_t exponent) {
    const uint32_t bits = exponent < -126 ? 0u : (uint32_t)(exponent + 127) << 23;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

void exai_start(const int8_t *logits, int32_t count, float scale, int32_t zero, float *c, int32_t *target, float *score) {
    int32_t best = 0;
    for (int32_t i = 0; i < count; i++) {
        c[i] = 0.0f;
        if (logits[i] > logits[best]) best = i;
    }
    c[best] = scale;
    *target = best;
    *score = scale * (float)(logits[best] - zero);
}

void exai_back(const exai_layer *layer, const int8_t *y, const float *above, float *below, int32_t depthwise) {
    const int32_t out = layer->out_channels, in = layer->in_channels, columns = layer->kernel_columns;
    const int32_t taps = layer->kernel_rows * columns, times = depthwise ? out / in : 1;
    const int cut = layer->low == layer->out_zero;
    for (int32_t row = 0; row < layer->out_rows; row++) {
        for (int32_t column = 0; column < layer->out_columns; column++, y += out, above += out) {
            for (int32_t j = 0; j < out; j++) {
                if ((cut && y[j] <= layer->low) || !(above[j] < 0.0f || above[j] > 0.0f)) continue;
                const int32_t which = j * layer->step;
                const float s = above[j] * (float)layer->multiplier[which] * power_of_two(layer->shift[which] - 31);
                for (int32_t t = 0; t < taps; t++) {
                    const int32_t r = row * layer->stride_rows - layer->top + t / columns * layer->dilation_rows;
                    const int32_t q = column * layer->stride_columns - layer->left + t % columns * layer->dilation_columns;
                    if (r < 0 || r >= layer->in_rows || q < 0 || q >= layer->in_columns) continue;
                    float *const to = below + (r * layer->in_columns + q) * in;
                    if (depthwise) {
                        to[j / times] += s * (float)layer->weights[t * out + j];
                    } else {
                        const int8_t *const w = layer->weights + (j * taps + t) * in;
                        for (int32_t i = 0; i < in; i++) to[i] += s * (float)w[i];
                    }
                }
            }
        }
    }
}

void exai_back_pool(const exai_pool *p, const float *above, float *below) {
    for (int32_t row = 0; row < p->out_rows; row++) {
        for (int32_t column = 0; column < p->out_columns; column++, above += p->channels) {
            int32_t top = row * p->stride_rows - p->top, left = column * p->stride_columns - p->left;
            int32_t bottom = top + p->kernel_rows, right = left + p->kernel_columns;
            if (bottom > p->in_rows) bottom = p->in_rows;
            if (right > p->in_columns) right = p->in_columns;
            if (top < 0) top = 0;
            if (left < 0) left = 0;
            const float share = 1.0f / (float)((bottom - top) * (right - left));
            for (int32_t i = top; i < bottom; i++) {
                for (int32_t j = left; j < right; j++) {
                    float *const to = below + (i * p->in_columns + j) * p->channels;
                    for (int32_t c = 0; c < p->channels; c++) to[c] += above[c] * share;
                }
            }
        }
    }
}

void exai_back_add(const int8_t *y, const float *above, int32_t count, int32_t low, float ratio, float *below) {
    for (int32_t i = 0; i < count; i++) below[i] += y[i] > low ? above[i] * ratio : 0.0f;
}

void exai_finish(const int8_t *x, const float *c, int32_t pixels, int32_t channels, int32_t zero, float *relevance) {
    for (int32_t p = 0; p < pixels; p++, x += channels, c += channels) {
        float sum = 0.0f;
        for (int32_t i = 0; i < channels; i++) sum += (float)(x[i] - zero) * c[i];
        relevance[p] = sum;
    }
}
