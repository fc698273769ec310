/* The way back through convolutions and dense layers. Units that a RELU cut off carry no relevance: they are not listed, and
 * their weights are not read. First each output pixel's relevance becomes factors, in its place, then each input gets the
 * sum of its weights times the factors that it meets. Where many pixels meet the same weights, these are widened once.
 */

#include "exai_wide.h"

static inline int32_t even(int32_t count) {
    return count + (count & 1);
}

/* Relevance over what shares in each unit, in its place. */
static void divide(const exai_way *way, const int8_t *x, int16_t *above, void *scratch) {
    const exai_layer *const layer = way->layer;
    const int32_t taps = layer->kernel_rows * layer->kernel_columns, in = layer->in_channels, out = layer->out_channels;
    const int32_t depth = taps * in, eights = exai_eights(depth), columns = layer->out_columns;
    const int32_t pixels = layer->out_rows * columns, sides = way->weights == EXAI_SIGNED ? 2 : 1;
    const int direct = taps == 1 && layer->stride_rows == 1 && layer->stride_columns == 1;
    int32_t *const d = scratch;
    int16_t *const v = (int16_t *)(d + out), *const wide = v + sides * eights;
    uint16_t *const list = (uint16_t *)(wide + (way->wide ? out * sides * eights : 0));
    int8_t *const window = (int8_t *)(list + even(out));
    if (way->wide) exai_wide_rows(layer->weights, out, depth, way->weights, wide);
    for (int32_t p = 0; p < pixels; p++) {
        int16_t *const m = above + p * out, *const exponent = above + pixels * out + p;
        if (*exponent == EXAI_NOTHING) continue;
        const int32_t n = exai_list(m, out, list);
        const int8_t *from = x + p * in;
        if (!direct) {
            exai_window(layer, x, p / columns, p % columns, window);
            from = window;
        }
        exai_wide_vector(from, depth, layer->in_zero, way->weights, v);
        if (way->wide)
            exai_dots(wide, sides * eights, list, n, v, sides * eights, d);
        else
            exai_rows_dot(layer->weights, depth, list, n, v, eights, way->weights, d);
        *exponent = (int16_t)exai_divide_listed(m, list, n, way->offset, d, way->bits, *exponent);
    }
}

/* Factors times the layer's multiplier, in their place. */
static void multiply(const exai_way *way, int16_t *above, int32_t *products) {
    const exai_layer *const layer = way->layer;
    const int32_t out = layer->out_channels, pixels = layer->out_rows * layer->out_columns;
    for (int32_t p = 0; p < pixels; p++) {
        int16_t *const m = above + p * out, *const exponent = above + pixels * out + p;
        uint32_t size = 0;
        if (*exponent == EXAI_NOTHING) continue;
        for (int32_t j = 0; j < out; j++) size |= exai_size(products[j] = exai_multiplied(layer, j, m[j], way->most));
        const int32_t by = exai_length(size) - way->bits;
        for (int32_t j = 0; j < out; j++) m[j] = (int16_t)exai_shifted(products[j], by);
        *exponent = (int16_t)(size ? *exponent + way->most - 15 + by : EXAI_NOTHING);
    }
}

/* Few pixels: listed rows of the weights themselves, added. Of windows, what lies outside the map goes. */
static void add_rows(const exai_way *way, const int8_t *x, const int16_t *above, const void *gate, void *below,
                     void *scratch) {
    const exai_layer *const layer = way->layer;
    const int32_t in = layer->in_channels, out = layer->out_channels, pixels = layer->out_rows * layer->out_columns;
    int32_t *const sums = scratch;
    exai_entry *const entries = (exai_entry *)(sums + (in + 3) / 4 * 4);
    for (int32_t p = 0; p < pixels; p++) {
        const int32_t exponent = above[pixels * out + p];
        int32_t n = 0;
        for (int32_t j = 0; j < out && exponent != EXAI_NOTHING; j++) {
            if (!above[p * out + j]) continue;
            entries[n].row = j * in;
            entries[n++].factor = above[p * out + j];
        }
        const uint32_t size = n ? exai_rows_sum(layer->weights, entries, n, x ? x + p * in : NULL, layer->in_zero, in,
                                                way->weights, sums)
                                : 0;
        exai_store(way->keep, p, in, sums, size, exponent, gate, below);
    }
}

