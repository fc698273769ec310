/* From a map to its coefficients (section 4): the pattern, the companded map, what a pattern costs. Part of edgexai_heatmap.c. */

/* Whether an axis of so many values can have a pattern of a period. */
static int fits(uint32_t length, uint32_t period) { return period && length >= 4 * period; }

static CALLED uint32_t count_of(const State *s) { return (uint32_t)s->shape[0] * s->shape[1] * s->shape[2]; }

static uint32_t magnitude_of(int32_t value) { return (uint32_t)(value < 0 ? -value : value); }

/* Value `at` of a map, as the bits of a float32. */
static uint32_t value_of(const edgexai_heatmap_frame *frame, const void *values, uint32_t at) {
    int32_t value;
    uint32_t magnitude;
    int shift;
    if (frame->type == EDGEXAI_HEATMAP_FLOAT32) return bits_of(((const float *)values)[at]);
    value = frame->type == EDGEXAI_HEATMAP_INT32 ? ((const int32_t *)values)[at] : ((const int16_t *)values)[at];
    magnitude = value < 0 ? 0u - (uint32_t)value : (uint32_t)value;
    shift = length_of(magnitude) - 24;
    return packed(value < 0, rounded(magnitude, shift), frame->exponent + shift + 150);
}

/* The attenuations of an axis for a period, from the roots of what `length` lines hold; four, of period 2 twice the same two. */
static void attenuations(uint8_t *level, const int32_t *roots, uint32_t length, uint32_t period) {
    uint32_t sums[4] = {0, 0, 0, 0}, peak = 0, i;
    for (i = 0; i < length; i++) {
        uint32_t *sum = sums + (i & (period - 1));
        *sum += (uint32_t)roots[i];
        if (*sum > peak) peak = *sum;
    }
    for (i = 0; i < 4; i++) {
        uint32_t k = 0;
        while (k < EDGEXAI_ATTENUATION_MOST &&
               (uint64_t)sums[i & (period - 1)] << 14 < (uint64_t)peak * EDGEXAI_THRESHOLDS[k])
            k++;
        level[i] = (uint8_t)k;
    }
}

/* The patterns of period 0, 2 and 4, from the coarse map in the cells. */
static void find_patterns(State *s, Pattern *found) {
    uint32_t axis, period, i, j, stride = count_of(s);
    const int32_t *const end = s->cells + stride;
    for (axis = 0; axis < 3; axis++) {
        uint32_t length = s->shape[axis];
        const int32_t *cell = s->cells;
        int32_t *lines = s->now.line;
        stride /= length;
        for (i = 0; i < length; i++) lines[i] = 0;
        while (fits(length, 2) && cell < end)
            for (i = 0; i < length; i++)
                for (j = 0; j < stride; j++) lines[i] += (int32_t)magnitude_of(*cell++);
        for (i = 0; i < length; i++) lines[i] = (int32_t)root_of((uint32_t)lines[i]);
        for (period = 0; period <= 4; period += 2)
            attenuations(found[period / 2].level[axis], lines, fits(length, period) ? length - length % period : 0, period);
    }
}

/* The map in units of 2^(x - bits), its pattern and `quarters` octaves more taken out; returns x, 2^x is above all. Of
 * CUBED bits, x is a multiple of 3, and the map is companded: |value|^(2/3), of FINE bits. */
static int32_t flatten(State *s, const edgexai_heatmap_frame *frame, const void *values, uint32_t quarters, int bits) {
    uint32_t at = 0, row, column, columns = s->shape[2], rows = s->shape[1], top = 0;
    int32_t x;
    for (row = 0; row < s->shape[0] * rows; row++) {
        uint32_t most = quarters + s->pattern.level[0][row / rows & 3] + s->pattern.level[1][row % rows & 3];
        for (column = 0; column < columns; column++, at++) {
            uint32_t value = value_of(frame, values, at), all = most + s->pattern.level[2][column & 3];
            if (all) value = amplified(value, all);
            s->cells[at] = (int32_t)value;
            if ((value & 0x7FFFFFFF) > top) top = value & 0x7FFFFFFF;
        }
    }
    x = (int32_t)(top >> 23) - 126;
    if (bits == CUBED) x += 2 - (x + 128) % 3; /* up to a multiple of 3 */
    while (at-- > 0) { /* cut towards zero */
        uint32_t value = (uint32_t)s->cells[at], e = value >> 23 & 255;
        int32_t shift = x - bits + 153 - (int32_t)e, m = (int32_t)((value & 0x7FFFFF) | 0x800000) << 3;
        m = e == 0 || shift > 31 ? 0 : m >> shift; /* the largest by 27 - bits */
        if (bits == CUBED) m = (int32_t)companded((uint32_t)m);
        s->cells[at] = value >> 31 ? -m : m;
    }
    return x;
}

