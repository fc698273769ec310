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

#ifndef EXAI_SEVERAL_MODELS /* models that share these kernels are compiled with it, and so are the kernels */
#include "exai_uses.h"
#endif

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

/* A recurrent layer; arrays of four are for the input, forget, cell and output gate. `weights` (units, features) and
 * `recurrent` (units, units) have biases that zero points are folded into. */
typedef struct {
    const int8_t *weights[4], *recurrent[4];
    const int32_t *bias[4], *recurrent_bias[4];
    const uint16_t *table; /* 65536 / (1 + exp(-i / 24)), i < 256 */
    int32_t multiplier[4], recurrent_multiplier[4], forget_multiplier, input_multiplier, output_multiplier;
    uint16_t steps, features, units;
    int16_t zero, clip; /* of outputs; of cells, 0 where there is none */
    int8_t shift[4], recurrent_shift[4], forget_shift, input_shift, output_shift;
    int8_t cell_power; /* log2 of the cell's step */
} exai_lstm_layer;

/* Features of an input, of which each filter remembers the last `memory`; `rank` filters are a unit. */
typedef struct {
    const int8_t *features; /* (filters, inputs) */
    const void *times;      /* (filters, memory), the newest last: int8, or int16 if the state is `wide` */
    const int32_t *bias;
    int32_t feature_multiplier, multiplier;
    uint16_t inputs, filters, memory, rank;
    int16_t in_zero, state_zero, out_zero;
    int8_t feature_shift, shift;
    uint8_t wide;
} exai_svdf_layer;

/* Output i of an axis lies at (i * step + start) / 1024 in the input. */
typedef struct {
    int32_t step, start;
} exai_look;

typedef struct {
    const exai_look *row, *column;
    uint16_t in_rows, in_columns, out_rows, out_columns, channels;
} exai_resizing;

/* Products of matrices (rows, depth) and (depth, columns), which lie as their strides say; `count` of them, whose strides
 * are 0 where there is one for all. */
typedef struct {
    int32_t batch_a[3], batch_b[3], row_a, depth_a, depth_b, column_b;
    int32_t multiplier;
    uint16_t count[3], rows, columns, depth;
    int16_t zero_a, zero_b, zero;
    int8_t shift;
} exai_product;

void exai_conv(const exai_layer *layer, const int8_t *x, int8_t *y, void *scratch);
enum { EXAI_PIECE = 512 }; /* values of a long row that are widened at a time; a multiple of 4 */
void exai_dense(const exai_layer *layer, const int8_t *x, int8_t *y, void *scratch);
void exai_depthwise(const exai_layer *layer, const int8_t *x, int8_t *y, void *scratch);
void exai_average_pool(const exai_pool *pool, const int8_t *x, int8_t *y);
void exai_max_pool(const exai_pool *pool, const int8_t *x, int8_t *y);
void exai_add(const exai_pair *pair, const int8_t *a, const int8_t *b, int8_t *y);
void exai_multiply(const exai_pair *pair, const int8_t *a, const int8_t *b, int8_t *y);
void exai_extreme(const exai_pair *pair, const int8_t *a, const int8_t *b, int8_t *y); /* sign_b: 1 larger, -1 smaller */
void exai_prelu(const exai_pair *pair, const int8_t *x, const int8_t *slope, int8_t *y); /* `multiplier_a` below zero */
void exai_reduce_extreme(const exai_reduction *reduction, const int8_t *x, int8_t *y); /* `multiplier`: 1 or -1 */
void exai_reduce(const exai_reduction *reduction, const int8_t *x, int8_t *y);
void exai_shift(const exai_move *move, const void *x, void *y);
/* The position of each row's largest value. */
void exai_largest(const int8_t *x, int32_t rows, int32_t columns, int32_t *y);
void exai_smallest(const int8_t *x, int32_t rows, int32_t columns, int32_t *y);
/* Rows in steps of 1/128 of their length. */
void exai_unit_length(const int8_t *x, int32_t rows, int32_t columns, int32_t zero, int8_t *y);
void exai_squared_difference(const exai_pair *pair, const int8_t *a, const int8_t *b, int8_t *y);
/* Rows of a table by their numbers, of which those below 0 count from the end; beyond it are its first and last. */
void exai_table_rows(const int8_t *table, int32_t rows, int32_t width, const int32_t *numbers, int32_t count, int8_t *y);
void exai_whole(const float *x, int32_t count, int32_t *y);
void exai_requantize16(const int16_t *x, int32_t count, int32_t in_zero, int32_t multiplier, int32_t shift, int32_t zero,
                       int8_t *y);
