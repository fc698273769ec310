/* The way back through layers with weights. For each output pixel, the units that carry relevance are listed with the
 * factor of their weights; their rows, weighted and added, are what the pixels of the window get. Units that a RELU cut
 * off carry nothing and cost nothing. Rows of the input collect in a ring until no later window reaches them.
 */

#include "exai_flow.h"

/* Working space of one output pixel, and the ring. */
typedef struct {
    int32_t *sums;      /* (window, in) or (kernel taps, out) */
    int32_t *wide;      /* (out), on the way to factors */
    int32_t *ring;      /* (span, in columns, in) */
    int16_t *exponents; /* (span, in columns) */
    int16_t *factors;   /* (out) of listed units */
    uint16_t *units;    /* (out) which are listed */
    int16_t *v;         /* the window, widened */
    int8_t *window;
} space;

static int32_t shared(int32_t w, int weights, int32_t v) {
    if (weights == EXAI_POSITIVE || (weights == EXAI_SIGNED && v > 0)) return w & ~(w >> 31);
    if (weights == EXAI_SIGNED) return v < 0 ? w & (w >> 31) : 0;
    return w;
}

/* Units that carry relevance. */
static int32_t listed(const int16_t *above, int32_t out, uint16_t *units) {
    int32_t n = 0;
    for (int32_t j = 0; j < out; j++) {
        if (above[j]) units[n++] = (uint16_t)j;
    }
    return n;
}

/* Sums of what shares in each listed unit. */
static void denominators(const exai_way *way, const space *s, int32_t n) {
    const exai_layer *const layer = way->layer;
    const int32_t taps = layer->kernel_rows * layer->kernel_columns, in = layer->in_channels, out = layer->out_channels;
    const int32_t depth = taps * in, times = out / in;
    for (int32_t k = 0; k < n; k++) {
        const int32_t j = s->units[k];
        int32_t sum = 0;
        if (way->depthwise) {
            const int8_t *w = layer->weights + j;
            const int16_t *v = s->v + (times == 1 ? j : j / times);
            for (int32_t t = 0; t < taps; t++, w += out, v += in) sum += shared(*w, way->weights, *v) * *v;
        } else if (way->weights == EXAI_POSITIVE) {
            const int8_t *const w = layer->weights + j * depth;
            for (int32_t i = 0; i < depth; i++) sum += (w[i] & ~(w[i] >> 7)) * s->v[i];
        } else {
            const int8_t *const w = layer->weights + j * depth;
            for (int32_t i = 0; i < depth; i++) sum += shared(w[i], way->weights, s->v[i]) * s->v[i];
        }
        s->wide[k] = sum + way->offset[j];
    }
}

/* Relevance over denominators, as factors of weights; the exponent that they share. Units that nothing shares in go. */
static int32_t quotients(const exai_way *way, const space *s, const int16_t *above, int32_t *n, int32_t exponent) {
    int32_t left = 0, most = -1000;
    int16_t *const own = s->factors;
    for (int32_t k = 0; k < *n; k++) {
        const int32_t d = s->wide[k], m = above[s->units[k]];
        if (!d) continue;
        const uint32_t numerator = (uint32_t)(m < 0 ? -m : m), denominator = (uint32_t)(d < 0 ? -d : d);
        const int32_t long_n = exai_length(numerator), long_d = exai_length(denominator), by = long_d - 15;
        const uint32_t fifteen = by > 0 ? (denominator + (1u << (by - 1))) >> by : denominator << -by;
        const int32_t q = (int32_t)((numerator << (30 - long_n)) / fifteen); /* 2^14 ... 2^16 */
        own[left] = (int16_t)(long_n - long_d);
        if (own[left] > most) most = own[left];
        s->units[left] = s->units[k];
        s->wide[left++] = (m < 0) != (d < 0) ? -q : q;
    }
    const int32_t spare = 16 - way->bits;
    for (int32_t k = 0; k < left; k++) own[k] = (int16_t)exai_round(s->wide[k], most - own[k] + spare);
    *n = left;
    return exponent + most - 15 + spare;
}

/* Factors times the layer's multiplier, as factors of weights. */
static int32_t products(const exai_way *way, const space *s, const int16_t *above, int32_t n, int32_t exponent) {
    const exai_layer *const layer = way->layer;
    int32_t most = -128;
    for (int32_t k = 0; k < n && layer->step; k++) {
        if (layer->shift[s->units[k]] > most) most = layer->shift[s->units[k]];
    }
    if (!layer->step) most = layer->shift[0];
    uint32_t size = 0;
    for (int32_t k = 0; k < n; k++) {
        const int32_t which = s->units[k] * layer->step;
        const int32_t short_one = (int32_t)(((uint32_t)layer->multiplier[which] + 0x8000u) >> 16);
        s->wide[k] = exai_round(above[s->units[k]] * short_one, most - layer->shift[which]);
        size |= exai_size(s->wide[k]);
    }
    const int32_t by = exai_length(size) - way->bits;
    for (int32_t k = 0; k < n; k++) s->factors[k] = (int16_t)(by > 0 ? exai_round(s->wide[k], by) : s->wide[k] * (1 << -by));
    return exponent + most - 15 + by;
}

