/* The way back through an LSTM, step by step from the last: a gate takes no relevance, the signal all of it; the cell's sum
 * shares out. Factors are float32: sums run over all the steps, and only * and + are needed, which round alike everywhere. */

#include "exai_flow.h"

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

/* Factors of a step's units, weighted and added. */
static void rows(const int8_t *weights, const float *factors, int32_t units, int32_t width, float scale, float *sums) {
    for (int32_t k = 0; k < width; k++) sums[k] = 0.0f;
    for (int32_t u = 0; u < units; u++, weights += width) {
        if (!(factors[u] < 0.0f || factors[u] > 0.0f)) continue;
        const float factor = factors[u] * scale;
        for (int32_t k = 0; k < width; k++) sums[k] += factor * (float)weights[k];
    }
}

/* Numbers as integers of 29 bits with one exponent, in their own place; returns their size. */
static uint32_t integers(float *values, int32_t count, int32_t *exponent) {
    uint32_t most = 0, size = 0;
    for (int32_t k = 0; k < count; k++) {
        uint32_t bits;
        memcpy(&bits, values + k, sizeof bits);
        bits = bits >> 23 & 255u;
        if (bits > most) most = bits;
    }
    const int32_t by = 155 - (int32_t)most;
    if (!most || by > 127) return 0;
    const float scale = exai_power_of_two(by);
    for (int32_t k = 0; k < count; k++) {
        const int32_t whole = (int32_t)(values[k] * scale);
        memcpy(values + k, &whole, sizeof whole);
        size |= exai_size(whole);
    }
    *exponent = -by;
    return size;
}

void exai_back_lstm(const exai_lstm_way *way, const int16_t *kept, const int16_t *above, const void *gate, void *below,
                    void *scratch) {
    const exai_lstm_layer *const l = way->layer;
    const int32_t units = l->units, steps = l->steps;
    float *const hidden = scratch, *const cells = hidden + units, *const signals = cells + units, *const sums = signals + units;
    const float one = 1.0f / 32768.0f;
    for (int32_t u = 0; u < 2 * units; u++) hidden[u] = 0.0f;
    for (int32_t t = steps - 1; t >= 0; t--) {
        const int16_t *const m = above + t * units, *const k = kept + 3 * t * units;
        const int32_t e = above[steps * units + t];
        const float scale = e == EXAI_NOTHING ? 0.0f : exai_power_of_two(e);
        int32_t exponent = EXAI_NOTHING;
        for (int32_t u = 0; u < units; u++) {
            const float arrived = hidden[u] + (float)m[u] * scale;
            const float cell = cells[u] + arrived * ((float)k[u] * one);
            cells[u] = cell * ((float)k[units + u] * one);
            signals[u] = cell * ((float)k[2 * units + u] * one);
        }
        rows(l->recurrent[2], signals, units, units, way->recurrent_scale, hidden);
        rows(l->weights[2], signals, units, l->features, way->input_scale, sums);
        const uint32_t size = integers(sums, l->features, &exponent);
        exai_store(way->keep, t, l->features, (int32_t *)(void *)sums, size, exponent, gate, below);
    }
}
