/* The way back through what moves, adds, scales or averages values: each value below finds what lies above it. */

#include "exai_flow.h"

/* Where value i of an axis lies above, in steps of its stride; less than 0 where it was left out. */
static int32_t place(const exai_gather *w, int32_t axis, int32_t i) {
    const int32_t by = i - w->first[axis];
    if (by % w->step[axis]) return -1;
    const int32_t at = by / w->step[axis];
    return at < w->used[axis] ? at : -1;
}

/* One pixel: `at` is where it lies above, `beside` in the other factor. */
typedef struct {
    const int16_t *above;
    const int8_t *other;
    int32_t at, beside;
} spot;

/* The largest exponent among what a pixel's values get. */
static int32_t largest(const exai_gather *w, const spot *s) {
    const int16_t *const exponents = s->above + w->pixels * w->channels;
    int32_t most = EXAI_NOTHING;
    for (int32_t i = 0; i < w->copies[0]; i++) {
        for (int32_t j = 0; j < w->copies[1]; j++) {
            for (int32_t k = 0; k < w->copies[2]; k++) {
                const int32_t from =
                    s->at + i * w->copies_stride[0] + j * w->copies_stride[1] + k * w->copies_stride[2];
                for (int32_t c = 0; c < w->count[3]; c++) {
                    const int32_t at = place(w, 3, c);
                    if (at < 0) continue;
                    const int16_t e = exponents[(from + at * w->stride[3]) / w->channels];
                    if (e > most) most = e;
                }
            }
        }
    }
    return most;
}

/* What value c gets, in units of 2^(most - left - shift). */
static int64_t sum_of(const exai_gather *w, const spot *s, int32_t c, int32_t most) {
    const int16_t *const exponents = s->above + w->pixels * w->channels;
    const int32_t place_of_c = place(w, 3, c);
    int64_t sum = 0;
    if (place_of_c < 0) return 0;
    for (int32_t i = 0; i < w->copies[0]; i++) {
        for (int32_t j = 0; j < w->copies[1]; j++) {
            for (int32_t k = 0; k < w->copies[2]; k++) {
                const int32_t at = s->at + place_of_c * w->stride[3] + i * w->copies_stride[0] +
                                   j * w->copies_stride[1] + k * w->copies_stride[2];
                const int32_t m = s->above[at], by = most - exponents[at / w->channels];
                if (!m || by > 62) continue;
                int64_t product = m * w->ratio;
                if (s->other) {
                    const int32_t there = s->beside + place_of_c * w->other_stride[3] + i * w->copies_other[0] +
                                          j * w->copies_other[1] + k * w->copies_other[2];
                    product *= s->other[there] - w->other_zero;
                }
                sum += product * ((int64_t)1 << w->left) >> by;
            }
        }
    }
    return sum;
}

/* Whether a pixel's values lie side by side above, each once. */
static int side_by_side(const exai_gather *w) {
    return w->stride[3] == 1 && w->step[3] == 1 && !w->first[3] && w->used[3] == w->count[3] &&
           w->copies[0] * w->copies[1] * w->copies[2] == 1;
}

/* They lie in one pixel: what `sum_of` finds, in 32 bits, for none has another exponent. */
static void moved(const exai_gather *w, const int16_t *above, int32_t at, int32_t pixel, const void *gate, void *below,
                  int32_t *t) {
    const int32_t count = w->count[3], e = above[w->pixels * w->channels + at / w->channels];
    for (int32_t l = 0; l < count; l++) t[l] = above[at + l] * w->ratio;
    const uint32_t size = e == EXAI_NOTHING ? 0 : exai_sizes(t, count);
    const int32_t length = exai_length(size), up = length + w->left > 31 ? 30 - length : w->left;
    for (int32_t l = 0; l < count && size; l++) t[l] *= 1 << up;
    exai_store(w->keep, pixel, count, t, size << up, size ? e - w->shift - up : EXAI_NOTHING, gate, below);
}

void exai_back_gather(const exai_gather *w, const int8_t *other, const int16_t *above, const void *gate, void *below,
                      void *scratch) {
    const int32_t channels = w->count[3];
    int64_t *const sums = scratch;
    int32_t *const t = (int32_t *)(void *)(sums + channels);
    const int plain = !other && side_by_side(w);
    spot s = {above, other, 0, 0};
    int32_t pixel = 0;
    for (int32_t i = 0; i < w->count[0]; i++) {
        const int32_t a = place(w, 0, i);
        for (int32_t j = 0; j < w->count[1]; j++) {
            const int32_t b = place(w, 1, j);
            for (int32_t k = 0; k < w->count[2]; k++, pixel++) {
                const int32_t c = place(w, 2, k);
                int32_t most = EXAI_NOTHING;
                s.at = w->start + a * w->stride[0] + b * w->stride[1] + c * w->stride[2];
                if (plain && a >= 0 && b >= 0 && c >= 0 && s.at % w->channels + channels <= w->channels) {
                    moved(w, above, s.at, pixel, gate, below, t);
                    continue;
                }
                s.beside = a * w->other_stride[0] + b * w->other_stride[1] + c * w->other_stride[2];
                if (a >= 0 && b >= 0 && c >= 0) most = largest(w, &s);
                for (int32_t l = 0; l < channels && most != EXAI_NOTHING; l++) sums[l] = sum_of(w, &s, l, most);
                most -= most == EXAI_NOTHING ? 0 : w->left + w->shift;
                exai_store_sums(w->keep, pixel, channels, sums, t, most, gate, below);
            }
        }
    }
}

void exai_total(const float *values, int32_t count, float scale, float *sum) {
    float total = 0.0f;
    for (int32_t i = 0; i < count; i++) total += values[i];
    *sum += total * scale;
}
