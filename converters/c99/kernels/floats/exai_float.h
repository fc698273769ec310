/* Kernels in float32, for cores with a floating-point unit: predicting and the way back are made of the same ones. */

#ifndef EXAI_FLOAT_H
#define EXAI_FLOAT_H

#include "exai.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A convolution, depthwise, transposed or dense layer, as `exai_layer` has it; `bias` may be NULL. */
typedef struct {
    const float *weights, *bias;
    int32_t in_rows, in_columns, in_channels, out_rows, out_columns, out_channels;
    int32_t kernel_rows, kernel_columns, stride_rows, stride_columns, dilation_rows, dilation_columns, top, left;
    float low, high;
} exai_float_layer;

typedef struct {
    int32_t in_rows, in_columns, channels, out_rows, out_columns;
    int32_t kernel_rows, kernel_columns, stride_rows, stride_columns, top, left;
    float low, high;
    int32_t largest; /* else the mean */
} exai_float_pool;

enum { EXAI_ADD, EXAI_SUB, EXAI_MUL, EXAI_DIV, EXAI_MINIMUM, EXAI_MAXIMUM };

/* Two maps; strides of 0 repeat one along an axis. */
typedef struct {
    int32_t count[4], stride_a[4], stride_b[4], operation;
    float low, high;
} exai_float_pair;

enum { EXAI_LIMIT, EXAI_LEAKY, EXAI_LOGISTIC, EXAI_TANH, EXAI_HARD_SWISH, EXAI_EXP, EXAI_ABS, EXAI_NEG };

/* A function of each value; `low` and `high` limit, `low` is the slope of EXAI_LEAKY. */
typedef struct {
    int32_t count, function;
    float low, high;
} exai_float_function;

/* A sum, times `scale`, or the largest over axes. */
typedef struct {
    int32_t count[3], stride[3], over[3], over_stride[3];
    float scale;
    int32_t largest;
} exai_float_reduction;

/* Rows along the last axis. */
typedef struct {
    int32_t rows, columns;
    float beta;
} exai_float_rows;

void exai_float_conv(const exai_float_layer *layer, const float *x, float *y);
void exai_float_depthwise(const exai_float_layer *layer, const float *x, float *y);
void exai_float_transposed(const exai_float_layer *layer, const float *x, float *y);
void exai_float_pools(const exai_float_pool *pool, const float *x, float *y);
void exai_float_pairs(const exai_float_pair *pair, const float *a, const float *b, float *y);
void exai_float_functions(const exai_float_function *function, const float *x, float *y);
void exai_float_reduce(const exai_float_reduction *reduction, const float *x, float *y);
void exai_float_softmax(const exai_float_rows *rows, const float *x, float *y);
void exai_float_largest(const exai_float_rows *rows, const float *x, int32_t *y);
void exai_float_to_whole(const float *x, int32_t count, int32_t *y);
void exai_float_of_whole(const int32_t *x, int32_t count, float *y);

#ifdef __cplusplus
}
#endif

#endif
