/* AVERAGE_POOL_2D, MAX_POOL_2D, MEAN and SUM. */

#include "exai_arithmetic.h"

typedef struct {
    int32_t top, bottom, left, right;
} box;

static box inside(const exai_pool *pool, int32_t row, int32_t column) {
    const int32_t y = row * pool->stride_rows - pool->top, x = column * pool->stride_columns - pool->left;
    box found = {y < 0 ? 0 : y, y + pool->kernel_rows, x < 0 ? 0 : x, x + pool->kernel_columns};
    if (found.bottom > pool->in_rows) found.bottom = pool->in_rows;
    if (found.right > pool->in_columns) found.right = pool->in_columns;
    return found;
}

void exai_average_pool(const exai_pool *pool, const int8_t *x, int8_t *y) {
    for (int32_t row = 0; row < pool->out_rows; row++) {
        for (int32_t column = 0; column < pool->out_columns; column++) {
            const box b = inside(pool, row, column);
            const int32_t count = (b.bottom - b.top) * (b.right - b.left);
            for (int32_t c = 0; c < pool->channels; c++) {
                int32_t sum = 0;
                for (int32_t i = b.top; i < b.bottom; i++) {
                    const int8_t *from = x + (i * pool->in_columns + b.left) * pool->channels + c;
                    for (int32_t j = b.left; j < b.right; j++, from += pool->channels) sum += *from;
                }
                sum = (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
                *y++ = exai_clamp(sum, pool->low, pool->high);
            }
        }
    }
}

void exai_max_pool(const exai_pool *pool, const int8_t *x, int8_t *y) {
    for (int32_t row = 0; row < pool->out_rows; row++) {
        for (int32_t column = 0; column < pool->out_columns; column++) {
            const box b = inside(pool, row, column);
            for (int32_t c = 0; c < pool->channels; c++) {
                int32_t most = -128;
                for (int32_t i = b.top; i < b.bottom; i++) {
                    const int8_t *from = x + (i * pool->in_columns + b.left) * pool->channels + c;
                    for (int32_t j = b.left; j < b.right; j++, from += pool->channels) {
                        if (*from > most) most = *from;
                    }
                }
                *y++ = exai_clamp(most, pool->low, pool->high);
            }
        }
    }
}

void exai_reduce(const exai_reduction *r, const int8_t *x, int8_t *y) {
    for (int32_t a = 0; a < r->count[0]; a++) {
        for (int32_t b = 0; b < r->count[1]; b++) {
            for (int32_t c = 0; c < r->count[2]; c++) {
                const int8_t *const from = x + a * r->stride[0] + b * r->stride[1] + c * r->stride[2];
                int32_t sum = r->offset;
                for (int32_t i = 0; i < r->over[0]; i++) {
                    for (int32_t j = 0; j < r->over[1]; j++) {
                        const int8_t *one = from + i * r->over_stride[0] + j * r->over_stride[1];
                        for (int32_t k = 0; k < r->over[2]; k++, one += r->over_stride[2]) sum += *one;
                    }
                }
                *y++ = exai_clamp(exai_scale(sum, r->multiplier, r->shift) + r->zero, -128, 127);
            }
        }
    }
}

void exai_reduce_extreme(const exai_reduction *r, const int8_t *x, int8_t *y) {
    for (int32_t a = 0; a < r->count[0]; a++) {
        for (int32_t b = 0; b < r->count[1]; b++) {
            for (int32_t c = 0; c < r->count[2]; c++) {
                const int8_t *const from = x + a * r->stride[0] + b * r->stride[1] + c * r->stride[2];
                int8_t best = *from;
                for (int32_t i = 0; i < r->over[0]; i++) {
                    for (int32_t j = 0; j < r->over[1]; j++) {
                        const int8_t *one = from + i * r->over_stride[0] + j * r->over_stride[1];
                        for (int32_t k = 0; k < r->over[2]; k++, one += r->over_stride[2])
                            best = (*one > best) == (r->multiplier > 0) ? *one : best;
                    }
                }
                *y++ = best;
            }
        }
    }
}
