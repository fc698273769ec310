/* The way back through pools, sums of maps and SOFTMAX. */

#include "exai_mve_maps.h"

/* Outputs first ... last - 1 along an axis whose windows cover input i. */
static void covering(int32_t i, int32_t pad, int32_t kernel, int32_t stride, int32_t outputs, int32_t *first, int32_t *last) {
    const int32_t low = i + pad - kernel + 1;
    *first = low <= 0 ? 0 : (low + stride - 1) / stride;
    *last = (i + pad) / stride + 1;
    if (*last > outputs) *last = outputs;
}

static int32_t inside(int32_t out, int32_t pad, int32_t kernel, int32_t stride, int32_t inputs, int32_t *first) {
    const int32_t start = out * stride - pad, end = start + kernel;
    *first = start < 0 ? 0 : start;
    return (end > inputs ? inputs : end) - *first;
}

/* One window over the whole map: every pixel gets the same factors. */
void exai_back_mean(const exai_pool_way *way, const int16_t *above, const void *gate, void *below, void *scratch) {
    const exai_pool *const p = way->pool;
    int32_t *const sums = scratch;
    const int32_t channels = p->channels, pixels = p->in_rows * p->in_columns, exponent = above[channels];
    int32_t *const values = sums + channels;
    for (int32_t c = 0; c < channels; c++) values[c] = above[c] * way->ratio / pixels;
    const uint32_t size = exai_sizes(values, channels);
    for (int32_t i = 0; i < pixels; i++) {
        memcpy(sums, values, (size_t)channels * sizeof *sums);
        exai_store(way->keep, i, channels, sums, size, exponent == EXAI_NOTHING ? exponent : exponent - way->shift, gate,
                   below);
    }
}

/* Factors of a pool's outputs to each pixel of the input; with x, the largest of a window takes all, equals share. */
static void through(const exai_pool_way *way, const int8_t *x, const int16_t *above, const void *gate, void *below,
                    int32_t *sums) {
    const exai_pool *const p = way->pool;
    const int32_t channels = p->channels, pixels = p->out_rows * p->out_columns;
    int32_t *const values = sums + channels;
    for (int32_t row = 0; row < p->in_rows; row++) {
        for (int32_t column = 0; column < p->in_columns; column++) {
            int16_t exponent = EXAI_NOTHING;
            int32_t top, bottom, left, right, r0, c0;
            covering(row, p->top, p->kernel_rows, p->stride_rows, p->out_rows, &top, &bottom);
            covering(column, p->left, p->kernel_columns, p->stride_columns, p->out_columns, &left, &right);
            for (int32_t i = top; i < bottom; i++) {
                const int32_t rows = inside(i, p->top, p->kernel_rows, p->stride_rows, p->in_rows, &r0);
                for (int32_t j = left; j < right; j++) {
                    const int32_t at = i * p->out_columns + j;
                    const int32_t many = inside(j, p->left, p->kernel_columns, p->stride_columns, p->in_columns, &c0);
                    const int16_t *const m = above + at * channels;
                    if (above[pixels * channels + at] == EXAI_NOTHING) continue;
                    const int32_t of = x ? 1 : rows * many;
                    const int8_t *const here = x ? x + (row * p->in_columns + column) * channels : NULL;
                    for (int32_t c = 0; c < channels; c++) {
                        int32_t equals = 1;
                        values[c] = 0;
                        if (x && m[c]) {
                            equals = 0;
                            for (int32_t k = 0; k < rows * many && equals >= 0; k++) {
                                const int8_t other = x[((r0 + k / many) * p->in_columns + c0 + k % many) * channels + c];
                                equals = other > here[c] ? -1 : equals + (other == here[c]);
                            }
                            if (equals < 0) continue;
                        }
                        values[c] = m[c] * way->ratio / (of * equals);
                    }
                    exai_accumulate(sums, &exponent, values, channels, above[pixels * channels + at] - way->shift);
                }
            }
            exai_store(way->keep, row * p->in_columns + column, channels, sums,
                       exponent == EXAI_NOTHING ? 0 : exai_sizes(sums, channels), exponent, gate, below);
        }
    }
}

void exai_back_pool(const exai_pool_way *way, const int16_t *above, const void *gate, void *below, void *scratch) {
    through(way, NULL, above, gate, below, scratch);
}

void exai_back_max(const exai_pool_way *way, const int8_t *x, const int16_t *above, const void *gate, void *below,
                   void *scratch) {
    through(way, x, above, gate, below, scratch);
}

void exai_back_largest(const exai_pool_way *way, const int8_t *x, const int16_t *above, const void *gate, void *below,
                       void *scratch) {
    const exai_pool *const p = way->pool;
    const int32_t channels = p->channels, pixels = p->in_rows * p->in_columns, e = above[channels];
    int32_t *const sums = scratch, *const values = sums + channels, *const most = values + channels;
    for (int32_t c = 0; c < channels; c++) {
        int32_t equals = 0;
        most[c] = x[c];
        for (int32_t i = 0; i < pixels; i++) {
            const int32_t v = x[i * channels + c];
            equals = v > most[c] ? 1 : equals + (v == most[c]);
            if (v > most[c]) most[c] = v;
        }
        values[c] = above[c] * way->ratio / equals;
    }
    for (int32_t i = 0; i < pixels; i++) {
        for (int32_t c = 0; c < channels; c++) sums[c] = x[i * channels + c] == most[c] ? values[c] : 0;
        exai_store(way->keep, i, channels, sums, exai_sizes(sums, channels), e == EXAI_NOTHING ? e : e - way->shift, gate,
                   below);
    }
}

