/* See edgexai_heatmap.h; sections are those of docs/heatmap-format.md.
 *
 * Nothing here has a type that is floating: scores and maps are read as the bits of their float32, so that no setting
 * of a floating-point unit changes a byte. Negative integers are shifted right arithmetically, as every compiler for
 * these machines does.
 */

#include "edgexai_heatmap.h"

#include "edgexai_heatmap_tables.h"

typedef edgexai_heatmap_state State;
typedef edgexai_heatmap_node Node;

enum { FINE = 18, COARSE = 14, BITS = 20, BLANK = -128, MOST_BYTES = 1 << 20, MOST_VALUES = 1 << 18, MOST_MAPS = 16 };
enum { EXTENDED = 16, MODEL = 8, STAMP = 4, CLASS = 2, CONSERVATION = 1 };
enum { LONG_MODEL = 1, PRECISE = 2, FIELDS = 4, SEVERAL = 8, PRECISE_FROM = 96 };
enum { MAGNITUDE = 0x7FFF, NEGATIVE = 0x8000, HEIGHT = 16 }; /* a cell: magnitude, sign, height of an inner node */

/* A number m · 2^e without its sign, m below 2^24. */
typedef struct {
    uint32_t m;
    int32_t e;
} Number;

static int length_of(uint32_t value) {
    int bits = 0;
    for (; value; value >>= 1) bits++;
    return bits;
}

static uint32_t root_of(uint64_t value) {
    uint32_t root = 0;
    for (uint32_t bit = 1u << 31; bit; bit >>= 1)
        if ((uint64_t)(root | bit) * (root | bit) <= value) root |= bit;
    return root;
}

/* value >> shift, halves to even; a shift below zero goes left. */
static uint64_t rounded(uint64_t value, int shift) {
    uint64_t half, rest;
    if (shift <= 0) return value << -shift;
    if (shift > 62) return 0;
    half = (uint64_t)1 << (shift - 1);
    rest = value & (2 * half - 1);
    value >>= shift;
    return value + (rest > half || (rest == half && (value & 1)));
}

static Number to_24_bits(uint64_t m, int32_t e) {
    Number number;
    int shift = m >> 32 ? length_of((uint32_t)(m >> 32)) + 8 : length_of((uint32_t)m) - 24;
    if (shift < 0) shift = 0;
    number.m = (uint32_t)rounded(m, shift);
    number.e = e + shift;
    return number;
}

/* Cut towards zero, in units of 2^unit. */
static int32_t cut(Number number, int32_t unit) {
    int32_t shift = unit - number.e;
    if (shift > 31) return 0;
    return (int32_t)(shift < 0 ? number.m << -shift : number.m >> shift);
}

static uint32_t bits_of(float value) {
    union {
        float value;
        uint32_t bits;
    } both;
    both.value = value;
    return both.bits;
}

/* Value `at` of a map; *negative says its sign. */
static Number value_of(const edgexai_heatmap_frame *frame, const void *values, uint32_t at, int *negative) {
    Number number;
    if (frame->type == EDGEXAI_HEATMAP_FLOAT32) {
        uint32_t bits = bits_of(((const float *)values)[at]), e = bits >> 23 & 255;
        *negative = (int)(bits >> 31);
        number.m = e ? (bits & 0x7FFFFF) | 0x800000 : bits & 0x7FFFFF;
        number.e = (int32_t)(e ? e : 1) - 150;
        return number;
    }
    int32_t value = frame->type == EDGEXAI_HEATMAP_INT32 ? ((const int32_t *)values)[at] : ((const int16_t *)values)[at];
    *negative = value < 0;
    return to_24_bits(value < 0 ? 0u - (uint32_t)value : (uint32_t)value, frame->exponent);
}

/* ---- Wavelet ---------------------------------------------------------------------------------------------------- */

static int32_t scaled(int32_t value, int32_t weight) {
    return (int32_t)(((int64_t)value * weight + (1 << 13)) >> 14);
}

