/* The way back through SVDF: this step's input has the share that its features have now; the rest is about the steps before. */

#include "exai_flow.h"

/* What the newest value of a filter counts. */
static int32_t newest(const exai_svdf_layer *l, int32_t f) {
    const int32_t at = f * l->memory + l->memory - 1;
    return l->wide ? ((const int16_t *)l->times)[at] : ((const int8_t *)l->times)[at];
}

/* Factors of filters, in steps of the input, as rows of weights take them; their exponent. */
static int32_t factors(const exai_svdf_way *way, const int16_t *m, exai_entry *entries) {
    const exai_svdf_layer *const l = way->layer;
    uint32_t size = 0;
    for (int32_t f = 0; f < l->filters; f++) {
        entries[f].row = f * l->inputs;
        entries[f].factor = m[f / l->rank] * newest(l, f);
        size |= exai_size(entries[f].factor);
    }
    const int32_t by = exai_length(size) - EXAI_PRECISION;
    size = 0;
    for (int32_t f = 0; f < l->filters; f++) {
        entries[f].factor = exai_shifted(entries[f].factor, by) * way->ratio;
        size |= exai_size(entries[f].factor);
    }
    const int32_t more = exai_length(size) - way->bits;
    for (int32_t f = 0; f < l->filters; f++) entries[f].factor = exai_shifted(entries[f].factor, more);
    return by + more - way->shift;
}

void exai_back_svdf(const exai_svdf_way *way, const int8_t *x, const int8_t *y, const int16_t *above, const void *gate,
                    void *below, float *state, void *scratch) {
    const exai_svdf_layer *const l = way->layer;
    const int32_t units = l->filters / l->rank, e = above[units];
    int32_t *const sums = scratch;
    exai_entry *const entries = (exai_entry *)(sums + (l->inputs + 3) / 4 * 4);
    if (e == EXAI_NOTHING) {
        exai_store(way->keep, 0, l->inputs, sums, 0, e, gate, below);
        return;
    }
    int64_t here = 0;
    float all = 0.0f; /* the relevance of the units, less their biases'; `here` is the input's of that */
    for (int32_t u = 0; u < units; u++) all += (float)above[u] * ((float)(y[u] - l->out_zero) - way->bias[u]);
    const int32_t after = e + factors(way, above, entries);
    const uint32_t size = exai_rows_sum(l->features, entries, l->filters, NULL, 0, l->inputs, EXAI_ALL, sums);
    for (int32_t i = 0; i < l->inputs; i++) here += sums[i] * (int64_t)(x[i] - l->in_zero);
    *state += way->scale * (all * exai_power_of_two(e) - (float)here * exai_power_of_two(after));
    exai_store(way->keep, 0, l->inputs, sums, size, after, gate, below);
}