/* What a pixel of one of two maps gets, from its value `first` on. */
typedef void shared(const exai_summand *way, const int8_t *own, const int8_t *other, const int16_t *above, int32_t first,
                    int32_t *t);

static void by_pixels(shared *share, const exai_summand *way, const int8_t *own, const int8_t *other, const int16_t *above,
                      const void *gate, void *below, int32_t *t) {
    const exai_keep *const keep = way->keep;
    const int32_t channels = way->channels, all = keep->pixels * keep->channels, pixels = all / channels;
    for (int32_t p = 0; p < pixels; p++) {
        const int32_t e = above[all + p];
        share(way, own, other, above, p * channels, t);
        exai_store(keep, p, channels, t, exai_sizes(t, channels), e == EXAI_NOTHING ? e : e - way->shift, gate, below);
    }
}

/* By sign: of the relevance of a sum, a summand gets its share of what has the sum's sign; else the factor is the same. */
static void of_sum(const exai_summand *way, const int8_t *own, const int8_t *other, const int16_t *above, int32_t first,
                   int32_t *t) {
#if EXAI_MVE
    if (way->by_sign) {
        exai_mve_by_sign(way, own + first, other + first, above + first, way->channels, t);
        return;
    }
#endif
    for (int32_t c = 0; c < way->channels; c++) {
        const int32_t m = above[first + c];
        t[c] = 0;
        if (!m) continue;
        if (!way->by_sign) {
            t[c] = m * way->own;
            continue;
        }
        int32_t a = (own[first + c] - way->own_zero) * way->own, b = (other[first + c] - way->other_zero) * way->other;
        if (a + b < 0) a = -a, b = -b;
        if (a <= 0) continue;
        if (b < 0) b = 0;
        const int32_t by = exai_length((uint32_t)(a + b)) - 15;
        const int32_t part = by > 0 ? exai_round(a, by) : a, whole = by > 0 ? exai_round(a + b, by) : a + b;
        t[c] = (m < 0 ? -1 : 1) * (int32_t)(((uint32_t)(m < 0 ? -m : m) * 2 * (uint32_t)part) / (uint32_t)whole);
    }
}

void exai_back_sum(const exai_summand *way, const int8_t *own, const int8_t *other, const int16_t *above,
                   const void *gate, void *below, void *scratch) {
    by_pixels(of_sum, way, own, other, above, gate, below, scratch);
}

/* By the expansion around what it saw: the factor of an input is R - s * (the sum of R), with s = (y + 128) / 256. */
void exai_back_softmax(const exai_softmax_way *way, const int8_t *y, const int16_t *above, const void *gate, void *below,
                       void *scratch) {
    const exai_keep *const keep = way->keep;
    const int32_t channels = way->channels, all = keep->pixels * keep->channels, pixels = all / channels;
    int32_t *const t = scratch;
    for (int32_t p = 0; p < pixels; p++) {
        const int16_t *const m = above + p * channels;
        const int8_t *const s = y + p * channels;
        const int32_t e = above[all + p];
        int32_t total = 0, down = 0;
        uint64_t size = 0;
        for (int32_t c = 0; c < channels && e != EXAI_NOTHING; c++) total += m[c];
        for (int32_t c = 0; c < channels && e != EXAI_NOTHING; c++) {
            const int64_t part = ((int64_t)m[c] * 256 - (int64_t)total * (s[c] + 128)) * way->ratio;
            size |= (uint64_t)(part ^ (part >> 63));
        }
        if (size >> 31) down = 1 + exai_length((uint32_t)(size >> 31));
        for (int32_t c = 0; c < channels && size; c++) {
            const int64_t part = ((int64_t)m[c] * 256 - (int64_t)total * (s[c] + 128)) * way->ratio;
            t[c] = (int32_t)(part >> down);
        }
        exai_store(keep, p, channels, t, (uint32_t)(size >> down), size ? e - 8 - way->shift + down : EXAI_NOTHING, gate,
                   below);
    }
}

/* What is the largest, or smallest, gets all; equals share. */
static void of_extreme(const exai_summand *way, const int8_t *own, const int8_t *other, const int16_t *above, int32_t first,
                       int32_t *t) {
    for (int32_t c = 0; c < way->channels; c++) {
        const int32_t ahead = (own[first + c] - other[(first + c) * way->other]) * way->own;
        t[c] = ahead < 0 ? 0 : above[first + c] * (ahead ? 2 : 1);
    }
}

void exai_back_extreme(const exai_summand *way, const int8_t *own, const int8_t *other, const int16_t *above,
                       const void *gate, void *below, void *scratch) {
    by_pixels(of_extreme, way, own, other, above, gate, below, scratch);
}
