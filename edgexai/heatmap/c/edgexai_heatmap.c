/* See edgexai_heatmap.h; sections are those of docs/heatmap-format.md.
 *
 * Scores and maps are read as the bits of their float32 and all arithmetic is on integers, so that no setting of a
 * floating-point unit changes a byte. Negative integers are shifted right arithmetically, as every compiler for
 * these machines does.
 */

#include "edgexai_heatmap.h"

#include "edgexai_heatmap_tables.h"

typedef edgexai_heatmap_state State;
typedef edgexai_heatmap_node Node;
typedef edgexai_heatmap_interval Interval;
typedef edgexai_heatmap_pattern Pattern;

enum { FINE = 18, CUBED = 27, COARSE = 14, BITS = 20, BLANK = -128, MOST_BYTES = 1 << 20, MOST_VALUES = 1 << 18, MOST_MAPS = 16 };
enum { FIRST = 3 << 5, EXTENDED = 16, MODEL = 8, STAMP = 4, CLASS = 2, CONSERVATION = 1 };
enum { LONG_MODEL = 1, PRECISE = 2, FIELDS = 4, SEVERAL = 8, PRECISE_FROM = 96 };
enum { MAGNITUDE = 0x7FFF, NEGATIVE = 0x8000, HEIGHT = 16 }; /* a cell: magnitude, sign, height of an inner node */

/* A function that is shorter called than written out where it is used; compilers for size misjudge these. */
#ifdef __GNUC__
#define CALLED __attribute__((noinline))
#else
#define CALLED
#endif

/* Both fail to compile if their condition does not hold. */
typedef char every_context_has_room[sizeof((State *)0)->now.contexts.seen == EDGEXAI_CONTEXTS ? 1 : -1];
typedef char the_state_leaves_room_for_the_stack[sizeof(State) <= 3 * 1024 ? 1 : -1];

static CALLED int length_of(uint32_t value) {
#ifdef __GNUC__
    return value ? 32 - __builtin_clz(value) : 0;
#else
    int bits = 0;
    for (; value; value >>= 1) bits++;
    return bits;
#endif
}

/* The square root of a number below 2^36. */
static CALLED uint32_t root_of(uint64_t value) {
    uint32_t root = 0, bit;
    for (bit = 1u << 17; bit; bit >>= 1)
        if ((uint64_t)(root | bit) * (root | bit) <= value) root |= bit;
    return root;
}

#ifdef __OPTIMIZE_SIZE__ /* 170 bytes less, 400 instructions more a value */
/* value^(2/3), cut to an integer; value is below 2^27. */
static CALLED uint32_t companded(uint32_t value) {
    uint32_t root = 0, bit;
    for (bit = 1u << 17; bit; bit >>= 1)
        if ((uint64_t)(root | bit) * (root | bit) * (root | bit) <= (uint64_t)value * value) root |= bit;
    return root;
}
#else
/* A quarter of x^(2/3) at every 2^22 from 2^24 to 2^27. */
static const uint16_t TWO_THIRDS[] = {
    16384, 19012, 21469, 23793, 26008, 28132, 30180, 32159, 34080, 35948, 37769, 39546, 41285, 42988, 44658,
    46297, 47907, 49491, 51050, 52585, 54099, 55591, 57064, 58518, 59954, 61373, 62776, 64163, 65535,
};

/* value^(2/3), cut to an integer; value is below 2^27. */
static CALLED uint32_t companded(uint32_t value) {
    /* from 2^24 on a chord is within 120 of the root; below, eight times the value have four times the root */
    uint32_t up = (uint32_t)(27 - length_of(value)) / 3, m, i, rest, root, square;
    uint64_t power;
    if (!value) return 0;
    m = value << 3 * up;
    i = (m >> 22) - 4;
    rest = (m >> 8) & 0x3FFF;
    root = 4u * TWO_THIRDS[i] + (((uint32_t)(TWO_THIRDS[i + 1] - TWO_THIRDS[i]) * rest) >> 12);
    power = (uint64_t)m * m;
    square = (uint32_t)(((uint64_t)root * root) >> 12);
    root += (uint32_t)((int32_t)((int64_t)(power - (uint64_t)root * root * root) >> 12) / (int32_t)(3 * square)) - 2;
    while ((uint64_t)(root + 1) * (root + 1) * (root + 1) <= power) root++;
    return root >> 2 * up;
}
#endif

