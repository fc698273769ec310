/* Integer kernels of generated models: portable C99, no heap, no globals, no recursion, no library but memcpy, memset.
 *
 * Maps are int8, rows before columns before channels (NHWC), batch 1. Arithmetic is TensorFlow Lite Micro's, bit for
 * bit. Negative integers are shifted right arithmetically, as every compiler for these machines does.
 */

#ifndef EXAI_H
#define EXAI_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A convolution, depthwise convolution or dense layer (which is a 1x1 convolution of `out_rows` rows).
 *
 * weights: (out, kernel rows, kernel columns, in), depthwise (kernel rows, kernel columns, out). `bias` has what the
 * input's zero point adds folded in. `multiplier` and `shift` have one value for each channel if `step` is 1, one for
 * all if it is 0.
 */
typedef struct {
    const int8_t *weights;
    const int32_t *bias;
    const int32_t *multiplier;
    const int8_t *shift;
    uint16_t in_rows, in_columns, in_channels;
    uint16_t out_rows, out_columns, out_channels;
    uint16_t kernel_rows, kernel_columns;
    uint16_t stride_rows, stride_columns;
    uint16_t dilation_rows, dilation_columns;
    uint16_t top, left; /* padding */
    int16_t in_zero, out_zero, low, high;
    uint16_t step;
} exai_layer;

/* A pool over windows. */
typedef struct {
    uint16_t in_rows, in_columns, channels, out_rows, out_columns;
    uint16_t kernel_rows, kernel_columns, stride_rows, stride_columns;
    uint16_t top, left;
    int16_t low, high;
} exai_pool;

/* An element-wise operation of two maps; strides of 0 repeat one along an axis. */
typedef struct {
    uint16_t count[4], stride_a[4], stride_b[4];
    int32_t multiplier_a, multiplier_b, multiplier;
    int16_t zero_a, zero_b, zero, low, high;
    int8_t shift_a, shift_b, shift, sign_b;
} exai_pair;

/* A mean or sum over axes. */
typedef struct {
    uint16_t count[3], over[3];
    int32_t stride[3], over_stride[3];
    int32_t multiplier, offset;
    int16_t shift, zero;
} exai_reduction;

/* A block of bytes that moves: `run` bytes lie together. */
typedef struct {
    int32_t count[4], from_stride[4], to_stride[4];
    int32_t from, to, run;
} exai_move;

typedef struct {
    const int32_t *exponentials; /* exp(-d * scale * beta) for a difference d from the largest, Q0.31 */
    uint16_t rows, columns, differences;
} exai_softmax;

void exai_conv(const exai_layer *layer, const int8_t *x, int8_t *y, void *scratch);
void exai_depthwise(const exai_layer *layer, const int8_t *x, int8_t *y, void *scratch);
void exai_average_pool(const exai_pool *pool, const int8_t *x, int8_t *y);
void exai_max_pool(const exai_pool *pool, const int8_t *x, int8_t *y);
void exai_add(const exai_pair *pair, const int8_t *a, const int8_t *b, int8_t *y);
void exai_multiply(const exai_pair *pair, const int8_t *a, const int8_t *b, int8_t *y);
void exai_reduce(const exai_reduction *reduction, const int8_t *x, int8_t *y);
void exai_shift(const exai_move *move, const void *x, void *y);
void exai_lookup(const int8_t *table, const int8_t *x, int32_t count, int8_t *y);
void exai_softmax_rows(const exai_softmax *softmax, const int8_t *x, int8_t *y);
void exai_quantize(const float *x, int32_t count, float scale, int32_t zero, int8_t *y);
void exai_dequantize(const int8_t *x, int32_t count, float scale, int32_t zero, float *y);

/* Relevance: exai_relevance.c. */
void exai_start(const int8_t *logits, int32_t count, float scale, int32_t zero, float *c, int32_t *target, float *score);
void exai_back(const exai_layer *layer, const int8_t *y, const float *above, float *below, int32_t depthwise);
void exai_back_pool(const exai_pool *pool, const float *above, float *below);
void exai_back_add(const int8_t *y, const float *above, int32_t count, int32_t low, float ratio, float *below);
void exai_finish(const int8_t *x, const float *c, int32_t pixels, int32_t channels, int32_t zero, float *relevance);

#ifdef __cplusplus
}
#endif

#endif
