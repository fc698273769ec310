/* UNIDIRECTIONAL_SEQUENCE_LSTM: int8 in and out, gates Q0.15, their arguments Q3.12, the cell's step a power of two. */

#include "exai_arithmetic.h"

static int32_t limited(int32_t x) {
    return x < -32768 ? -32768 : x > 32767 ? 32767 : x;
}

/* x * 2^power in steps of 1 / (3 * 2^13), as the table of the logistic function takes it. */
static int32_t argument(int32_t x, int32_t power) {
    const int32_t up = power + 12;
    return up >= 0 ? x * 3 * (1 << up) : (x * 3 + (1 << (-up - 1))) >> -up;
}

static int32_t logistic(const uint16_t *table, int32_t x) {
    const int32_t at = argument(x, -12);
    const uint32_t size = (uint32_t)(at < 0 ? -at : at), whole = size >> 9;
    uint32_t y = 0x7FFFu << 10;
    if (whole < 255) y = ((uint32_t)table[whole] << 9) + (size & 511u) * (uint32_t)(table[whole + 1] - table[whole]);
    y = at >= 0 ? y + (1u << 9) : (1u << 25) - y + (1u << 9) - 1;
    return (int32_t)(y >> 10);
}

static int32_t hyperbolic_tangent(const uint16_t *table, int32_t x, int32_t power) {
    const int32_t at = argument(x, power);
    const uint32_t size = (uint32_t)(at < 0 ? -at : at), whole = size >> 8;
    int32_t y = 0xFFFF << 8;
    if (whole < 255) y = (table[whole] << 8) + (int32_t)(size & 255u) * (table[whole + 1] - table[whole]);
    y = at >= 0 ? y - (1 << 23) + (1 << 7) : -y + (1 << 23) + (1 << 7) - 1;
    return y >> 8;
}

/* What a gate's function takes; `whole` is that beyond 16 bits, too. */
static int32_t gate_of(const exai_lstm_layer *l, int32_t g, int32_t u, const int16_t *x, const int16_t *h, int32_t *whole) {
    const int32_t inside = l->bias[g][u] + exai_dot(l->weights[g] + u * l->features, x, l->features, 4);
    const int32_t before = l->recurrent_bias[g][u] + exai_dot(l->recurrent[g] + u * l->units, h, l->units, 4);
    const int32_t a = exai_scale(inside, l->multiplier[g], l->shift[g]);
    const int32_t b = exai_scale(before, l->recurrent_multiplier[g], l->recurrent_shift[g]);
    *whole = a + b;
    return limited(limited(a) + limited(b));
}

/* gate * tanh(x) / x for x = at * 2^power, Q0.15. */
static int16_t slope(int32_t gate, int32_t tangent, int32_t at, int32_t power) {
    if (!at) return (int16_t)gate;
    return (int16_t)limited((int32_t)((int64_t)gate * tangent * 256 / at >> (23 + power)));
}

void exai_lstm(const exai_lstm_layer *l, const int8_t *x, int16_t *kept, int8_t *y, void *scratch) {
    int16_t *const v = scratch, *const h = v + exai_fours(l->features), *const cells = h + exai_fours(l->units);
    const int32_t units = l->units, power = l->cell_power;
    memset(cells, 0, (size_t)units * sizeof *cells);
    for (int32_t u = 0; u < exai_fours(units); u++) h[u] = l->zero;
    for (int32_t t = 0; t < l->steps; t++, x += l->features, y += units) {
        exai_widen(x, l->features, 0, v, 4);
        if (t) exai_widen(y - units, units, 0, h, 4);
        for (int32_t u = 0; u < units; u++) {
            int32_t z;
            const int32_t i = logistic(l->table, gate_of(l, 0, u, v, h, &z));
            const int32_t f = logistic(l->table, gate_of(l, 1, u, v, h, &z));
            const int32_t o = logistic(l->table, gate_of(l, 3, u, v, h, &z));
            const int32_t g = hyperbolic_tangent(l->table, gate_of(l, 2, u, v, h, &z), -12);
            const int32_t sum = limited(limited(exai_scale(f * cells[u], l->forget_multiplier, l->forget_shift)) +
                                        limited(exai_scale(i * g, l->input_multiplier, l->input_shift)));
            const int32_t c = !l->clip || (sum <= l->clip && sum >= -l->clip) ? sum : sum < 0 ? -l->clip : l->clip;
            const int32_t tangent = hyperbolic_tangent(l->table, c, power);
            cells[u] = (int16_t)c;
            y[u] = exai_clamp(exai_scale(tangent * o, l->output_multiplier, l->output_shift) + l->zero, -128, 127);
            if (kept) { /* what factors are multiplied by on the way back; a clipped cell hands all its relevance on */
                kept[u] = slope(o, tangent, c, power);
                kept[units + u] = (int16_t)(c == sum ? f : f * c / sum);
                kept[2 * units + u] = slope(c == sum ? i : i * c / sum, g, z, -12);
            }
        }
        if (kept) kept += 3 * units;
    }
}
