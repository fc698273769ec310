/* The way back of a sum from its summands, one of which may be repeated: where RELU6 or RELU_N1_TO_1 cut the sum off, and
 * where it is shared out by sign among maps of different shapes. */

#include "exai_flow.h"

enum { FRACTION = 8, WHOLE = 16 }; /* bits of a step that a sum keeps; of what a quotient is a part of */

/* Relevance m over the sum. */
static int32_t over_sum(const exai_pair *pair, int32_t m, int32_t sum) {
    const int32_t steps = exai_scale(sum, pair->multiplier, pair->shift);
    return steps ? m * (1 << WHOLE) / steps : 0;
}

/* Twice what `own` gets of relevance m: its share of what has the sum's sign. */
static int32_t share(int32_t m, int32_t own, int32_t sum) {
    const int32_t sign = sum < 0 ? -1 : 1, part = sign * own, other = sign * (sum - own);
    const int32_t whole = other > 0 ? part + other : part, by = part > 0 ? exai_length((uint32_t)whole) - 15 : 0;
    return part > 0 ? m * 2 * exai_round(part, by) / exai_round(whole, by) : 0;
}

void exai_back_pair(const exai_pair_way *way, const int8_t *a, const int8_t *b, const int16_t *above, const void *gate,
                    void *below, void *scratch) {
    const exai_pair pair = *way->pair;
    const int32_t channels = way->channels, all = pair.count[0] * pair.count[1] * pair.count[2] * pair.count[3];
    const int32_t shift = way->shares ? 1 : WHOLE - FRACTION;
    int32_t *const t = scratch;
    int32_t at = 0;
    for (int32_t i = 0; i < pair.count[0] * pair.count[1]; i++) {
        const int32_t out = i / pair.count[1], in = i % pair.count[1];
        for (int32_t k = 0; k < pair.count[2]; k++) {
            const int8_t *u = a + out * pair.stride_a[0] + in * pair.stride_a[1] + k * pair.stride_a[2];
            const int8_t *v = b + out * pair.stride_b[0] + in * pair.stride_b[1] + k * pair.stride_b[2];
            for (int32_t l = 0; l < pair.count[3]; l++, u += pair.stride_a[3], v += pair.stride_b[3]) {
                const int32_t left = exai_summed(*u - pair.zero_a, pair.multiplier_a, pair.shift_a);
                const int32_t right = pair.sign_b * exai_summed(*v - pair.zero_b, pair.multiplier_b, pair.shift_b);
                const int32_t c = at % channels, pixel = at / channels, m = above[at], sum = left + right;
                t[c] = way->shares ? share(m, way->shares == 1 ? left : right, sum) : over_sum(&pair, m, sum);
                at++;
                if (c < channels - 1) continue;
                const int32_t e = above[all + pixel];
                exai_store(way->keep, pixel, channels, t, exai_sizes(t, channels), e == EXAI_NOTHING ? e : e - shift, gate,
                           below);
            }
        }
    }
}
