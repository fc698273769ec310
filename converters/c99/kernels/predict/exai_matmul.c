/* BATCH_MATMUL of two maps: a column of the right one is widened, and meets the rows of the left one. */

#include "exai_arithmetic.h"

/* `count` values that lie `stride` apart, as they are or copied. */
static const int8_t *together(const int8_t *x, int32_t count, int32_t stride, int8_t *copy) {
    if (stride == 1) return x;
    for (int32_t i = 0; i < count; i++) copy[i] = x[i * stride];
    return copy;
}

static void matrix(const exai_product *p, const int8_t *a, const int8_t *b, int8_t *y, void *scratch) {
    const int32_t depth = p->depth;
    int16_t *const v = scratch;
    int8_t *const copy = (int8_t *)(v + exai_fours(depth));
    for (int32_t j = 0; j < p->columns; j++) {
        const int8_t *const column = together(b + j * p->column_b, depth, p->depth_b, copy);
        int32_t sum = 0;
        exai_widen(column, depth, p->zero_b, v, 4);
        for (int32_t k = 0; k < depth; k++) sum += column[k] - p->zero_b;
        for (int32_t i = 0; i < p->rows; i++) {
            const int8_t *const row = together(a + i * p->row_a, depth, p->depth_a, copy);
            const int32_t total = exai_dot(row, v, depth, 4) - p->zero_a * sum;
            y[i * p->columns + j] = exai_clamp(exai_scale(total, p->multiplier, p->shift) + p->zero, -128, 127);
        }
    }
}

void exai_matmul(const exai_product *p, const int8_t *a, const int8_t *b, int8_t *y, void *scratch) {
    for (int32_t i = 0; i < p->count[0]; i++) {
        for (int32_t j = 0; j < p->count[1]; j++) {
            for (int32_t k = 0; k < p->count[2]; k++, y += p->rows * p->columns) {
                matrix(p, a + i * p->batch_a[0] + j * p->batch_a[1] + k * p->batch_a[2],
                       b + i * p->batch_b[0] + j * p->batch_b[1] + k * p->batch_b[2], y, scratch);
            }
        }
    }
}