/* value >> shift, halves to even; a shift below zero goes left. */
static uint32_t rounded(uint32_t value, int shift) {
    uint32_t whole, rest;
    if (shift <= 0) return value << -shift;
    if (shift > 31) return 0;
    whole = value >> shift;
    rest = (value ^ whole << shift) << (32 - shift);
    return whole + (rest > 0x80000000 || (rest == 0x80000000 && (whole & 1)));
}

/* The bits of ±m · 2^(e - 150) as float32, m of 24 bits or 2^24; what would be subnormal is 0, and never reaches a frame. */
static CALLED uint32_t packed(uint32_t negative, uint32_t m, int32_t e) {
    return negative << 31 | (m == 0 || e < 1 ? 0 : e > 254 ? 0x7F800000 : ((uint32_t)(e - 1) << 23) + m);
}

static uint32_t bits_of(float value) {
    union {
        float value;
        uint32_t bits;
    } both;
    both.value = value;
    return both.bits;
}

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

/* The bits of a float32 times 2^(quarters / 4). */
static CALLED uint32_t amplified(uint32_t bits, uint32_t quarters) {
    int32_t e = (int32_t)(bits >> 23 & 255);
    uint64_t product = (uint64_t)((bits & 0x7FFFFF) | 0x800000) * EDGEXAI_QUARTERS[quarters & 3];
    /* of its 44 or 45 bits the lowest say only whether one of them is set */
    uint32_t high = (uint32_t)(product >> 14) | ((uint32_t)product << 18 != 0), more = high >> 30;
    if (e == 0) return 0;
    return packed(bits >> 31, rounded(high, 6 + (int)more), e + (int32_t)(quarters >> 2) + (int32_t)more);
}

/* ---- Wavelet ---------------------------------------------------------------------------------------------------- */

/* No map of values below 2^18 takes a sum here beyond a third of what 32 bits hold: the sum of the magnitudes of each
 * step's impulse response, over all levels and axes, is below 2677. */
static int32_t scaled(int32_t value, int32_t weight) { /* one SMMULR where the core has it */
    return (int32_t)(((int64_t)(value * 2) * weight + 0x80000000) >> 32);
}

/* A weight of 2^14ths as a whole number (0, 1 or -1), and the rest of it times 2^17. */
typedef struct {
    int32_t whole, rest;
} Weight;

static Weight apart(int32_t weight) {
    Weight found;
    found.whole = weight >= 1 << 14 ? 1 : weight <= -(1 << 14) ? -1 : 0;
    found.rest = (weight - found.whole * (1 << 14)) * (1 << 17);
    return found;
}

/* value · weight, rounded. */
static int32_t weighed(int32_t value, Weight weight) { return weight.whole * value + scaled(value, weight.rest); }

static CALLED void transform_line(int32_t *line, int32_t *values, uint32_t n, uint32_t stride) {
    int32_t *value = values, *last = line + n;
    Weight weight;
    uint32_t i, step;
    for (i = 0; i < n; i++, value += stride) line[i] = *value;
    for (step = 0; step < 4; step++) {
        /* before the first stands the second, behind the last the last but one: in the two places around the line */
        int32_t *at = line + 1 - (step & 1);
        weight = apart(EDGEXAI_LIFTING[step]);
        line[-1] = line[1];
        *last = last[-2];
        for (; at < last; at += 2) *at += weighed(at[-1] + at[1], weight);
    }
    for (step = 0; step < 2; step++) { /* even and odd values go to their places */
        weight = apart(EDGEXAI_ANALYSIS[step]);
        for (i = step, value = values + i * ((n + 1) / 2) * stride; i < n; i += 2, value += stride)
            *value = weighed(line[i], weight);
    }
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
                    transform_line(s->now.line + 1, s->cells + i * stride[p] + j * stride[q], size[axis], stride[axis]);
        }
        for (axis = 0; axis < 3; axis++) size[axis] = (size[axis] + 1) / 2;
    }
}

/* ---- From a map to its coefficients ----------------------------------------------------------------------------- */

static int fits(const State *s, uint32_t axis, uint32_t period) { return period && s->shape[axis] >= 4 * period; }

static int any_fits(const State *s, uint32_t period) {
    return fits(s, 0, period) || fits(s, 1, period) || fits(s, 2, period);
}