static void transform_line(int32_t *line, int32_t *values, uint32_t n, uint32_t stride) {
    uint32_t i, step;
    for (i = 0; i < n; i++) line[i] = values[i * stride];
    for (step = 0; step < 4; step++)
        for (i = 1 - (step & 1); i < n; i += 2) {
            int32_t left = line[i ? i - 1 : i + 1], right = line[i + 1 < n ? i + 1 : i - 1];
            line[i] += scaled(left + right, EDGEXAI_LIFTING[step]);
        }
    for (i = 0; i < n; i++) values[(i & 1 ? (n + 1) / 2 + i / 2 : i / 2) * stride] = scaled(line[i], EDGEXAI_ANALYSIS[i & 1]);
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

/* ---- From a map to its coefficients ----------------------------------------------------------------------------- */

static int fits(const State *s, uint32_t axis, uint32_t period) { return period && s->shape[axis] >= 4 * period; }

static int any_fits(const State *s, uint32_t period) {
    return fits(s, 0, period) || fits(s, 1, period) || fits(s, 2, period);
}

static uint32_t count_of(const State *s) { return (uint32_t)s->shape[0] * s->shape[1] * s->shape[2]; }

/* The attenuations of a period, from the coarse map in the cells. */
static void find_pattern(State *s, uint32_t period) {
    uint32_t axis, n = count_of(s), inner = n;
    s->period = (uint8_t)period;
    for (axis = 0; axis < 3; axis++) {
        uint32_t length = s->shape[axis], sums[4] = {0, 0, 0, 0}, peak = 0, line, j, t;
        uint32_t block = inner;
        inner /= length;
        if (!fits(s, axis, period)) continue;
        for (line = 0; line < length - length % period; line++) {
            uint32_t sum = 0, outer, i;
            for (outer = line * inner; outer < n; outer += block)
                for (i = 0; i < inner; i++) sum += (uint32_t)s->cells[outer + i];
            sums[line % period] += root_of(sum);
        }
        for (j = 0; j < period; j++)
            if (sums[j] > peak) peak = sums[j];
        for (j = 0; j < period; j++) {
            s->attenuation[axis][j] = 0;
            for (t = 0; t < EDGEXAI_ATTENUATION_MOST; t++)
                s->attenuation[axis][j] += (uint64_t)sums[j] << 14 < (uint64_t)peak * EDGEXAI_THRESHOLDS[t];
        }
    }
}

/* Value `at` without its pattern, rounded as float32. */
static Number amplified(const State *s, const edgexai_heatmap_frame *frame, const void *values, uint32_t at,
                        int *negative) {
    Number number = value_of(frame, values, at, negative);
    uint32_t quarters = frame->phase, axis, place = at;
    for (axis = 3; axis-- > 0; place /= s->shape[axis])
        if (fits(s, axis, s->period)) quarters += s->attenuation[axis][place % s->shape[axis] & (s->period - 1u)];
    return to_24_bits((uint64_t)number.m * EDGEXAI_QUARTERS[quarters & 3], number.e + (int32_t)(quarters >> 2) - BITS);
}

/* The map in units of 2^(x - FINE), its pattern taken out; returns x. */
static int32_t flatten(State *s, const edgexai_heatmap_frame *frame, const void *values) {
    int32_t x = -1000, high;
    uint32_t at, n = count_of(s);
    int negative;
    for (at = 0; at < n; at++) {
        Number number = amplified(s, frame, values, at, &negative);
        if (number.m && (high = length_of(number.m) + number.e) > x) x = high;
    }
    for (at = 0; at < n; at++) {
        int32_t value = cut(amplified(s, frame, values, at, &negative), x - FINE);
        s->cells[at] = negative ? -value : value;
    }
    return x;
}

/* What the coefficients in the cells cost, in units of 2^x. */
static uint64_t cost_of(const State *s) {
    uint64_t cost = 0;
    uint32_t axis, j, at, n = count_of(s);
    for (at = 0; at < n; at++) cost += (uint32_t)(s->cells[at] < 0 ? -s->cells[at] : s->cells[at]);
    for (axis = 0; axis < 3; axis++) {
        uint32_t mean = 0;
        if (!fits(s, axis, s->period)) continue;
        for (j = 0; j < s->period; j++) {
            uint32_t k = s->attenuation[axis][j];
            mean += EDGEXAI_QUARTERS[(0u - 2 * k) & 3] >> ((k + 1) >> 1);
        }
        cost = cost * (root_of((uint64_t)(mean / s->period) << BITS) >> 8) >> 12;
    }
    return cost;
}

/* From values to cells of magnitude and sign, with the best pattern in s->period. *exponent is BLANK for a blank map.
 * Returns 0, or an error. */
static int analyse(State *s, const edgexai_heatmap_frame *frame, const void *values, int32_t *exponent) {
    int32_t x = -1000, high, best_x = 0;
    uint32_t at, n = count_of(s), period, best = 0, top = 0;
    uint64_t best_cost = 0;
    int negative, bits;
    for (at = 0; at < n; at++) {
        Number number = value_of(frame, values, at, &negative);
        if (number.m && (high = length_of(number.m) + number.e) > x) x = high;
    }
    *exponent = BLANK;
    if (x > 100) return EDGEXAI_HEATMAP_VALUES; /* infinite and not a number too */
    if (x <= -100) return 0;
    for (period = 0; period <= 4; period += 2) {
        int32_t unit;
        uint64_t cost;
        if (period) {
            if (!any_fits(s, period)) break;
            for (at = 0; at < n; at++) s->cells[at] = cut(value_of(frame, values, at, &negative), x - COARSE);
        }
        find_pattern(s, period);
        unit = flatten(s, frame, values);
        transform(s);
        cost = cost_of(s);
        if (!period || (unit > best_x ? cost << (unit - best_x) < best_cost : cost < best_cost << (best_x - unit))) {
            best = period;
            best_cost = cost;
            best_x = unit;
        }
    }
    if (best != s->period) {
        for (at = 0; at < n; at++) s->cells[at] = cut(value_of(frame, values, at, &negative), x - COARSE);
        find_pattern(s, best);
        flatten(s, frame, values);
        transform(s);
    }
    for (at = 0; at < n; at++) top |= (uint32_t)(s->cells[at] < 0 ? -s->cells[at] : s->cells[at]);
    bits = length_of(top);
    for (at = 0; at < n; at++) {
        uint32_t magnitude = (uint32_t)(s->cells[at] < 0 ? -s->cells[at] : s->cells[at]);
        magnitude = bits > EDGEXAI_PLANES ? magnitude >> (bits - EDGEXAI_PLANES) : magnitude << (EDGEXAI_PLANES - bits);
        s->cells[at] = (int32_t)(magnitude | (s->cells[at] < 0 ? NEGATIVE : 0));
    }
    *exponent = bits - FINE + best_x;
    return 0;
}

/* ---- Range coder ------------------------------------------------------------------------------------------------ */

/* Of `most` bytes only the first `room` are kept; of the others only whether they are all ones, for the carry. */
static void put_byte(State *s, uint32_t byte) {
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
    while (!s->full && s->range < 1u << 24) {
        put_byte(s, s->low >> 24);
        s->low <<= 8;
        s->range <<= 8;
    }
}

/* The fewest bytes that settle what is still open. */
static void finish(State *s) {
    uint32_t shift;
    for (shift = 24; !s->full; shift -= 8) {
        uint64_t cell = (uint64_t)1 << shift, value = (s->low + cell - 1) >> shift << shift;
        if (value + cell > (uint64_t)s->low + s->range) continue;
        if (value >> 32) carry(s);
        for (uint32_t at = 24;; at -= 8) {
            if (!s->full) put_byte(s, (uint32_t)value >> at & 255);
            if (at == shift) return;
        }
    }
}

/* ---- Tree ------------------------------------------------------------------------------------------------------- */

/* Halve an axis down to a depth, towards a position or (by index) an interval; an empty interval has size 0. */
static void descend(const State *s, Node *node, uint32_t axis, uint32_t depth, uint32_t target, int by_index) {
    uint32_t index = 0, begin = 0, size = s->shape[axis], above = size, level;
    for (level = 0; level < depth; level++) {
        uint32_t half = (size + 1) / 2, right = by_index ? target >> (depth - 1 - level) & 1 : target >= begin + half;
        above = size;
        index = 2 * index + right;
        begin += right ? half : 0;
        size = right ? size - half : half;
    }
    node->index[axis] = (uint16_t)index;
    node->begin[axis] = (uint16_t)begin;
    node->size[axis] = (uint16_t)size;
    node->above[axis] = (uint16_t)above;
}

/* Child number `k` of eight, if it is not empty. */
static int child_of(const Node *node, uint32_t k, Node *child) {
    uint32_t axis;
    for (axis = 0; axis < 3; axis++) {
        uint32_t right = k >> (2 - axis) & 1, size = node->size[axis], half = (size + 1) / 2;
        if (right && size == 1) return 0;
        child->index[axis] = (uint16_t)(2 * node->index[axis] + right);
        child->begin[axis] = (uint16_t)(node->begin[axis] + (right ? half : 0));
        child->size[axis] = (uint16_t)(right ? size - half : half);
        child->above[axis] = (uint16_t)size;
    }
    return 1;
}

static uint32_t volume(const uint16_t *size) { return (uint32_t)size[0] * size[1] * size[2]; }

/* The cell of a leaf; of an inner node the first of its second child, that no other node has for its height. */
static int32_t *cell_of(const State *s, const Node *node) {
    uint32_t place[3], axis;
    for (axis = 0; axis < 3; axis++) place[axis] = node->begin[axis];
    for (axis = 3; axis-- > 0;)
        if (node->size[axis] > 1) {
            place[axis] += (node->size[axis] + 1u) / 2;
            break;
        }
    return s->cells + (place[0] * s->shape[1] + place[1]) * s->shape[2] + place[2];
}

/* The bit length of a node's greatest magnitude. */
static int height_of(const State *s, const Node *node) {
    uint32_t cell = (uint32_t)*cell_of(s, node);
    return volume(node->size) == 1 ? length_of(cell & MAGNITUDE) : (int)(cell >> HEIGHT);
}

static void begin_at_root(State *s) {
    for (uint32_t axis = 0; axis < 3; axis++) descend(s, s->path, axis, 0, 0, 0);
    s->next[0] = s->visited[0] = s->busy[0] = 0;
}

/* Write the heights of inner nodes into their cells. */
static void measure(State *s) {
    int level = 0, height;
    if (count_of(s) == 1) return;
    begin_at_root(s);
    s->height[0] = 0;
    for (;;) {
        Node *child = s->path + level + 1;
        if (s->next[level] < 8) {
            if (!child_of(s->path + level, s->next[level]++, child)) continue;
            if (volume(child->size) > 1) {
                level++;
                s->next[level] = s->height[level] = 0;
                continue;
            }
            height = height_of(s, child);
        } else {
            height = s->height[level];
            *cell_of(s, s->path + level) |= height << HEIGHT;
            if (level-- == 0) return;
        }
        if (height > s->height[level]) s->height[level] = (uint8_t)height;
    }
}

/* How long ago a node was found, at most 4 planes; 1 in this plane if it comes before, 0 if not found or no node. */
static uint32_t age_of(const State *s, const Node *node, int plane, int before) {
    int height;
    if (volume(node->above) == 1) return 0;
    height = height_of(s, node);
    if (height <= plane || (height == plane + 1 && !before)) return 0;
    return height - plane < 4 ? (uint32_t)(height - plane) : 4;
}

/* What surrounds the node at a level of the path, in its class. */
static uint32_t surroundings(const State *s, uint32_t level, int plane) {
    const Node *node = s->path + level;
    Node beside[2][2], other;
    int there[2][2] = {{0, 0}, {0, 0}};
    uint32_t axis, side, total = 0, class = 0, depth = level, k;
    int width = length_of(node->index[0] | node->index[1] | (uint32_t)node->index[2]) - 1;
    if (width < 0) width = 0;
    for (axis = 0; axis < 3; axis++)
        for (side = 0; side < 2; side++) {
            uint32_t at = side ? node->begin[axis] + node->size[axis] : node->begin[axis] - 1u;
            if (at >= s->shape[axis]) continue;
            other = *node;
            descend(s, &other, axis, level, at, 0);
            if ((node->index[axis] ^ other.index[axis]) >> width) continue;
            k = age_of(s, &other, plane, !side);
            total += axis ? 4 * k : k ? 2 : 0;
            if (axis) {
                beside[axis - 1][side] = other;
                there[axis - 1][side] = 1;
            }
        }
    for (k = 0; k < 4 && s->axes == 2; k++) {
        const Node *row = &beside[0][k >> 1], *column = &beside[1][k & 1];
        uint32_t x, y;
        if (!there[0][k >> 1] || !there[1][k & 1]) continue;
        other = *row;
        other.index[2] = column->index[2];
        other.begin[2] = column->begin[2];
        other.size[2] = column->size[2];
        other.above[2] = column->above[2];
        x = node->index[1] ^ other.index[1];
        y = node->index[2] ^ other.index[2];
        /* the axis whose indices differ in the higher bit says which comes first */
        if (age_of(s, &other, plane, x < y && x < (x ^ y) ? !(k & 1) : !(k >> 1))) total += 2;
    }
    if (node->index[0] | node->index[1] | node->index[2])
        for (k = 1;; k++, depth--) {
            for (axis = 0; axis < 3; axis++) descend(s, &other, axis, depth, (uint32_t)node->index[axis] >> k, 1);
            if (volume(other.size) && (volume(other.above) > 1 || !depth)) break;
        }
    if (node->index[0] | node->index[1] | node->index[2]) total += 3 * age_of(s, &other, plane, 1);
    while (class < sizeof EDGEXAI_SURROUNDINGS && total >= EDGEXAI_SURROUNDINGS[class]) class++;
    return class;
}

/* ---- The stream ------------------------------------------------------------------------------------------------- */

static void tell_pattern(State *s, uint32_t phase) {
    uint32_t axis, j, level, k;
    if (any_fits(s, 2)) {
        tell(s, EDGEXAI_CONTEXT_GRID, s->period > 0);
        if (s->period && any_fits(s, 4)) tell(s, EDGEXAI_CONTEXT_GRID + 1, s->period == 4);
        for (axis = 0; axis < 3; axis++)
            for (j = 0; fits(s, axis, s->period) && j < s->period; j++)
                for (k = s->attenuation[axis][j], level = 0; level <= k && level < EDGEXAI_ATTENUATION_MOST; level++)
                    tell(s, EDGEXAI_CONTEXT_ATTENUATION + (level < 5 ? level : 5) + (s->period == 4 ? 6 : 0), k > level);
    }
    for (level = 0; level <= phase && level < 3; level++) tell(s, EDGEXAI_CONTEXT_PHASE + level, phase > level);
}

static void tell_sign(State *s, const int32_t *cell) {
    tell(s, EDGEXAI_CONTEXT_SIGN + (cell == s->cells), (*cell & NEGATIVE) != 0);
}

/* A node of the path; returns whether its children follow. */
static int tell_node(State *s, uint32_t level, int plane) {
    const Node *node = s->path + level;
    const int32_t *cell = cell_of(s, node);
    uint32_t size = volume(node->size), up = level - 1, first, children;
    int height = height_of(s, node);
    s->fresh[level] = height == plane + 1;
    if (height > plane + 1) {
        if (size == 1) tell(s, EDGEXAI_CONTEXT_REFINE + (height > plane + 2), *cell >> plane & 1);
    } else {
        if (level) {
            first = s->visited[up]++;
            children = (s->path[up].size[0] > 1 ? 2u : 1u) * (s->path[up].size[1] > 1 ? 2 : 1);
            children *= s->path[up].size[2] > 1 ? 2 : 1;
            if (!s->fresh[up] || first + 1 < children || s->busy[up]) {
                uint32_t run = !s->fresh[up] ? 0 : s->busy[up] ? 1 : 1 + (first < 2 ? first : 2);
                uint32_t class = size == 1 ? 0 : size <= 4 ? 1 : size <= 16 ? 2 : 3;
                tell(s, 28 * class + 4 * surroundings(s, level, plane) + run, s->fresh[level]);
            }
            if (!s->fresh[level]) return 0;
            s->busy[up] = 1;
        }
        if (size == 1) tell_sign(s, cell);
    }
    return size > 1;
}

static void tell_plane(State *s, int plane) {
    int level = 0;
    begin_at_root(s);
    if (!tell_node(s, 0, plane)) return;
    while (!s->full) {
        if (s->next[level] == 8) {
            if (level-- == 0) return;
        } else if (child_of(s->path + level, s->next[level]++, s->path + level + 1) &&
                   tell_node(s, (uint32_t)level + 1, plane)) {
            level++;
            s->next[level] = s->visited[level] = s->busy[level] = 0;
        }
    }
}

/* The stream of the cells' coefficients: of its first `most` bytes the first `room` go out. Returns its length. */
static uint32_t stream(State *s, uint32_t phase, uint8_t *out, uint32_t room, uint32_t most) {
    uint32_t context;
    int plane;
    for (context = 0; context < EDGEXAI_CONTEXTS; context++) {
        s->now.contexts.chance[context] = (uint16_t)(EDGEXAI_FIRST_CHANCE[context] << 8);
        s->now.contexts.seen[context] = EDGEXAI_FIRST_COUNT[context];
    }
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

static void put_bytes(Writer *w, const uint8_t *bytes, uint32_t count) {
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
        half = e > 142 ? 0x7C00 : ((e - 113) << 10) + (uint32_t)rounded(m, 13);
    else
        half = (uint32_t)rounded(m, 126 - (int)e);
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
    put(w, 1u << 5 | flags | (more ? EXTENDED : 0u));
    if (more) put(w, more);
    if (frame->axes == 2 && frame->shape[0] == frame->shape[1] && frame->shape[0] <= 128)
        put(w, frame->shape[0] - 1u);
    else
        for (put(w, 128u + frame->axes), i = 0; i < frame->axes; i++) put_varint(w, frame->shape[i] - 1u);
    put_bytes(w, frame->model, frame->model_size);
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

static uint32_t varint_size(uint32_t value) { return value < 128 ? 1 : value < 16384 ? 2 : 3; }

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
    Writer w = {NULL, 0, 0};
    uint32_t lengths[MOST_MAPS], i, axis, longest = 1, values = frame->count, flags = CONSERVATION, more = 0, most;
    int32_t exponent, error, left;
    if (frame->count < 1 || frame->count > MOST_MAPS || frame->axes < 1 || frame->axes > 3) return EDGEXAI_HEATMAP_SHAPE;
    for (axis = 0; axis < 3; axis++) {
        uint32_t n = axis + frame->axes < 3 ? 1 : frame->shape[axis + frame->axes - 3];
        if (n < 1 || n > EDGEXAI_HEATMAP_LONGEST || n > 512) return EDGEXAI_HEATMAP_SHAPE;
        if ((values *= n) > MOST_VALUES) return EDGEXAI_HEATMAP_SHAPE;
        s->shape[axis] = (uint16_t)n;
        if (n > longest) longest = n;
    }
    s->axes = frame->axes;
    s->depth = (uint8_t)length_of(longest - 1);
    s->cells = work;
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

    if ((error = put_preamble(&w, frame, flags, more)) != 0) return error;
    for (i = 0; i < frame->count; i++) put_lead(&w, frame->maps + i, flags, more);
    left = (int32_t)most - (int32_t)w.at - frame->count - 4; /* exponents and CRC */
    if (left < frame->count - 1) return EDGEXAI_HEATMAP_BUDGET;
    lengths[0] = MOST_BYTES;
    for (i = 0; i < frame->count && frame->count > 1; i++) {
        if ((error = analyse(s, frame, frame->maps[i].values, &exponent)) != 0) return error;
        lengths[i] = exponent == BLANK ? 0 : stream(s, frame->phase, NULL, 0, most);
    }
    if (share(lengths, frame->count, left) < 0) return EDGEXAI_HEATMAP_BUDGET;

    w.out = out;
    w.capacity = capacity;
    w.at = 0;
    put_preamble(&w, frame, flags, more);
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