void exai_lookup(const int8_t *table, const int8_t *x, int32_t count, int8_t *y);
void exai_lookup16(const int16_t *table, const int8_t *x, int32_t count, int16_t *y);
void exai_svdf(const exai_svdf_layer *layer, const int8_t *x, void *state, int8_t *y, void *scratch);
void exai_resize(const exai_resizing *resizing, const int8_t *x, int8_t *y);
void exai_matmul(const exai_product *product, const int8_t *a, const int8_t *b, int8_t *y, void *scratch);
/* A sequence from the zero state. With `kept` (steps, 3, units), what the way back needs is written there. */
void exai_lstm(const exai_lstm_layer *layer, const int8_t *x, int16_t *kept, int8_t *y, void *scratch);
void exai_softmax_rows(const exai_softmax *softmax, const int8_t *x, int8_t *y);
void exai_softmax_rows16(const exai_softmax *softmax, const int8_t *x, void *y); /* int16 */
/* int16 in another scale, as int32. */
void exai_rescale16(const void *x, int32_t count, int32_t in_zero, int32_t multiplier, int32_t shift, int32_t zero, int32_t *y);
void exai_quantize(const float *x, int32_t count, float scale, int32_t zero, int8_t *y);
void exai_dequantize(const int8_t *x, int32_t count, float scale, int32_t zero, float *y);

/* Relevance on its way back.
 *
 * A flow is what arrives at a map: int16 mantissas (pixels, channels), then one int16 exponent a pixel; a value is
 * m * 2^e. It is relevance itself, or the factor that it is of the map's value in quantized steps, so that scales cancel.
 */
enum { EXAI_FACTOR, EXAI_RELEVANCE, EXAI_MAP };     /* what a flow is; MAP: float32, `run` channels summed */
enum { EXAI_OPEN, EXAI_VALUES, EXAI_BITS };         /* what gates it: nothing, the map's values, their signs as bits */
enum { EXAI_ALL, EXAI_POSITIVE, EXAI_SIGNED };      /* weights that share: all, positive ones, those of positive products */
enum { EXAI_NOTHING = -32768 };                     /* the exponent of a pixel of zeros */
enum { EXAI_PRECISION = 14, EXAI_ENOUGH = 12 };     /* bits of a mantissa; of relevance, which is not listed where it is less */

/* How a flow is kept at the map below. */
typedef struct {
    int32_t pixels;
    uint16_t channels, run;
    int16_t zero; /* of the map's values */
    uint8_t from, form, gate, adds;
} exai_keep;

/* A layer's way back. If it `divides`, relevance is divided by the sum of what shares, plus `stabilizer` / 2^(16 + steps) of
 * the output's steps or, if that is 0, the bias (of weights that share by sign, a positive one); else factors are
 * multiplied by the layer's multiplier (LRP-epsilon). Factors of weights have `bits`, at most 14, so that no sum overflows. */
typedef struct {
    const exai_layer *layer;
    const exai_keep *keep;
    int32_t stabilizer;
    int8_t steps;
    uint16_t before; /* of a step of a stream: inputs that are what the steps before left */
    uint16_t block; /* inputs whose columns of weights are widened at a time; 0: none, their rows are read */
    uint8_t wide;   /* whether rows of weights are widened to divide */
    uint8_t weights, bits;
    uint8_t divides;
    uint8_t parts; /* whether what factors of a pixel leave beside its greatest one is kept, and added */
    uint8_t fold;  /* weights times multipliers are divided by 2^fold */
    uint8_t down;  /* bits that what relevance is divided by is too long */
    int8_t most;   /* the largest of the layer's shifts */
} exai_way;

/* A pool's way back; `ratio` / 2^`shift` is the step of its input over that of its output. */
typedef struct {
    const exai_pool *pool;
    const exai_keep *keep;
    int32_t ratio;
    int8_t shift;
} exai_pool_way;

/* The way back of a SOFTMAX along its `channels`; `ratio` / 2^`shift` is the step of its input. */
typedef struct {
    const exai_keep *keep;
    int32_t channels, ratio;
    int8_t shift;
} exai_softmax_way;

/* One summand's way back: values times `own` and `other` are in one scale. `channels` are those of the sum. */
typedef struct {
    const exai_keep *keep;
    int32_t channels, own, other; /* by sign; without, `own` / 2^`shift` is the summand's step over that of the sum */
    int16_t own_zero, other_zero;
    int8_t shift;
    uint8_t by_sign;
} exai_summand;

/* The way back of a sum of `channels` from its summands: relevance over the sum, in 2^-8 of whose steps the pair ends, or what
 * the first (1) or second (2) of them shares by sign. */
typedef struct {
    const exai_keep *keep;
    const exai_pair *pair;
    int32_t channels;
    uint8_t shares;
} exai_pair_way;

/* The way back of what moves, adds, scales or averages: value i of an axis is number (i - first) / step of those that lie
 * above, `stride` apart from `start` on, if that is a whole number below `used`. It gets `ratio` / 2^`shift` times that,
 * summed over copies, times the value of another factor where there is one. */
typedef struct {
    const exai_keep *keep;
    int32_t pixels, channels; /* above */
    int32_t start, stride[4], other_stride[4], copies_stride[3], copies_other[3];
    uint16_t count[4], used[4], copies[3];
    int16_t first[4], step[4];
    int32_t ratio;
    int16_t other_zero;
    int8_t shift;
    uint8_t left; /* bits that are kept below the largest exponent's */
} exai_gather;

