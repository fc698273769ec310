/* The way back through convolutions and dense layers. For each output pixel, the units that carry relevance are listed
 * with the factor of their weights; their rows, weighted and added, are what the pixels of the window get. Units that a
 * RELU cut off carry nothing and cost nothing. A pointwise layer's pixels are kept at once; others collect in a ring.
 */

#include "exai_flow.h"

/* Working space of one output pixel. */
typedef struct {
    int32_t *sums;     /* (window, in) */
    exai_entry *list;  /* (out + 1) */
    int16_t *v;        /* the window, widened; under EXAI_SIGNED sizes */
    int16_t *negative; /* under EXAI_SIGNED, which were below zero */
    uint16_t *units;   /* (out) which are listed, then their exponents */
    int8_t *window;
} space;

/* Factors times the layer's multiplier; the exponent that they share. */
static int32_t products(const exai_way *way, const space *s, const int16_t *above, int32_t exponent, int32_t *count) {
    const exai_layer *const layer = way->layer;
    const int32_t out = layer->out_channels, depth = layer->kernel_rows * layer->kernel_columns * layer->in_channels;
    int32_t n = 0;
    uint32_t size = 0;
    for (int32_t j = 0; j < out; j++) {
        if (!above[j]) continue;
        s->list[n].row = j * depth;
        s->list[n].factor = exai_multiplied(layer, j, above[j], way->most);
        size |= exai_size(s->list[n++].factor);
    }
    int32_t by = exai_length(size) - way->bits;
    exponent += way->most - 15;
    for (int32_t k = 0; k < n; k++) s->list[k].factor = exai_shifted(s->list[k].factor, by);
    *count = n;
    return exponent + by + 16;
}

/* Relevance over what shares in each unit; units in which nothing does go. */
static int32_t quotients(const exai_way *way, const space *s, const int16_t *above, int32_t exponent, int32_t *count) {
    const exai_layer *const layer = way->layer;
    const int32_t out = layer->out_channels, depth = layer->kernel_rows * layer->kernel_columns * layer->in_channels;
    int32_t n = 0, left = 0, most = -1000, own;
    for (int32_t j = 0; j < out; j++) {
        if (!above[j]) continue;
        s->units[n] = (uint16_t)j;
        s->list[n++].row = j * depth;
    }
    exai_rows_dot(layer->weights, s->list, n, s->v, s->negative, depth, way->weights);
    for (int32_t k = 0; k < n; k++) {
        const int32_t d = s->list[k].factor + way->offset[s->units[k]];
        if (!d) continue;
        s->list[left].row = s->list[k].row;
        s->list[left].factor = exai_quotient(above[s->units[k]], d, &own);
        if (own > most) most = own;
        s->units[left++] = (uint16_t)(own + 1000);
    }
    int32_t by = most + 16 - way->bits;
    exponent -= 15;
    for (int32_t k = 0; k < left; k++) s->list[k].factor = exai_shifted(s->list[k].factor, by + 1000 - s->units[k]);
    *count = left;
    return exponent + by + 16;
}

static void split_signs(const space *s, int32_t depth) {
    for (int32_t i = 0; i < depth; i++) {
        const int16_t sign = (int16_t)(s->v[i] >> 15);
        s->negative[i] = sign;
        s->v[i] = (int16_t)((s->v[i] ^ sign) - sign);
    }
}

void exai_back(const exai_way *way, const int8_t *x, const int16_t *above, const void *gate, void *below, void *scratch) {
    const exai_layer *const layer = way->layer;
    const int32_t taps = layer->kernel_rows * layer->kernel_columns, in = layer->in_channels, out = layer->out_channels;
    const int32_t depth = taps * in, pixels = layer->out_rows * layer->out_columns, fours = exai_fours(depth);
    const int direct = taps == 1 && layer->stride_rows == 1 && layer->stride_columns == 1;
    const int reads = way->offset != NULL || way->weights == EXAI_SIGNED;
    space s;
    exai_ring ring = {0};
    s.sums = scratch;
    s.list = (exai_entry *)(s.sums + fours);
    s.v = (int16_t *)(s.list + out + 1);
    s.negative = s.v + (reads ? fours : 0);
    s.units = (uint16_t *)(s.negative + (way->weights == EXAI_SIGNED ? fours : 0));
    s.window = (int8_t *)(s.units + (way->offset ? out + (out & 1) : 0));
    if (!direct) {
        int32_t *const sums = (int32_t *)(void *)(s.window + (reads ? fours : 0));
        const int32_t places = ((layer->kernel_rows - 1) * layer->dilation_rows + 1) * layer->in_columns;
        exai_ring_begin(&ring, way, sums, (int16_t *)(sums + places * in));
    }
    int32_t p = 0;
    for (int32_t row = 0; row < layer->out_rows; row++) {
        const int32_t top = row * layer->stride_rows - layer->top;
        if (!direct) exai_ring_flush(&ring, top, gate, below);
        for (int32_t column = 0; column < layer->out_columns; column++, p++) {
            const int16_t *const m = above + p * out;
            int32_t exponent = above[pixels * out + p], n = 0;
            uint32_t size = 0;
            const int8_t *from = direct && reads ? x + p * in : NULL;
            if (exponent != EXAI_NOTHING) {
                if (reads) {
                    if (!direct) {
                        exai_window(layer, x, row, column, s.window);
                        from = s.window;
                    }
                    exai_widen(from, depth, layer->in_zero, s.v, 4);
                    if (way->weights == EXAI_SIGNED) split_signs(&s, depth);
                }
                exponent = way->offset ? quotients(way, &s, m, exponent, &n) : products(way, &s, m, exponent, &n);
                if (n) size = exai_rows_sum(layer->weights, s.list, n, s.negative, depth, way->weights, s.sums);
                for (int32_t i = 0; i < depth && way->weights == EXAI_SIGNED; i++) { /* what is nothing has no share */
                    if (from[i] == layer->in_zero) s.sums[i] = 0;
                }
            }
            if (direct) exai_store(way->keep, p, in, s.sums, size, n ? exponent : EXAI_NOTHING, gate, below);
            if (direct || !size) continue;
            const int32_t *sums = s.sums;
            int32_t i = top;
            for (int32_t a = 0; a < layer->kernel_rows; a++, i += layer->dilation_rows) {
                int32_t j = column * layer->stride_columns - layer->left;
                for (int32_t b = 0; b < layer->kernel_columns; b++, j += layer->dilation_columns, sums += in) {
                    if (i < 0 || i >= layer->in_rows || j < 0 || j >= layer->in_columns) continue;
                    const int32_t at = i % ring.span * layer->in_columns + j;
                    exai_accumulate(ring.sums + at * in, ring.exponents + at, sums, in, exponent);
                }
            }
        }
    }
    if (!direct) exai_ring_flush(&ring, layer->in_rows, gate, below);
}
