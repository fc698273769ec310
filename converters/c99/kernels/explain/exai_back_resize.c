/* The way back through RESIZE_BILINEAR: each value gets its weights times the factors of those that look at it. */

#include "exai_resize.h"

/* The outputs from `*from` to `*to` - 1 look at value i of an axis; `*from` is where the search begins. */
static void looking(const exai_look *look, int32_t i, int32_t size, int32_t count, int32_t *from, int32_t *to) {
    int32_t at = *from;
    while (at < count && exai_place_of(look, at, size) <= (i - 1) * 1024) at++;
    *from = at;
    while (at < count && exai_place_of(look, at, size) < (i + 1) * 1024) at++;
    *to = at;
}

static int32_t weight(const exai_look *look, int32_t at, int32_t i, int32_t size) {
    const int32_t by = exai_place_of(look, at, size) - i * 1024;
    return 1024 - (by < 0 ? -by : by);
}

void exai_back_resize(const exai_resize_way *way, const int16_t *above, const void *gate, void *below, void *scratch) {
    const exai_resizing *const r = way->resizing;
    const int32_t channels = r->channels, columns = r->out_columns;
    const int16_t *const exponents = above + r->out_rows * columns * channels;
    int64_t *const sums = scratch;
    int32_t *const t = (int32_t *)(void *)(sums + channels);
    int32_t top = 0, bottom = 0;
    for (int32_t i = 0; i < r->in_rows; i++) {
        int32_t left = 0, right = 0;
        looking(r->row, i, r->in_rows, r->out_rows, &top, &bottom);
        for (int32_t j = 0; j < r->in_columns; j++) {
            int32_t most = EXAI_NOTHING;
            looking(r->column, j, r->in_columns, columns, &left, &right);
            for (int32_t k = top; k < bottom; k++) {
                for (int32_t l = left; l < right; l++) {
                    if (exponents[k * columns + l] > most) most = exponents[k * columns + l];
                }
            }
            memset(sums, 0, (size_t)channels * sizeof *sums);
            for (int32_t k = top; k < bottom; k++) {
                const int32_t high = weight(r->row, k, i, r->in_rows);
                for (int32_t l = left; l < right; l++) {
                    const int32_t pixel = k * columns + l, by = most - exponents[pixel];
                    const int16_t *const m = above + pixel * channels;
                    if (exponents[pixel] == EXAI_NOTHING || by > 20) continue;
                    const int32_t w = high * weight(r->column, l, j, r->in_columns) >> by;
                    for (int32_t c = 0; c < channels; c++) sums[c] += (int64_t)m[c] * w;
                }
            }
            most -= most == EXAI_NOTHING ? 0 : 20;
            exai_store_sums(way->keep, i * r->in_columns + j, channels, sums, t, most, gate, below);
        }
    }
}
