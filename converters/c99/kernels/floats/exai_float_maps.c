/* Everything without weights, in float32: pairs of maps, functions, sums, softmax. */

#include "exai_float.h"

static inline float within(float x, float low, float high) {
    return x < low ? low : x > high ? high : x;
}

/* exp(x) to two units in the last place: 2^n times a polynomial of what is left, |rest| <= ln(2) / 2. */
static float exponential(float x) {
    if (x > 88.0f) x = 88.0f;
    if (x < -87.0f) return 0.0f;
    const float turns = x * 1.44269504f;
    const int32_t n = (int32_t)(turns < 0.0f ? turns - 0.5f : turns + 0.5f);
    const float r = (x - (float)n * 0.693359375f) + (float)n * 2.12194440e-4f;
    const float p = 1.0f + r * (1.0f + r * (0.5f + r * (1.6666667e-1f + r * (4.1666667e-2f + r * (8.3333333e-3f + r * 1.3888889e-3f)))));
    const uint32_t bits = (uint32_t)(n + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return p * power;
}

static float tangent(float x) {
    const float size = x < 0.0f ? -x : x;
    if (size < 0.1f) { /* where 1 - exp would cancel */
        const float s = x * x;
        return x * (1.0f - s * (3.3333333e-1f - s * (1.3333333e-1f - s * 5.3968254e-2f)));
    }
    const float e = exponential(-2.0f * size), y = (1.0f - e) / (1.0f + e);
    return x < 0.0f ? -y : y;
}

static float logistic(float x) {
    return x < 0.0f ? exponential(x) / (1.0f + exponential(x)) : 1.0f / (1.0f + exponential(-x));
}

void exai_float_pairs(const exai_float_pair *p, const float *a, const float *b, float *y) {
    for (int32_t i = 0; i < p->count[0]; i++) {
        for (int32_t j = 0; j < p->count[1]; j++) {
            for (int32_t k = 0; k < p->count[2]; k++) {
                const float *u = a + i * p->stride_a[0] + j * p->stride_a[1] + k * p->stride_a[2];
                const float *v = b + i * p->stride_b[0] + j * p->stride_b[1] + k * p->stride_b[2];
                for (int32_t l = 0; l < p->count[3]; l++, u += p->stride_a[3], v += p->stride_b[3]) {
                    float z = *u;
                    switch (p->operation) {
                        case EXAI_ADD: z += *v; break;
                        case EXAI_SUB: z -= *v; break;
                        case EXAI_MUL: z *= *v; break;
                        case EXAI_DIV: z /= *v; break;
                        case EXAI_MINIMUM: z = *v < z ? *v : z; break;
                        default: z = *v > z ? *v : z; break;
                    }
                    *y++ = within(z, p->low, p->high);
                }
            }
        }
    }
}

void exai_float_functions(const exai_float_function *f, const float *x, float *y) {
    for (int32_t i = 0; i < f->count; i++) {
        const float v = x[i];
        switch (f->function) {
            case EXAI_LIMIT: y[i] = within(v, f->low, f->high); break;
            case EXAI_LEAKY: y[i] = v < 0.0f ? v * f->low : v; break;
            case EXAI_LOGISTIC: y[i] = logistic(v); break;
            case EXAI_TANH: y[i] = tangent(v); break;
            case EXAI_HARD_SWISH: y[i] = v * within(v + 3.0f, 0.0f, 6.0f) / 6.0f; break;
            case EXAI_EXP: y[i] = exponential(v); break;
            case EXAI_ABS: y[i] = v < 0.0f ? -v : v; break;
            default: y[i] = -v; break;
        }
    }
}

void exai_float_reduce(const exai_float_reduction *r, const float *x, float *y) {
    for (int32_t a = 0; a < r->count[0]; a++) {
        for (int32_t b = 0; b < r->count[1]; b++) {
            for (int32_t c = 0; c < r->count[2]; c++) {
                const float *const from = x + a * r->stride[0] + b * r->stride[1] + c * r->stride[2];
                float sum = 0.0f, most = *from;
                for (int32_t i = 0; i < r->over[0]; i++) {
                    for (int32_t j = 0; j < r->over[1]; j++) {
                        const float *one = from + i * r->over_stride[0] + j * r->over_stride[1];
                        for (int32_t k = 0; k < r->over[2]; k++, one += r->over_stride[2]) {
                            sum += *one;
                            most = *one > most ? *one : most;
                        }
                    }
                }
                *y++ = r->largest ? most : sum * r->scale;
            }
        }
    }
}

void exai_float_softmax(const exai_float_rows *r, const float *x, float *y) {
    for (int32_t row = 0; row < r->rows; row++, x += r->columns, y += r->columns) {
        float most = x[0], sum = 0.0f;
        for (int32_t i = 1; i < r->columns; i++) most = x[i] > most ? x[i] : most;
        for (int32_t i = 0; i < r->columns; i++) sum += y[i] = exponential((x[i] - most) * r->beta);
        for (int32_t i = 0; i < r->columns; i++) y[i] /= sum;
    }
}

void exai_float_largest(const exai_float_rows *r, const float *x, int32_t *y) {
    for (int32_t row = 0; row < r->rows; row++, x += r->columns) {
        int32_t best = 0;
        for (int32_t i = 1; i < r->columns; i++) best = x[i] > x[best] ? i : best;
        *y++ = best;
    }
}

void exai_float_to_whole(const float *x, int32_t count, int32_t *y) {
    for (int32_t i = 0; i < count; i++) y[i] = (int32_t)within(x[i], -2147483520.0f, 2147483520.0f);
}

void exai_float_of_whole(const int32_t *x, int32_t count, float *y) {
    for (int32_t i = 0; i < count; i++) y[i] = (float)x[i];
}