/* A recurrent layer's way back: steps of inputs, weights and outputs as scales of factors. */
typedef struct {
    const exai_lstm_layer *layer;
    const exai_keep *keep;
    float input_scale, recurrent_scale;
} exai_lstm_way;

/* The way back of SVDF; biases in steps of the output, `ratio` / 2^`shift` is the product of all scales. */
typedef struct {
    const exai_svdf_layer *layer;
    const exai_keep *keep;
    const float *bias;
    float scale; /* of relevance */
    int32_t ratio;
    int8_t shift;
    uint8_t bits; /* of factors, so that no sum overflows */
} exai_svdf_way;

typedef struct {
    const exai_resizing *resizing;
    const exai_keep *keep;
} exai_resize_way;

typedef struct {
    int32_t count;
    float scale; /* of a factor of one */
    int16_t zero;
    uint8_t form, less_mean, cut; /* by a RELU, which hands no factor on where it is zero */
} exai_target;

/* An autoencoder: `ratio` is the step of the input in steps of the output, Q16; `run` channels are summed in the map. */
typedef struct {
    int32_t count, ratio;
    float scale;
    uint16_t in_channels, out_channels, run;
    int16_t in_zero, out_zero;
} exai_error;

void exai_signs(const int8_t *x, int32_t count, int32_t zero, uint8_t *bits);
void exai_start(const exai_target *t, const int8_t *logits, int16_t *flow, int32_t *target, float *score);
void exai_start_error(const exai_error *e, const int8_t *x, const int8_t *y, int16_t *flow, int32_t *target, float *score);
void exai_finish(float scale, int32_t count, float *relevance);
void exai_finish_error(const exai_error *e, const int8_t *x, const int8_t *y, const int16_t *flow, float *relevance);
/* A layer's relevance becomes factors in its place. Which function a layer needs is known when the sources are written, so
 * that a linker leaves the others out: rows of few pixels, a pointwise layer, windows, windows of fewer than 3 inputs. */
void exai_back_rows(const exai_way *way, const int8_t *x, int16_t *above, const void *gate, void *below, void *scratch);
void exai_back_pointwise(const exai_way *way, const int8_t *x, int16_t *above, const void *gate, void *below, void *scratch);
/* One window, of which `before` values are states: what is about them is added to `state`, in units of `scale`. */
void exai_back_step(const exai_way *way, const int8_t *x, int16_t *above, const void *gate, void *below, float scale,
                    float *state, void *scratch);
void exai_back_windows(const exai_way *way, const int8_t *x, int16_t *above, const void *gate, void *below, void *scratch);
void exai_back_narrow(const exai_way *way, const int8_t *x, const int16_t *above, const void *gate, void *below,
                      void *scratch);
void exai_back_depthwise(const exai_way *way, const int8_t *x, const int16_t *above, const void *gate, void *below,
                         void *scratch);
void exai_back_flat(const exai_way *way, const int16_t *above, float *relevance, void *scratch);
void exai_back_mean(const exai_pool_way *way, const int16_t *above, const void *gate, void *below, void *scratch);
void exai_back_pool(const exai_pool_way *way, const int16_t *above, const void *gate, void *below, void *scratch);
void exai_back_max(const exai_pool_way *way, const int8_t *x, const int16_t *above, const void *gate, void *below,
                   void *scratch);
/* One window over the whole map. */
void exai_back_largest(const exai_pool_way *way, const int8_t *x, const int16_t *above, const void *gate, void *below,
                       void *scratch);
/* `below` may be `above`. */
void exai_back_pair(const exai_pair_way *way, const int8_t *a, const int8_t *b, const int16_t *above, const void *gate,
                    void *below, void *scratch);
void exai_back_sum(const exai_summand *way, const int8_t *own, const int8_t *other, const int16_t *above,
                   const void *gate, void *below, void *scratch);
/* The larger (`own` of 1) or smaller (-1) of two maps; `other` is 0 where the other one is a single value. */
void exai_back_extreme(const exai_summand *way, const int8_t *own, const int8_t *other, const int16_t *above,
                       const void *gate, void *below, void *scratch);
void exai_back_softmax(const exai_softmax_way *way, const int8_t *y, const int16_t *above, const void *gate, void *below,
                       void *scratch);
void exai_back_gather(const exai_gather *way, const int8_t *other, const int16_t *above, const void *gate, void *below,
                      void *scratch);
void exai_back_lstm(const exai_lstm_way *way, const int16_t *kept, const int16_t *above, const void *gate, void *below,
                    void *scratch);
/* Adds to `state` what is about the steps before. */
void exai_back_svdf(const exai_svdf_way *way, const int8_t *x, const int8_t *y, const int16_t *above, const void *gate,
                    void *below, float *state, void *scratch);
void exai_back_resize(const exai_resize_way *way, const int16_t *above, const void *gate, void *below, void *scratch);
void exai_total(const float *values, int32_t count, float scale, float *sum); /* adds to it */
/* `channels` are those of the map above. */
void exai_back_same(const exai_keep *keep, int32_t channels, const int16_t *above, const void *gate, void *below,
                    void *scratch);

#ifdef __cplusplus
}
#endif

#endif
