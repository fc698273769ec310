/* The way back through convolutions and dense layers. Units that a RELU cut off carry no relevance: they are not listed, and
 * their weights are not read. First each output pixel's relevance becomes factors, in its place, then each input gets the
 * sum of its weights times the factors that it meets. Where many pixels meet the same weights, these are widened once.
 */

#include "exai_mve_maps.h"
#include "exai_wide.h"

#define USES (EXAI_USES_ROWS | EXAI_USES_POINTWISE | EXAI_USES_WINDOWS)

enum { SPREAD = 5 }; /* bits that factors may lose beside a pixel's greatest one */

static inline int32_t even(int32_t count) {
    return count + (count & 1);
}

/* Relevance over what shares in each unit, in its place; what 14 bits leave of it goes to `rest`, a map of the same kind, if
 * that is not NULL. Whether something did. */
static int divide(const exai_way *way, const int8_t *x, int16_t *above, int16_t *rest, void *scratch) {
    const exai_layer *const layer = way->layer;
    const int32_t taps = layer->kernel_rows * layer->kernel_columns, in = layer->in_channels, out = layer->out_channels;
    const int32_t depth = taps * in, eights = exai_eights(depth), columns = layer->out_columns;
    const int32_t pixels = layer->out_rows * columns, sides = exai_is_signed(USES, way->weights) ? 2 : 1;
    const int direct = exai_is_pointwise(layer);
    int32_t *const d = scratch, *const offset = d + out;
    int16_t *const v = (int16_t *)(offset + out), *const wide = v + sides * eights;
    uint16_t *const list = (uint16_t *)(wide + (way->wide ? out * sides * eights : 0));
    int8_t *const window = (int8_t *)(list + even(out));
    int leaves = 0;
    exai_shares_begin(way, depth, wide);
    for (int32_t j = 0; j < out; j++) { /* of one pixel, those that it lists */
        if (pixels > 1 || above[j]) offset[j] = exai_offset(way, j, layer->weights + j * depth, depth, 1);
    }
    for (int32_t p = 0; p < pixels; p++) {
        int16_t *const m = above + p * out, *const exponent = above + pixels * out + p;
        if (rest) rest[pixels * out + p] = EXAI_NOTHING;
        if (*exponent == EXAI_NOTHING) continue;
        const int32_t n = exai_list(m, out, list);
        const int8_t *from = x + p * in;
        int32_t by;
        if (!direct) {
            exai_window(layer, x, p / columns, p % columns, window);
            from = window;
        }
        exai_shares(way, from, depth, list, n, wide, v, d);
        const uint32_t size = exai_quotients(way, m, list, n, offset, d, &by);
        const int32_t before = *exponent - 16 - by, after = exai_as_factors(d, list, n, size, before, way->bits, m);
        *exponent = (int16_t)after;
        if (!rest || after == EXAI_NOTHING || after - before <= SPREAD) continue;
        for (int32_t k = 0; k < n; k++) d[k] -= m[list[k]] * (1 << (after - before));
        exai_clear(rest + p * out, 2 * out);
        rest[pixels * out + p] = (int16_t)exai_as_factors(d, list, n, exai_sizes(d, n), before, way->bits, rest + p * out);
        leaves = 1;
    }
    return leaves;
}