static CALLED uint32_t count_of(const State *s) { return (uint32_t)s->shape[0] * s->shape[1] * s->shape[2]; }

static uint32_t magnitude_of(int32_t value) { return (uint32_t)(value < 0 ? -value : value); }

/* The attenuations of a period, from the coarse map in the cells; four an axis, of period 2 twice the same two. */
static void find_pattern(State *s, uint32_t period) {
    uint32_t axis, n = count_of(s), stride = n;
    s->period = (uint8_t)period;
    for (axis = 0; axis < 3; axis++) {
        uint32_t length = s->shape[axis], sums[4] = {0, 0, 0, 0}, peak = 0, i;
        int32_t *lines = s->now.line;
        stride /= length;
        for (i = 0; i < 4; i++) s->pattern.level[axis][i] = 0;
        if (!fits(s, axis, period)) continue;
        for (i = 0; i < length; i++) lines[i] = 0;
        for (i = 0; i < n; i++) lines[i / stride % length] += (int32_t)magnitude_of(s->cells[i]);
        for (i = 0; i < length - length % period; i++) {
            uint32_t *sum = sums + (i & (period - 1));
            *sum += root_of((uint32_t)lines[i]);
            if (*sum > peak) peak = *sum;
        }
        for (i = 0; i < 4; i++) {
            uint32_t k = 0;
            while (k < EDGEXAI_ATTENUATION_MOST &&
                   (uint64_t)sums[i & (period - 1)] << 14 < (uint64_t)peak * EDGEXAI_THRESHOLDS[k])
                k++;
            s->pattern.level[axis][i] = (uint8_t)k;
        }
    }
}

/* The map in units of 2^(x - bits), its pattern and `quarters` octaves more taken out; returns x, 2^x is above all. Of
 * CUBED bits, x is a multiple of 3, and the map is companded: |value|^(2/3), of FINE bits. */
