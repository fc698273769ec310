/* RESIZE_BILINEAR: each value lies between two rows and two columns. */

#include "exai_resize.h"

void exai_resize(const exai_resizing *r, const int8_t *x, int8_t *y) {
    const int32_t channels = r->channels;
    for (int32_t i = 0; i < r->out_rows; i++) {
        const int32_t row = exai_place_of(r->row, i, r->in_rows), down = row & 1023;
        const int8_t *const above = x + (row >> 10) * r->in_columns * channels;
        const int8_t *const under = down ? above + r->in_columns * channels : above;
        for (int32_t j = 0; j < r->out_columns; j++) {
            const int32_t column = exai_place_of(r->column, j, r->in_columns), right = column & 1023;
            const int32_t near = (column >> 10) * channels, far = right ? near + channels : near;
            for (int32_t c = 0; c < channels; c++) {
                const int32_t left = above[near + c] * (1024 - down) + under[near + c] * down;
                const int32_t other = above[far + c] * (1024 - down) + under[far + c] * down;
                const int32_t sum = left * (1024 - right) + other * right;
                *y++ = (int8_t)((sum + (sum > 0 ? 1 << 19 : -(1 << 19))) / (1 << 20));
            }
        }
    }
}
