/* The 9/7 wavelet of section 4, in integers, in place. Part of edgexai_heatmap.c. */

/* No map of values below 2^18 takes a sum here beyond a third of what 32 bits hold: the sum of the magnitudes of each
 * step's impulse response, over all levels and axes, is below 2677. */

/* before + value · weight / 2^14, rounded; the weight is below 2^14. */
static int32_t plus(int32_t before, int32_t value, int32_t weight) { /* SMLAL where the core has it */
    return (int32_t)((before * ((int64_t)1 << 32) + 0x80000000 + (int64_t)(value * 2) * (weight * (1 << 17))) >> 32);
}

/* The same with a weight below 2^15. */
static int32_t lifted(int32_t before, int32_t value, int32_t weight) {
    int32_t whole = weight >= 1 << 14 ? 1 : weight <= -(1 << 14) ? -1 : 0;
    return plus(before + whole * value, value, weight - whole * (1 << 14));
}

/* The four steps of lifting and the scaling of `n` values `stride` apart, two at least: all on the way past, since no step
 * needs more than two values of the one before. What is even goes to the first half, what is odd to the second. */
static CALLED void transform_line(int32_t *details, int32_t *values, uint32_t n, uint32_t stride) {
    const int32_t *const end = values + n * stride, *from = values;
    int32_t *to = values, *detail = details;
    int32_t even = *values, odd = 0, coarse = 0, fine = 0; /* odd after step 0, even after step 1, odd after step 2 */
    const uint32_t pairs = n / 2;
    uint32_t i;
    for (i = 0;; i++) { /* behind the last value stands the last but one, before the first the second */
        int32_t next_odd = odd, next_coarse = coarse, next_fine, here = even;
        if (i < pairs) {
            next_odd = from[stride];
            from += 2 * stride;
            if (from < end) even = *from;
            next_odd = lifted(next_odd, here + even, EDGEXAI_LIFTING[0]);
            if (i == 0) odd = next_odd;
        }
        if (i < pairs || n & 1) next_coarse = lifted(here, odd + next_odd, EDGEXAI_LIFTING[1]);
        if (i > 0) {
            next_fine = lifted(odd, coarse + next_coarse, EDGEXAI_LIFTING[2]);
            if (i == 1) fine = next_fine;
            *to = lifted(0, lifted(coarse, fine + next_fine, EDGEXAI_LIFTING[3]), EDGEXAI_ANALYSIS[0]);
            to += stride;
            *detail++ = lifted(0, next_fine, EDGEXAI_ANALYSIS[1]);
            fine = next_fine;
        }
        coarse = next_coarse;
        odd = next_odd;
        if (i == pairs) break;
    }
    if (n & 1) {
        *to = lifted(0, lifted(coarse, 2 * fine, EDGEXAI_LIFTING[3]), EDGEXAI_ANALYSIS[0]);
        to += stride;
    }
    for (; details < detail; to += stride) *to = *details++;
}

static void transform(State *s) {
    uint32_t size[3], stride[3], axis;
    for (axis = 0; axis < 3; axis++) size[axis] = s->shape[axis];
    stride[2] = 1;
    stride[1] = size[2];
    stride[0] = size[2] * size[1];
    while (size[0] * size[1] * size[2] > 1) {
        for (axis = 0; axis < 3; axis++) {
            uint32_t p = axis == 0, q = axis == 2 ? 1 : 2, i, j;
            if (size[axis] == 1) continue;
            for (i = 0; i < size[p]; i++)
                for (j = 0; j < size[q]; j++)
                    transform_line(s->now.line, s->cells + i * stride[p] + j * stride[q], size[axis], stride[axis]);
        }
        for (axis = 0; axis < 3; axis++) size[axis] = (size[axis] + 1) / 2;
    }
}