/* Factors times the layer's multiplier, in their place. */
static void multiply(const exai_way *way, int16_t *above, int32_t *products) {
    const exai_layer *const layer = way->layer;
    const int32_t out = layer->out_channels, pixels = layer->out_rows * layer->out_columns;
    for (int32_t p = 0; p < pixels; p++) {
        int16_t *const m = above + p * out, *const exponent = above + pixels * out + p;
        uint32_t size = 0;
        if (*exponent == EXAI_NOTHING) continue;
#if EXAI_MVE
        size = exai_mve_multiplied_all(layer, way->most, m, products);
#else
        for (int32_t j = 0; j < out; j++) {
            products[j] = m[j] ? exai_multiplied(layer, j, m[j], way->most) : 0;
            size |= exai_size(products[j]);
        }
#endif
        const int32_t by = exai_length(size) - way->bits;
#if EXAI_MVE
        exai_mve_shortened(products, out, by, m);
#else
        for (int32_t j = 0; j < out; j++) m[j] = (int16_t)exai_shifted(products[j], by);
#endif
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
    const int32_t pixels = layer->out_rows * layer->out_columns, sides = exai_is_signed(USES, way->weights) ? 2 : 1;
    int32_t *const sums = scratch, *const dense = sums + in;
    int16_t *const v = (int16_t *)(dense + in), *const wide = v + width;
    uint16_t *const list = (uint16_t *)(wide + sides * in * width), *const rows = list + even(in);
#if EXAI_MVE
    const int bytes = exai_mve_as_bytes(way);
    if (bytes) exai_mve_turned(layer, (int8_t *)wide);
#else
    const int bytes = 0;
#endif
    if (!bytes) exai_wide_columns(way, !exai_is(EXAI_USES_POINTWISE, EXAI_DIVIDES, way->divides), 0, 0, in, width, in * width, wide);
    memset(v, 0, (size_t)width * sizeof *v);
    for (int32_t p = 0; p < pixels; p++) {
        int32_t exponent = above[pixels * out + p], n = 0;
        const int16_t *m = above + p * out;
        if (exponent != EXAI_NOTHING) {
            n = exai_list_kept(way->keep, p * in, 0, in, gate, list);
            if (sides > 1) n = exai_list_rows(way, x + p * in, list, n, 0, in, rows);
            if (out < width) m = memcpy(v, m, (size_t)out * sizeof *v);
#if EXAI_MVE
            if (bytes) exai_mve_dots_of_bytes((const int8_t *)wide, out, list, n, m, sums);
#endif
            if (!bytes) exai_dots(wide, width, sides > 1 ? rows : list, n, m, width, sums);
            exponent += exai_wide_exponent(way);
        }
        exai_keep_listed(way->keep, p, in, list, n, sums, exponent, gate, below, dense);
    }
}

void exai_back_by(exai_meet *meet, const exai_way *way, const int8_t *x, int16_t *above, const void *gate, void *below,
                  void *scratch) {
    const exai_layer *const layer = way->layer;
    const int32_t units = layer->out_rows * layer->out_columns * (layer->out_channels + 1);
    const int parts = exai_is(USES, EXAI_PARTS, way->parts);
    int16_t *const rest = parts ? scratch : NULL;
    int leaves = 0;
    if (parts) scratch = (int64_t *)scratch + (units + 3) / 4;
    if (exai_is(USES, EXAI_DIVIDES, way->divides))
        leaves = divide(way, x, above, rest, scratch);
    else if (!way->block)
        multiply(way, above, scratch);
    meet(way, x, above, gate, below, scratch);
    if (parts && leaves) { /* added to what the greater ones gave */
        exai_keep adding = *way->keep;
        exai_way second = *way;
        adding.adds = 1;
        second.keep = &adding;
        meet(&second, x, rest, gate, below, scratch);
    }
}

void exai_back_rows(const exai_way *way, const int8_t *x, int16_t *above, const void *gate, void *below, void *scratch) {
    exai_back_by(add_rows, way, x, above, gate, below, scratch);
}

void exai_back_pointwise(const exai_way *way, const int8_t *x, int16_t *above, const void *gate, void *below, void *scratch) {
    exai_back_by(directly, way, x, above, gate, below, scratch);
}

void exai_back_step(const exai_way *way, const int8_t *x, int16_t *m, const void *gate, void *below, float scale, float *state,
                    void *scratch) {
    const exai_layer *const layer = way->layer;
    const int32_t in = layer->in_channels, out = layer->out_channels, before = way->before, after = in - before;
    const int32_t eights = exai_eights(before > after ? before : after);
    int32_t *const sums = scratch, *const d = sums + (after + 3) / 4 * 4, *const old = d + out, *const offset = old + out;
    exai_entry *const entries = (exai_entry *)(offset + out);
    int16_t *const v = (int16_t *)(entries + out + 1);
    uint16_t *const list = (uint16_t *)(v + (exai_is_signed(USES, way->weights) ? 2 : 1) * eights);
    const int8_t *const w = layer->weights;
    int32_t n = m[out] == EXAI_NOTHING ? 0 : exai_list(m, out, list);
    int64_t total = 0;
    exai_wide_vector(x, before, layer->in_zero, way->weights, v);
    exai_rows_dot(w, in, before, list, n, v, exai_eights(before), way->weights, old);
    if (!exai_is(USES, EXAI_DIVIDES, way->divides)) {
        multiply(way, m, d);
    } else if (n) {
        int32_t by;
        exai_wide_vector(x + before, after, layer->in_zero, way->weights, v);
        exai_rows_dot(w + before, in, after, list, n, v, exai_eights(after), way->weights, d);
        for (int32_t k = 0; k < n; k++) {
            d[k] += old[k];
            offset[list[k]] = exai_offset(way, list[k], w + list[k] * in, in, 1);
        }
        const uint32_t size = exai_quotients(way, m, list, n, offset, d, &by);
        m[out] = (int16_t)exai_as_factors(d, list, n, size, m[out] - 16 - by, way->bits, m);
    }
    if (m[out] == EXAI_NOTHING) n = 0;
    for (int32_t k = 0; k < n; k++) {
        total += (int64_t)m[list[k]] * old[k];
        entries[k].row = list[k] * in, entries[k].factor = m[list[k]];
    }
    *state += exai_real(total, m[out]) * scale;
    const uint32_t size = n ? exai_rows_sum(w + before, entries, n, x + before, layer->in_zero, after, way->weights, sums) : 0;
    exai_store(way->keep, 0, after, sums, size, m[out], gate, below);
}