/* Rows of listed units, weighted and added. */
static void weighted(const exai_way *way, const space *s, int32_t n) {
    const exai_layer *const layer = way->layer;
    const int32_t taps = layer->kernel_rows * layer->kernel_columns, in = layer->in_channels, out = layer->out_channels;
    const int32_t depth = taps * in, times = out / in;
    if (way->depthwise) {
        memset(s->sums, 0, (size_t)depth * sizeof *s->sums);
        for (int32_t k = 0; k < n; k++) {
            const int32_t j = s->units[k], c = times == 1 ? j : j / times, factor = s->factors[k];
            for (int32_t t = 0; t < taps; t++) {
                const int32_t v = way->weights == EXAI_SIGNED ? s->v[t * in + c] : 0;
                s->sums[t * in + c] += factor * shared(layer->weights[t * out + j], way->weights, v);
            }
        }
        return;
    }
    int32_t i = 0;
    for (; i + 4 <= depth && way->weights != EXAI_SIGNED; i += 4) {
        const int32_t mask = way->weights == EXAI_ALL ? 0 : -1;
        const int8_t *const column = layer->weights + i;
        int32_t a = 0, b = 0, c = 0, d = 0;
        for (int32_t k = 0; k < n; k++) {
            const int8_t *const w = column + s->units[k] * depth;
            const int32_t factor = s->factors[k];
            a += factor * (w[0] & ~(w[0] >> 31 & mask));
            b += factor * (w[1] & ~(w[1] >> 31 & mask));
            c += factor * (w[2] & ~(w[2] >> 31 & mask));
            d += factor * (w[3] & ~(w[3] >> 31 & mask));
        }
        s->sums[i] = a, s->sums[i + 1] = b, s->sums[i + 2] = c, s->sums[i + 3] = d;
    }
    for (; i < depth; i++) {
        const int32_t v = way->weights == EXAI_SIGNED ? s->v[i] : 0;
        int32_t a = 0;
        for (int32_t k = 0; k < n; k++) {
            a += s->factors[k] * shared(layer->weights[s->units[k] * depth + i], way->weights, v);
        }
        s->sums[i] = a;
    }
}

static space spread_out(const exai_layer *layer, void *scratch) {
    const int32_t taps = layer->kernel_rows * layer->kernel_columns, in = layer->in_channels, out = layer->out_channels;
    const int32_t span = (layer->kernel_rows - 1) * layer->dilation_rows + 1;
    space s;
    s.sums = scratch;
    s.wide = s.sums + taps * in;
    s.ring = s.wide + out;
    const int ringless = taps == 1 && layer->stride_rows == 1 && layer->stride_columns == 1;
    s.v = (int16_t *)(s.ring + (ringless ? 0 : span * layer->in_columns * in));
    s.factors = s.v + exai_fours(taps * in);
    s.units = (uint16_t *)(s.factors + out);
    s.exponents = (int16_t *)(s.units + out);
    s.window = (int8_t *)(s.exponents + (ringless ? 0 : span * layer->in_columns));
    return s;
}

/* Rows of the input that no later window reaches. */
static int32_t flush(const exai_way *way, const space *s, int32_t next, int32_t end, const void *gate, void *below) {
    const exai_layer *const layer = way->layer;
    const int32_t span = (layer->kernel_rows - 1) * layer->dilation_rows + 1, columns = layer->in_columns;
    const int32_t in = layer->in_channels;
    for (; next < end; next++) {
        for (int32_t j = 0; j < columns; j++) {
            const int32_t at = next % span * columns + j;
            exai_store(way->keep, next * columns + j, in, s->ring + at * in, s->exponents[at], gate, below);
            s->exponents[at] = EXAI_NOTHING;
        }
    }
    return next;
}