/* What the coefficients in the cells cost, in units of 2^x; *top has the bits of their magnitudes. */
static uint64_t cost_of(const State *s, uint32_t *top) {
    uint64_t cost = 0;
    uint32_t axis, j, at, n = count_of(s);
    for (*top = at = 0; at < n; at++) {
        uint32_t magnitude = magnitude_of(s->cells[at]);
        cost += magnitude;
        *top |= magnitude;
    }
    for (axis = 0; axis < 3; axis++) { /* an axis without a pattern costs what it costs */
        uint32_t mean = 0;
        for (j = 0; j < 4; j++) {
            uint32_t k = (4u * s->pattern.level[axis][j] + 1) / 3; /* of the square, companded */
            mean += EDGEXAI_QUARTERS[(0u - k) & 3] >> ((k + 3) >> 2);
        }
        cost = cost * root_of(mean / 4 << (BITS - 16)) >> 12; /* the root of mean / 2^20, in 12 bits */
    }
    return cost;
}

#ifdef EDGEXAI_HEATMAP_BASIS
#define WITH_BASIS(s) ((s)->basis != NULL)
static uint32_t project(State *s);
#else
#define WITH_BASIS(s) 0
#endif

/* A cell of magnitude and sign, of a coefficient with so many bits as the greatest. */
static int32_t cell_for(int32_t value, int bits) {
    uint32_t magnitude = magnitude_of(value);
    magnitude = bits > EDGEXAI_PLANES ? magnitude >> (bits - EDGEXAI_PLANES) : magnitude << (EDGEXAI_PLANES - bits);
    return (int32_t)(magnitude | (value < 0 ? NEGATIVE : 0));
}

#ifdef __OPTIMIZE_SIZE__ /* 70 bytes less; the same is then tried again */
#define same_pattern(a, b) 0
#else
static int same_pattern(const Pattern *a, const Pattern *b) {
    uint32_t i;
    for (i = 0; i < 12; i++)
        if (a->level[i / 4][i % 4] != b->level[i / 4][i % 4]) return 0;
    return 1;
}
#endif

/* From values to cells of magnitude and sign, with the best pattern in s->period. *exponent is BLANK for a blank map.
 * Returns 0, or an error. */
static int analyse(State *s, const edgexai_heatmap_frame *frame, const void *values, int32_t *exponent) {
    int32_t x, best_x = 0;
    uint32_t at, n = count_of(s), period, tried, first = 1, best = 0, top = 0;
    const Pattern *pattern;
    Pattern found[3], none = {{{0}}};
    uint64_t best_cost = 0;
    int bits;
    *exponent = BLANK;
    s->pattern = none;
    x = flatten(s, frame, values, 0, COARSE);
    if (x > 90) return EDGEXAI_HEATMAP_VALUES; /* infinite and not a number too */
    if (x <= -100) return 0;
    find_patterns(s, found);
    /* Of equally cheap periods the shortest; it comes last, since most maps take it and are then done. */
    for (tried = 0; tried < 4; tried++) {
        uint64_t cost;
        uint32_t more = 0;
        period = tried < 3 ? 4 - 2 * tried : best;
        pattern = found + period / 2;
        if (tried == 3 ? period == s->period : period && (WITH_BASIS(s) || same_pattern(pattern, pattern - 1))) continue;
        s->pattern = *pattern;
        s->period = (uint8_t)period;
        x = flatten(s, frame, values, frame->phase, CUBED) / 3 * 2;
#ifdef EDGEXAI_HEATMAP_BASIS
        if (s->basis) more = project(s);
#endif
        transform(s);
        cost = cost_of(s, &top);
        top |= more;
        if (first || (x > best_x ? cost << (x - best_x) <= best_cost : cost <= best_cost << (best_x - x))) {
            first = 0;
            best = period;
            best_cost = cost;
            best_x = x;
        }
    }
    bits = length_of(top);
#ifdef EDGEXAI_HEATMAP_BASIS
    if (s->basis) n += s->basis[4]; /* they lie behind the map's */
#endif
    for (at = 0; at < n; at++) s->cells[at] = cell_for(s->cells[at], bits);
    *exponent = bits - FINE + best_x;
    return 0;
}
