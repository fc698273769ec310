/* Everything that only moves bytes: PAD, CONCATENATION, SLICE, SPLIT, STRIDED_SLICE, TRANSPOSE. */

#include "exai_arithmetic.h"

void exai_shift(const exai_move *m, const void *x, void *y) {
    const uint8_t *const from = (const uint8_t *)x + m->from;
    uint8_t *const to = (uint8_t *)y + m->to;
    for (int32_t i = 0; i < m->count[0]; i++) {
        for (int32_t j = 0; j < m->count[1]; j++) {
            for (int32_t k = 0; k < m->count[2]; k++) {
                const uint8_t *u = from + i * m->from_stride[0] + j * m->from_stride[1] + k * m->from_stride[2];
                uint8_t *v = to + i * m->to_stride[0] + j * m->to_stride[1] + k * m->to_stride[2];
                for (int32_t l = 0; l < m->count[3]; l++, u += m->from_stride[3], v += m->to_stride[3]) {
                    if (m->run == 1)
                        *v = *u;
                    else
                        memcpy(v, u, (size_t)m->run);
                }
            }
        }
    }
}
