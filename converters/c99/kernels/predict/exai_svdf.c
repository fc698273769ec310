/* SVDF: what features of this step's input are is remembered for some steps, and each unit sums what its ones have been. */

#include "exai_arithmetic.h"

/* A filter's memory takes the newest value, the oldest one goes; what it adds up to. As TensorFlow Lite Micro has it, what is
 * beyond int8 is cut off before the zero point is added, and wraps around then. */
static int32_t remembered8(int8_t *memory, const int8_t *times, int32_t steps, int32_t newest, int32_t zero) {
    int32_t sum = 0;
    for (int32_t m = 0; m + 1 < steps; m++) {
        memory[m] = memory[m + 1];
        sum += times[m] * (memory[m] - zero);
    }
    memory[steps - 1] = (int8_t)(exai_clamp(newest, -128, 127) + zero);
    return sum + times[steps - 1] * (memory[steps - 1] - zero);
}

static int32_t remembered16(int16_t *memory, const int16_t *times, int32_t steps, int32_t newest) {
    int32_t sum = 0;
    for (int32_t m = 0; m + 1 < steps; m++) {
        memory[m] = memory[m + 1];
        sum += times[m] * memory[m];
    }
    newest = newest < -32768 ? -32768 : newest > 32767 ? 32767 : newest;
    memory[steps - 1] = (int16_t)newest;
    return sum + times[steps - 1] * newest;
}

void exai_svdf(const exai_svdf_layer *l, const int8_t *x, void *state, int8_t *y, void *scratch) {
    int16_t *const v = scratch;
    exai_widen(x, l->inputs, l->in_zero, v, 4);
    for (int32_t u = 0; u * l->rank < l->filters; u++) {
        int32_t sum = l->bias[u];
        for (int32_t f = u * l->rank; f < (u + 1) * l->rank; f++) {
            const int32_t dot = exai_dot(l->features + f * l->inputs, v, l->inputs, 4), at = f * l->memory;
            const int32_t newest = exai_scale(dot, l->feature_multiplier, l->feature_shift);
            if (l->wide)
                sum += remembered16((int16_t *)state + at, (const int16_t *)l->times + at, l->memory, newest);
            else
                sum += remembered8((int8_t *)state + at, (const int8_t *)l->times + at, l->memory, newest, l->state_zero);
        }
        y[u] = exai_clamp(exai_scale(sum, l->multiplier, l->shift) + l->out_zero, -128, 127);
    }
}