static int32_t flatten(State *s, const edgexai_heatmap_frame *frame, const void *values, uint32_t quarters, int bits) {
    uint32_t at, n = count_of(s), columns = s->shape[2], rows = s->shape[1], top = 0;
    int32_t x;
    for (at = 0; at < n; at++) {
        uint32_t value = value_of(frame, values, at), row = at / columns, all = quarters;
        all += s->pattern.level[2][(at - row * columns) & 3] + s->pattern.level[1][row % rows & 3];
        all += s->pattern.level[0][row / rows & 3];
        if (all) value = amplified(value, all);
        s->cells[at] = (int32_t)value;
        if ((value & 0x7FFFFFFF) > top) top = value & 0x7FFFFFFF;
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
    Pattern found[3]; /* of period 0, 2 and 4 */
    uint64_t best_cost = 0;
    int bits;
    *exponent = BLANK;
    find_pattern(s, 0);
    x = flatten(s, frame, values, 0, COARSE);
    if (x > 90) return EDGEXAI_HEATMAP_VALUES; /* infinite and not a number too */
    if (x <= -100) return 0;
    for (period = 0; period <= 4; period += 2) {
        find_pattern(s, period);
        found[period / 2] = s->pattern;
    }
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

/* ---- Range coder ------------------------------------------------------------------------------------------------ */

/* The highest byte of low goes out. Of `most` bytes only the first `room` are kept; of the others is only known whether
 * all their bits are ones, for the carry. */
static void put_low(State *s) {
    uint32_t byte = s->low >> 24;
    s->low <<= 8;
    if (s->full) return;
    if (s->written < s->room)
        s->out[s->written] = (uint8_t)byte;
    else if (byte != 255)
        s->all_ones = 0;
    s->full = ++s->written >= s->most;
}

static void carry(State *s) {
    uint32_t at = s->written;
    if (at > s->room) {
        if (!s->all_ones) return;
        s->all_ones = 0;
        at = s->room;
    }
    while (at && ++s->out[--at] == 0) {
    }
}

static void tell(State *s, uint32_t context, int bit) {
    uint32_t p = s->now.contexts.chance[context], seen = s->now.contexts.seen[context];
    uint32_t bound = (s->range >> 12) * (p >> 4);
    if (s->full) return;
    if (bit) {
        s->range = bound;
        p += (EDGEXAI_ONE - p) * EDGEXAI_RATES[seen] >> 16;
        if (p > EDGEXAI_ONE - EDGEXAI_FLOOR) p = EDGEXAI_ONE - EDGEXAI_FLOOR;
    } else {
        s->range -= bound;
        s->low += bound;
        if (s->low < bound) carry(s);
        p -= p * EDGEXAI_RATES[seen] >> 16;
        if (p < EDGEXAI_FLOOR) p = EDGEXAI_FLOOR;
    }
    s->now.contexts.chance[context] = (uint16_t)p;
    if (seen < EDGEXAI_SLOWEST) s->now.contexts.seen[context] = (uint8_t)(seen + 1);
    for (; s->range < 1u << 24; s->range <<= 8) put_low(s);
}

/* The fewest bytes that settle what is still open. */
static void finish(State *s) {
    uint32_t mask = 0xFFFFFF, up;
    if (s->full) return;
    while ((up = (0u - s->low) & mask) + mask >= s->range) mask >>= 8;
    s->low += up;
    if (s->low < up) carry(s);
    for (; put_low(s), mask != 0xFFFFFF; mask = mask << 8 | 255) {
    }
}

/* ---- Tree ------------------------------------------------------------------------------------------------------- */

/* Halve an axis down to a depth, towards a position or (by index) an interval; an empty interval has size 0. */
static CALLED Interval descend(uint32_t size, uint32_t depth, uint32_t target, int by_index) {
    uint32_t index = 0, begin = 0, above = size, half;
    Interval found;
    while (depth-- > 0) {
        above = size;
        half = (size + 1) >> 1;
        index <<= 1;
        if (by_index ? target >> depth & 1 : target >= begin + half) {
            index |= 1;
            begin += half;
            size >>= 1;
        } else
            size = half;
    }
    found.index = (uint16_t)index;
    found.begin = (uint16_t)begin;
    found.size = (uint16_t)size;
    found.above = (uint16_t)above;
    return found;
}

/* One more than the number of a node's last child: of eight, those beyond it are empty. */
static CALLED uint32_t end_of(const Node *node) { return node->box[0].size > 1 ? 8 : node->box[1].size > 1 ? 4 : 2; }

/* Child number `k` of eight, if it is not empty. */
static int child_of(const Node *node, uint32_t k, Node *child) {
    uint32_t axis;
    for (axis = 0; axis < 3; axis++) {
        const Interval *from = node->box + axis;
        Interval *to = child->box + axis;
        uint32_t right = k >> (2 - axis) & 1, half = (from->size + 1u) / 2;
        if (right && from->size == 1) return 0;
        to->index = (uint16_t)(2 * from->index + right);
        to->begin = (uint16_t)(from->begin + (right ? half : 0));
        to->size = (uint16_t)(right ? from->size - half : half);
        to->above = from->size;
    }
    child->next = child->visited = child->busy = child->height = 0;
    return 1;
}

static uint32_t volume(const Interval *box) { return (uint32_t)box[0].size * box[1].size * box[2].size; }

static uint32_t above_of(const Interval *box) { return (uint32_t)box[0].above * box[1].above * box[2].above; }

/* The cell of a leaf; of an inner node the first of its second child, that no other node has for its height. */
static int32_t *cell_of(const State *s, const Interval *box) {
    uint32_t row = s->shape[2], plane = row * s->shape[1];
    int32_t *cell = s->cells + box[0].begin * plane + box[1].begin * row + box[2].begin;
    if (box[2].size > 1) return cell + (box[2].size + 1u) / 2;
    if (box[1].size > 1) return cell + (box[1].size + 1u) / 2 * row;
    return box[0].size > 1 ? cell + (box[0].size + 1u) / 2 * plane : cell;
}

/* The bit length of a node's greatest magnitude. */
static CALLED int height_of(const State *s, const Interval *box) {
    uint32_t cell = (uint32_t)*cell_of(s, box);
    return volume(box) == 1 ? length_of(cell & MAGNITUDE) : (int)(cell >> HEIGHT);
}

static Node *root_of_tree(State *s) {
    Node *root = s->path;
    for (uint32_t axis = 0; axis < 3; axis++) root->box[axis] = descend(s->shape[axis], 0, 0, 0);
    root->next = root->visited = root->busy = root->height = 0;
    return root;
}

/* Write the heights of inner nodes into their cells. */
static void measure(State *s) {
    Node *node = root_of_tree(s);
    if (count_of(s) == 1) return;
    for (;;) {
        int height;
        if (node->next < end_of(node)) {
            if (!child_of(node, node->next++, node + 1)) continue;
            if (volume(node[1].box) > 1) {
                node++;
                continue;
            }
            height = height_of(s, node[1].box);
        } else {
            height = node->height;
            *cell_of(s, node->box) |= height << HEIGHT;
            if (node-- == s->path) return;
        }
        if (height > node->height) node->height = (uint8_t)height;
    }
}

/* How long ago a node was found, at most 4 planes; 1 in this plane if it comes before, 0 if not found or no node. */
static uint32_t age_of(const State *s, const Interval *box, int plane, int before) {
    int height;
    if (above_of(box) == 1) return 0; /* no node: that above it is a leaf */
    height = height_of(s, box);
    if (height <= plane || (height == plane + 1 && !before)) return 0;
    return height - plane < 4 ? (uint32_t)(height - plane) : 4;
}

/* What surrounds a node of the path, in its class. */
static CALLED uint32_t surroundings(const State *s, const Node *node, int plane) {
    Interval box[3], beside[6];
    uint32_t k, axis, total = 0, class = 0, depth = (uint32_t)(node - s->path);
    uint32_t indices = node->box[0].index | node->box[1].index | (uint32_t)node->box[2].index, band = indices;
    for (k = 1; k < 16; k <<= 1) band |= band >> k;
    band = ~(band >> 1); /* the bits of an index that say which band */
    for (axis = 0; axis < 3; axis++) box[axis] = node->box[axis];
    for (k = 6; k-- > 0;) { /* before and after along axis 2, 1, 0 */
        uint32_t side = k & 1, at, age;
        axis = k >> 1;
        at = side ? box[axis].begin + (uint32_t)box[axis].size : box[axis].begin - 1u;
        beside[k].size = 0;
        if (at >= s->shape[axis]) continue;
        box[axis] = descend(s->shape[axis], depth, at, 0);
        if (((box[axis].index ^ node->box[axis].index) & band) == 0) {
            age = age_of(s, box, plane, !side);
            total += axis ? 4 * age : age ? 2 : 0;
            beside[k] = box[axis];
        }
        box[axis] = node->box[axis];
    }
    for (k = 0; k < 4 && s->axes == 2; k++) {
        uint32_t down = k >> 1, right = k & 1, x, y;
        box[1] = beside[2 + down];
        box[2] = beside[4 + right];
        if (!box[1].size || !box[2].size) continue;
        x = node->box[1].index ^ box[1].index;
        y = node->box[2].index ^ box[2].index;
        /* the axis whose indices differ in the higher bit says which comes first */
        if (age_of(s, box, plane, x < y && x < (x ^ y) ? !right : !down)) total += 2;
    }
    if (indices) {
        for (k = 1, depth++; k == 1 || !volume(box) || above_of(box) == 1; k++)
            for (depth--, axis = 0; axis < 3; axis++)
                box[axis] = descend(s->shape[axis], depth, (uint32_t)node->box[axis].index >> k, 1);
        total += 3 * age_of(s, box, plane, 1);
    }
    while (class < sizeof EDGEXAI_SURROUNDINGS && total >= EDGEXAI_SURROUNDINGS[class]) class++;
    return class;
}

/* ---- The stream ------------------------------------------------------------------------------------------------- */

static void tell_pattern(State *s, uint32_t phase) {
    uint32_t axis, j, level, k;
    if (any_fits(s, 2) && !WITH_BASIS(s)) {
        tell(s, EDGEXAI_CONTEXT_GRID, s->period > 0);
        if (s->period && any_fits(s, 4)) tell(s, EDGEXAI_CONTEXT_GRID + 1, s->period == 4);
        for (axis = 0; axis < 3; axis++)
            for (j = 0; fits(s, axis, s->period) && j < s->period; j++)
                for (k = s->pattern.level[axis][j], level = 0; level <= k && level < EDGEXAI_ATTENUATION_MOST; level++)
                    tell(s, EDGEXAI_CONTEXT_ATTENUATION + (level < 5 ? level : 5) + (s->period == 4 ? 6 : 0), k > level);
    }
    for (level = 0; level <= phase && level < 3; level++) tell(s, EDGEXAI_CONTEXT_PHASE + level, phase > level);
}

#ifdef EDGEXAI_HEATMAP_BASIS
#include "edgexai_heatmap_basis.h"
#endif

/* A node of the path; returns whether its children follow. */
static int tell_node(State *s, Node *node, int plane) {
    const int32_t *cell = cell_of(s, node->box);
    uint32_t size = volume(node->box);
    int height = height_of(s, node->box);
    node->fresh = height == plane + 1;
    if (height > plane + 1) {
        if (size == 1) tell(s, EDGEXAI_CONTEXT_REFINE + (height > plane + 2), *cell >> plane & 1);
        return size > 1;
    }
    if (node != s->path) {
        Node *up = node - 1;
        uint32_t first = up->visited++, children = 1, axis;
        for (axis = 0; axis < 3; axis++) children <<= up->box[axis].size > 1;
        if (!up->fresh || first + 1 < children || up->busy) {
            uint32_t run = !up->fresh ? 0 : up->busy ? 1 : 1 + (first < 2 ? first : 2);
            uint32_t class = (uint32_t)(size > 1) + (size > 4) + (size > 16);
            tell(s, 28 * class + 4 * surroundings(s, node, plane) + run, node->fresh);
        }
        if (!node->fresh) return 0;
        up->busy = 1;
    }
    if (size == 1) tell(s, EDGEXAI_CONTEXT_SIGN + (cell == s->cells), (*cell & NEGATIVE) != 0);
    return size > 1;
}

static void tell_plane(State *s, int plane) {
    Node *node = root_of_tree(s);
#ifdef EDGEXAI_HEATMAP_BASIS
    if (!tell_components(s, plane)) return;
#endif
    if (!tell_node(s, node, plane)) return;
    while (!s->full) {
        if (node->next == end_of(node)) {
            if (node-- == s->path) return;
        } else if (child_of(node, node->next++, node + 1) && tell_node(s, node + 1, plane)) {
            node++;
        }
    }
}

/* The stream of the cells' coefficients: of its first `most` bytes the first `room` go out. Returns its length. */
static uint32_t stream(State *s, uint32_t phase, uint8_t *out, uint32_t room, uint32_t most) {
    uint32_t context;
    int plane;
    for (context = 0; context < EDGEXAI_CONTEXTS; context++) {
        s->now.contexts.chance[context] = (uint16_t)(EDGEXAI_FIRST_CHANCE[context] << 8);
        s->now.contexts.seen[context] = EDGEXAI_USUAL_COUNT;
    }
    for (context = 0; context < sizeof EDGEXAI_OTHER_COUNTS; context += 2)
        s->now.contexts.seen[EDGEXAI_OTHER_COUNTS[context]] = EDGEXAI_OTHER_COUNTS[context + 1];
    s->out = out;
    s->room = room;
    s->most = most;
    s->low = s->written = s->full = 0;
    s->range = 0xFFFFFFFF;
    s->all_ones = 1;
    measure(s);
    tell_pattern(s, phase);
    for (plane = EDGEXAI_PLANES; plane-- > 0 && !s->full;) tell_plane(s, plane);
    finish(s);
    return s->written;
}

/* ---- The frame -------------------------------------------------------------------------------------------------- */

/* What goes into the frame; counted even where there is no space. */
typedef struct {
    uint8_t *out;
    size_t capacity, at;
} Writer;

static void put(Writer *w, uint32_t byte) {
    if (w->at < w->capacity) w->out[w->at] = (uint8_t)byte;
    w->at++;
}

static CALLED void put_bytes(Writer *w, const uint8_t *bytes, uint32_t count) {
    while (count--) put(w, *bytes++);
}

static void put_number(Writer *w, uint64_t value, uint32_t bytes) {
    while (bytes--) put(w, (uint32_t)(value >> 8 * bytes) & 255);
}

static void put_varint(Writer *w, uint64_t value) {
    for (; value > 127; value >>= 7) put(w, (uint32_t)(value & 127) | 128);
    put(w, (uint32_t)value);
}

/* float16 of the bits of a float32. */
static uint32_t half_of(uint32_t bits) {
    uint32_t sign = bits >> 16 & 0x8000, e = bits >> 23 & 255, m = (bits & 0x7FFFFF) | 0x800000, half;
    if (e == 255 && m > 0x800000) return sign | 0x7E00;
    if (e > 112) /* with the implicit one, which the exponent takes in */
        half = e > 142 ? 0x7C00 : ((e - 113) << 10) + rounded(m, 13);
    else
        half = rounded(m, 126 - (int)e);
    return sign | (half > 0x7C00 ? 0x7C00 : half);
}

/* round(64 · (1 + value)) within a byte. */
static uint32_t conserved(uint32_t bits) {
    int32_t e = (int32_t)(bits >> 23 & 255), steps;
    if (e >= 127 + 2) return bits >> 31 ? 0 : 255;
    steps = (int32_t)rounded((bits & 0x7FFFFF) | 0x800000, 144 - e);
    steps = 64 + (bits >> 31 ? -steps : steps);
    return (uint32_t)(steps < 0 ? 0 : steps > 255 ? 255 : steps);
}

static uint32_t crc32c(const uint8_t *bytes, size_t count) {
    uint32_t value = 0xFFFFFFFF, bit;
    while (count--)
        for (value ^= *bytes++, bit = 0; bit < 8; bit++) value = value >> 1 ^ (value & 1 ? 0x82F63B78 : 0);
    return ~value;
}

/* Everything in front of the first map. Returns 0, or an error. */
static int put_preamble(Writer *w, const edgexai_heatmap_frame *frame, uint32_t flags, uint32_t more) {
    uint32_t i;
    if ((frame->model_size && frame->model_size != 4 && frame->model_size != 8) || frame->sequence >> 53)
        return EDGEXAI_HEATMAP_HEADER;
    if (frame->milliseconds > 999 || frame->phase > 3) return EDGEXAI_HEATMAP_HEADER;
    if (frame->model_size) flags |= MODEL;
    if (frame->model_size == 8) more |= LONG_MODEL;
    if (frame->field_count) more |= FIELDS;
    if (frame->count > 1) more |= SEVERAL;
#ifdef EDGEXAI_HEATMAP_BASIS
    if (frame->basis) more |= BASIS;
#endif
    put(w, FIRST | flags | (more ? EXTENDED : 0u));
    if (more) put(w, more);
    if (frame->axes == 2 && frame->shape[0] == frame->shape[1] && frame->shape[0] <= 128)
        put(w, frame->shape[0] - 1u);
    else
        for (put(w, 128u + frame->axes), i = 0; i < frame->axes; i++) put_varint(w, frame->shape[i] - 1u);
    put_bytes(w, frame->model, frame->model_size);
#ifdef EDGEXAI_HEATMAP_BASIS
    if (frame->basis) put_bytes(w, frame->basis + frame->basis_size - 2, 2);
#endif
    if (flags & STAMP) {
        put_varint(w, frame->sequence);
        if (more & PRECISE)
            put_number(w, (uint64_t)frame->seconds * 1000 + frame->milliseconds, 5);
        else
            put_number(w, frame->seconds, 4);
    }
    if (frame->count > 1) put(w, frame->count);
    for (i = 0; i < frame->field_count; i++) {
        const edgexai_heatmap_field *field = frame->fields + i;
        if (field->type < 1 || field->type > 15) return EDGEXAI_HEATMAP_HEADER;
        put(w, (uint32_t)field->type << 4 | (field->size < 15 ? field->size : 15u));
        if (field->size >= 15) put(w, field->size);
        put_bytes(w, field->content, field->size);
    }
    if (frame->field_count) put(w, 0);
    return 0;
}

/* What comes before a map's exponent. */
static void put_lead(Writer *w, const edgexai_heatmap_map *map, uint32_t flags, uint32_t more) {
    uint32_t score = bits_of(map->score), conservation = bits_of(map->conservation);
    if (flags & CLASS) {
        put_varint(w, (uint32_t)map->target << 1 ^ (map->target < 0 ? 0xFFFFFFFF : 0));
        if (more & PRECISE)
            put_number(w, score, 4);
        else
            put_number(w, half_of(score), 2);
    }
    if (flags & CONSERVATION) {
        if (more & PRECISE)
            put_number(w, half_of(conservation), 2);
        else
            put(w, conserved(conservation));
    }
}

static CALLED uint32_t varint_size(uint32_t value) { return value < 128 ? 1 : value < 16384 ? 2 : 3; }

/* How many bytes of its stream each map gets: the longest are cut to equal shares. Returns what is left over. */
static int32_t share(uint32_t *lengths, uint32_t count, int32_t left) {
    uint32_t waiting, i, done = 0;
    for (waiting = count; waiting; waiting--) {
        uint32_t least = 0, length, part = left > 0 ? (uint32_t)left / waiting : 0;
        for (i = 1; i < count; i++)
            if (done >> least & 1 || (!(done >> i & 1) && lengths[i] < lengths[least])) least = i;
        done |= 1u << least;
        length = lengths[least] < part ? lengths[least] : part;
        if (least + 1 < count) {
            while (length && length + varint_size(length) > part) length--;
            left -= (int32_t)varint_size(length);
        }
        left -= (int32_t)length;
        lengths[least] = length;
    }
    return left;
}

int32_t edgexai_heatmap_encode(const edgexai_heatmap_frame *frame, int32_t *work, edgexai_heatmap_state *s, uint8_t *out,
                               size_t capacity, size_t budget) {
    Writer w, dry;
    uint32_t lengths[MOST_MAPS], i, axis, values  = frame->count, flags = CONSERVATION, more = 0, most;
    int32_t exponent, error, left;
    if (frame->count < 1 || frame->count > MOST_MAPS || frame->axes < 1 || frame->axes > 3) return EDGEXAI_HEATMAP_SHAPE;
    for (axis = 0; axis < 3; axis++) {
        uint32_t n = axis + frame->axes < 3 ? 1 : frame->shape[axis + frame->axes - 3];
        if (n < 1 || n > EDGEXAI_HEATMAP_LONGEST || n > 512) return EDGEXAI_HEATMAP_SHAPE;
        if ((values *= n) > MOST_VALUES) return EDGEXAI_HEATMAP_SHAPE;
        s->shape[axis] = (uint16_t)n;
    }
    s->axes = frame->axes;
    s->cells = work;
#ifdef EDGEXAI_HEATMAP_BASIS
    if (!take_basis(s, frame->basis, frame->basis_size)) return EDGEXAI_HEATMAP_SHAPE;
#endif
    most = budget && budget < MOST_BYTES ? (uint32_t)budget : MOST_BYTES;
    if (most >= PRECISE_FROM) more = PRECISE;
    for (i = 0; i < frame->count; i++) {
        const edgexai_heatmap_map *map = frame->maps + i;
        uint32_t score = bits_of(map->score) & 0x7FFFFFFF;
        if (map->target || score) flags |= CLASS;
        if (score > 0x477FE000 && score < 0x7F800000) more = PRECISE; /* beyond float16 */
        if (!map->has_conservation || (bits_of(map->conservation) & 0x7FFFFFFF) >= 0x477FE000) flags &= ~1u;
    }
    if (frame->sequence || frame->seconds || frame->milliseconds) flags |= STAMP;
    if (!flags) more = 0;
    w.out = out;
    w.capacity = capacity;
    w.at = 0;

    if ((error = put_preamble(&w, frame, flags, more)) != 0) return error;
    dry = w;
    dry.capacity = 0;
    for (i = 0; i < frame->count; i++) put_lead(&dry, frame->maps + i, flags, more);
    left = (int32_t)most - (int32_t)dry.at - frame->count - 4; /* exponents and CRC */
    if (left < frame->count - 1) return EDGEXAI_HEATMAP_BUDGET;
    lengths[0] = MOST_BYTES;
    for (i = 0; i < frame->count && frame->count > 1; i++) {
        if ((error = analyse(s, frame, frame->maps[i].values, &exponent)) != 0) return error;
        lengths[i] = exponent == BLANK ? 0 : stream(s, frame->phase, NULL, 0, most);
    }
    if (share(lengths, frame->count, left) < 0) return EDGEXAI_HEATMAP_BUDGET;

    for (i = 0; i < frame->count; i++) {
        uint32_t room, length;
        put_lead(&w, frame->maps + i, flags, more);
        if ((error = analyse(s, frame, frame->maps[i].values, &exponent)) != 0) return error;
        put(&w, (uint32_t)exponent & 255);
        if (i + 1 < frame->count) put_varint(&w, lengths[i]);
        if (w.at > capacity) return EDGEXAI_HEATMAP_SPACE;
        room = capacity - w.at < lengths[i] ? (uint32_t)(capacity - w.at) : lengths[i];
        length = exponent == BLANK ? 0 : stream(s, frame->phase, out + w.at, room, most);
        w.at += length < lengths[i] ? length : lengths[i];
    }
    if (w.at + 4 > capacity) return EDGEXAI_HEATMAP_SPACE;
    put_number(&w, crc32c(out, w.at), 4);
    return (int32_t)w.at;
}