/* A pointwise layer: each pixel's factors meet the columns of listed inputs. */
static void directly(const exai_way *way, const int8_t *x, const int16_t *above, const void *gate, void *below,
                     void *scratch) {
    const exai_layer *const layer = way->layer;
    const int32_t in = layer->in_channels, out = layer->out_channels, width = exai_eights(out);
    const int32_t pixels = layer->out_rows * layer->out_columns, sides = way->weights == EXAI_SIGNED ? 2 : 1;
    int32_t *const sums = scratch, *const dense = sums + in;
    int16_t *const v = (int16_t *)(dense + in), *const wide = v + width;
    uint16_t *const list = (uint16_t *)(wide + sides * in * width), *const rows = list + even(in);
    exai_wide_columns(way, 0, 0, in, width, in * width, wide);
    memset(v, 0, (size_t)width * sizeof *v);
    for (int32_t p = 0; p < pixels; p++) {
        int32_t exponent = above[pixels * out + p], n = 0;
        const int16_t *m = above + p * out;
        if (exponent != EXAI_NOTHING) {
            n = exai_list_kept(way->keep, p, 0, in, gate, list);
            if (sides > 1) n = exai_list_rows(way, x + p * in, list, n, 0, in, rows);
            if (out < width) m = memcpy(v, m, (size_t)out * sizeof *v);
            exai_dots(wide, width, sides > 1 ? rows : list, n, m, width, sums);
            exponent += exai_wide_exponent(way);
        }
        exai_keep_listed(way->keep, p, list, n, sums, exponent, gate, below, dense);
    }
}

/* Windows of few inputs: what all of a window get is added to a ring of the input's rows. */
static void scatter(const exai_way *way, const int8_t *x, const int16_t *above, const void *gate, void *below,
                    void *scratch) {
    const exai_layer *const layer = way->layer;
    const int32_t taps = layer->kernel_rows * layer->kernel_columns, in = layer->in_channels, out = layer->out_channels;
    const int32_t depth = taps * in, width = exai_eights(out), pixels = layer->out_rows * layer->out_columns;
    const int32_t places = ((layer->kernel_rows - 1) * layer->dilation_rows + 1) * layer->in_columns;
    const int32_t sides = way->weights == EXAI_SIGNED ? 2 : 1;
    int32_t *const sums = scratch, *const collected = sums + depth;
    int16_t *const v = (int16_t *)(collected + places * in), *const wide = v + width;
    uint16_t *const rows = (uint16_t *)(wide + sides * depth * width);
    int32_t *const list = (int32_t *)(void *)(rows + even(depth));
    exai_ring ring;
    exai_ring_begin(&ring, way, collected, (int16_t *)(list + depth));
    for (int32_t t = 0; t < taps; t++) {
        exai_wide_columns(way, t, 0, in, width, depth * width, wide + t * in * width);
    }
    memset(v, 0, (size_t)width * sizeof *v);
    int32_t p = 0;
    for (int32_t row = 0; row < layer->out_rows; row++) {
        const int32_t top = row * layer->stride_rows - layer->top;
        exai_ring_flush(&ring, top, gate, below);
        for (int32_t column = 0; column < layer->out_columns; column++, p++) {
            const int32_t left = column * layer->stride_columns - layer->left;
            const int16_t *m = above + p * out;
            int32_t exponent = above[pixels * out + p], n = 0, t = 0;
            if (exponent == EXAI_NOTHING) continue;
            exponent += exai_wide_exponent(way);
            for (int32_t a = 0, i = top; a < layer->kernel_rows; a++, i += layer->dilation_rows) {
                for (int32_t b = 0, j = left; b < layer->kernel_columns; b++, j += layer->dilation_columns, t++) {
                    if (i < 0 || i >= layer->in_rows || j < 0 || j >= layer->in_columns) continue;
                    const int32_t at = i % ring.span * layer->in_columns + j;
                    const int8_t *const from = x ? x + (i * layer->in_columns + j) * in : NULL;
                    for (int32_t c = 0; c < in; c++) {
                        const int32_t side = sides > 1 ? from[c] - layer->in_zero : 1;
                        if (!side) continue;
                        rows[n] = (uint16_t)(t * in + c + (side < 0 ? depth : 0));
                        list[n++] = at * in + c;
                    }
                }
            }
            if (out < width) m = memcpy(v, m, (size_t)out * sizeof *v);
            exai_dots(wide, width, rows, n, m, width, sums);
            for (int32_t k = 0; k < n; k++) {
                int32_t *const sum = collected + list[k];
                int16_t *const own = ring.exponents + (in == 1 ? list[k] : list[k] / in);
                int32_t by = *own - exponent;
                if (by < 0) by = exai_align(collected + (in == 1 ? list[k] : list[k] / in * in), own, in, exponent);
                *sum += sums[k] >> (by > 31 ? 31 : by);
            }
        }
    }
    exai_ring_flush(&ring, layer->in_rows, gate, below);
}

void exai_back(const exai_way *way, const int8_t *x, int16_t *above, const void *gate, void *below, void *scratch) {
    const exai_layer *const layer = way->layer;
    const int windows = layer->kernel_rows * layer->kernel_columns > 1 || layer->stride_rows > 1 || layer->stride_columns > 1;
    if (way->offset)
        divide(way, x, above, scratch);
    else if (!way->block)
        multiply(way, above, scratch);
    if (!way->block)
        add_rows(way, x, above, gate, below, scratch);
    else if (!windows)
        directly(way, x, above, gate, below, scratch);
    else if (layer->in_channels < EXAI_NARROW)
        scatter(way, x, above, gate, below, scratch);
    else
        exai_back_windows(way, x, above, gate, below, scratch);
}
