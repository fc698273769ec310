/* The way back through windows: for each pixel of the input, the factors of the outputs whose windows hold it are put side by
 * side, and meet the columns of weights of listed inputs. Rows of outputs share an exponent while they lie in one window.
 */

#include "exai_wide.h"

/* Weights of inputs first ... last - 1, a row for each: taps in order of their class, in a class the last one first. */
static void columns_of(const exai_way *way, int32_t first, int32_t last, int32_t below, int16_t *wide) {
    const exai_layer *const layer = way->layer;
    const int32_t width = exai_eights(layer->out_channels), taps = layer->kernel_rows * layer->kernel_columns;
    for (int32_t cy = 0; cy < layer->stride_rows; cy++) {
        for (int32_t cx = 0; cx < layer->stride_columns; cx++) {
            for (int32_t a = layer->kernel_rows - 1; a >= 0; a--) {
                for (int32_t b = layer->kernel_columns - 1; b >= 0; b--) {
                    if (a * layer->dilation_rows % layer->stride_rows != cy) continue;
                    if (b * layer->dilation_columns % layer->stride_columns != cx) continue;
                    exai_wide_columns(way, a * layer->kernel_columns + b, first, last, taps * width, below, wide);
                    wide += width;
                }
            }
        }
    }
}

/* A row of outputs as a window takes it: columns ... columns + n - 1, nothing outside the map. */
static void gather(const exai_rows *r, int32_t row, const int16_t *columns, int32_t n, int16_t *v) {
    const int32_t width = r->width, all = r->layer->out_columns;
    const int16_t *const from = r->rows + row % r->span * all * width;
    const int inside = row >= 0 && row < r->next;
    if (inside && r->layer->stride_columns == 1 && r->layer->dilation_columns == 1 && columns[0] >= 0 &&
        columns[n - 1] < all) {
        memcpy(v, from + columns[0] * width, (size_t)(n * width) * sizeof *v);
        return;
    }
    for (int32_t k = 0; k < n; k++, v += width) {
        if (inside && columns[k] >= 0 && columns[k] < all)
            memcpy(v, from + columns[k] * width, (size_t)width * sizeof *v);
        else
            memset(v, 0, (size_t)width * sizeof *v);
    }
}

/* Scratch: sums and values of a pixel, two windows and what they take, columns of `block` inputs, rows of outputs, lists;
 * for more than one block, sums and exponents of all pixels, too. */
void exai_back_windows(const exai_way *way, const int8_t *x, const int16_t *above, const void *gate, void *below,
                       void *scratch) {
    const exai_layer *const layer = way->layer;
    const exai_keep *const keep = way->keep;
    const int32_t kr = layer->kernel_rows, kc = layer->kernel_columns, taps = kr * kc, in = layer->in_channels;
    const int32_t width = exai_eights(layer->out_channels), stride = taps * width, all = layer->in_columns;
    const int32_t block = way->block, sides = way->weights == EXAI_SIGNED ? 2 : 1, pixels = layer->in_rows * all;
    int32_t *const sums = scratch, *const dense = sums + in, *const map = dense + in;
    int16_t *const v = (int16_t *)(map + (block < in ? pixels * in : 0)), *const wide = v + stride;
    int16_t *const exponents = wide + sides * block * stride, *const room = exponents + (block < in ? layer->in_rows : 0);
    exai_rows r;
    exai_rows_begin(&r, layer, above, width, room);
    uint16_t *const list = (uint16_t *)(r.own + r.span), *const rows = list + in;
    int16_t *const outs = (int16_t *)(rows + in), *const columns = outs + kr;
    for (int32_t first = 0; first < in; first += block) {
        const int32_t last = first + block < in ? first + block : in;
        columns_of(way, first, last, block * stride, wide);
        exai_rows_begin(&r, layer, above, width, room);
        for (int32_t i = 0; i < layer->in_rows; i++) {
            int32_t exponent = exai_rows_load(&r, i);
            const int32_t na = exai_meeting(i + layer->top, kr, layer->stride_rows, layer->dilation_rows, outs);
            const int32_t taps_above =
                kc * exai_taps_before((i + layer->top) % layer->stride_rows, kr, layer->stride_rows, layer->dilation_rows);
            if (exponent != EXAI_NOTHING) exponent += exai_wide_exponent(way);
            if (block < in) exponents[i] = (int16_t)exponent;
            for (int32_t j = 0; j < all; j++) {
                const int32_t p = i * all + j;
                const int32_t nb = exai_meeting(j + layer->left, kc, layer->stride_columns, layer->dilation_columns, columns);
                const int32_t before = taps_above + na * exai_taps_before((j + layer->left) % layer->stride_columns, kc,
                                                                          layer->stride_columns, layer->dilation_columns);
                int32_t n = 0;
                if (exponent != EXAI_NOTHING && na && nb) {
                    n = exai_list_kept(keep, p, first, last, gate, list);
                    n = exai_list_rows(way, x + p * in, list, n, first, block, rows);
                    for (int32_t a = 0; a < na && n; a++) gather(&r, outs[a], columns, nb, v + a * nb * width);
                    exai_dots(wide + before * width, stride, rows, n, v, na * nb * width, sums);
                }
                if (block == in) {
                    exai_keep_listed(keep, p, list, n, sums, exponent, gate, below, dense);
                } else {
                    memset(map + p * in + first, 0, (size_t)(last - first) * sizeof *map);
                    for (int32_t k = 0; k < n; k++) map[p * in + list[k]] = sums[k];
                }
            }
        }
    }
    for (int32_t p = 0; p < pixels && block < in; p++) {
        exai_store(keep, p, in, map + p * in, exai_sizes(map + p * in, in), exponents[p / all], gate, below);
    }
}