void exai_back(const exai_way *way, const int8_t *x, const int16_t *above, const void *gate, void *below, void *scratch) {
    const exai_layer *const layer = way->layer;
    const space s = spread_out(layer, scratch);
    const int32_t taps = layer->kernel_rows * layer->kernel_columns, in = layer->in_channels, out = layer->out_channels;
    const int32_t depth = taps * in, span = (layer->kernel_rows - 1) * layer->dilation_rows + 1;
    const int32_t columns = layer->in_columns, pixels = layer->out_rows * layer->out_columns;
    const int ringless = taps == 1 && layer->stride_rows == 1 && layer->stride_columns == 1;
    const int reads = way->offset != NULL || way->weights == EXAI_SIGNED;
    int32_t next = 0, p = 0;
    for (int32_t i = 0; i < span * columns && !ringless; i++) s.exponents[i] = EXAI_NOTHING;
    for (int32_t row = 0; row < layer->out_rows; row++) {
        const int32_t top = row * layer->stride_rows - layer->top;
        if (!ringless) next = flush(way, &s, next, top < layer->in_rows ? top : layer->in_rows, gate, below);
        for (int32_t column = 0; column < layer->out_columns; column++, p++) {
            const int16_t *const m = above + p * out;
            int32_t exponent = above[pixels * out + p];
            int32_t n = exponent == EXAI_NOTHING ? 0 : listed(m, out, s.units);
            if (n && reads) {
                const int8_t *from = x + p * in;
                if (!ringless) {
                    exai_window(layer, x, row, column, s.window);
                    from = s.window;
                }
                exai_widen(from, depth, layer->in_zero, s.v, 4);
            }
            if (n && way->offset) {
                denominators(way, &s, n);
                exponent = quotients(way, &s, m, &n, exponent);
            } else if (n) {
                exponent = products(way, &s, m, n, exponent);
            }
            if (n) weighted(way, &s, n);
            if (ringless) exai_store(way->keep, p, in, s.sums, n ? exponent : EXAI_NOTHING, gate, below);
            if (ringless || !n) continue;
            for (int32_t t = 0; t < taps; t++) {
                const int32_t i = top + t / layer->kernel_columns * layer->dilation_rows;
                const int32_t j = column * layer->stride_columns - layer->left +
                                  t % layer->kernel_columns * layer->dilation_columns;
                if (i < 0 || i >= layer->in_rows || j < 0 || j >= columns) continue;
                const int32_t at = i % span * columns + j;
                exai_accumulate(s.ring + at * in, s.exponents + at, s.sums + t * in, in, exponent);
            }
        }
    }
    if (!ringless) flush(way, &s, next, layer->in_rows, gate, below);
}

/* The flat rule: all channels' relevance alike to every position of the window. */
void exai_back_flat(const exai_way *way, const int16_t *above, float *relevance, void *scratch) {
    const exai_layer *const layer = way->layer;
    const int32_t out = layer->out_channels, pixels = layer->out_rows * layer->out_columns, columns = layer->in_columns;
    const int32_t kernel = layer->kernel_columns, span = (layer->kernel_rows - 1) * layer->dilation_rows + 1;
    int32_t *const ring = scratch;
    int16_t *const exponents = (int16_t *)(ring + span * columns);
    const int32_t each = way->keep->channels; /* values a position: one if channels are summed in the map */
    int32_t next = 0, p = 0;
    for (int32_t i = 0; i < span * columns; i++) exponents[i] = EXAI_NOTHING;
    for (int32_t row = 0; row <= layer->out_rows; row++) {
        int32_t end = row * layer->stride_rows - layer->top;
        if (row == layer->out_rows || end > layer->in_rows) end = layer->in_rows;
        for (; next < end; next++) {
            for (int32_t j = 0; j < columns; j++) {
                const int32_t at = next % span * columns + j;
                for (int32_t k = 0; k < each; k++) {
                    int32_t share = ring[at];
                    exai_store(way->keep, (next * columns + j) * each + k, 1, &share, exponents[at], NULL, relevance);
                }
                exponents[at] = EXAI_NOTHING;
            }
        }
        for (int32_t column = 0; column < layer->out_columns && row < layer->out_rows; column++, p++) {
            int32_t sum = 0, taps = 0;
            if (above[pixels * out + p] == EXAI_NOTHING) continue;
            for (int32_t j = 0; j < out; j++) sum += above[p * out + j];
            for (int32_t pass = 0; pass < 2; pass++) { /* count, then share out */
                for (int32_t t = 0; t < layer->kernel_rows * kernel; t++) {
                    const int32_t i = row * layer->stride_rows - layer->top + t / kernel * layer->dilation_rows;
                    const int32_t j = column * layer->stride_columns - layer->left + t % kernel * layer->dilation_columns;
                    if (i < 0 || i >= layer->in_rows || j < 0 || j >= columns) continue;
                    const int32_t at = i % span * columns + j;
                    if (pass)
                        exai_accumulate(ring + at, exponents + at, &sum, 1, above[pixels * out + p] - way->bits);
                    else
                        taps++;
                }
                if (!pass && taps) sum = (int32_t)((int64_t)sum * ((int64_t)1 << way->bits) / (taps * each));
            }
        }
    }
}
