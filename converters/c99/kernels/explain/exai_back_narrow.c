/* The way back through windows of few inputs, where relevance ends in most networks: what all of a window get is added to a
 * ring of the input's rows. A unit that its bias drives has a far larger factor than others, which would lose their bits
 * beside it: factors of very different sizes go in two parts.
 */

#include "exai_mve.h"
#include "exai_wide.h"

enum { ROOM = 6, SPREAD = 5 }; /* bits that the upper part leaves to the lower; bits that may be lost without one */

static inline int divides(const exai_way *way) {
    return exai_is(EXAI_USES_NARROW, EXAI_DIVIDES, way->divides);
}

static inline int is_signed(const exai_way *way) {
    return exai_is_signed(EXAI_USES_NARROW, way->weights);
}

static inline int32_t inputs(const exai_layer *layer) {
    return exai_is(EXAI_USES_NARROW, EXAI_OF_ONE, layer->in_channels == 1) ? 1 : layer->in_channels;
}

typedef struct {
    int32_t *sums, *lower, *q, *offset, *collected; /* (window), (window), (out), (out) to divide, ring */
    int16_t *v, *x, *wide, *columns, *exponents; /* factors (2, out), the window (sides), weights, the ring's exponents */
    int32_t *places;                             /* (window) in the ring */
    uint16_t *rows, *list;                       /* (window), (out) */
    int8_t *window;
} space;

/* Factors of listed units, in q; 2^exponent of what they are. */
static uint32_t factors(const exai_way *way, const space *s, const int8_t *window, const int16_t *m, int32_t n,
                        int32_t *exponent) {
    const exai_layer *const layer = way->layer;
    const int32_t depth = layer->kernel_rows * layer->kernel_columns * layer->in_channels;
    uint32_t size = 0;
    if (!divides(way)) {
#if EXAI_MVE
        size = exai_mve_multiplied(way, m, s->list, n, s->q);
#else
        for (int32_t k = 0; k < n; k++) {
            s->q[k] = exai_multiplied(layer, s->list[k], m[s->list[k]], way->most);
            size |= exai_size(s->q[k]);
        }
#endif
        *exponent += way->most - 15;
        return size;
    }
    int32_t by;
    exai_shares(way, window, depth, s->list, n, s->wide, s->x, s->q);
    size = exai_quotients(way, m, s->list, n, s->offset, s->q, &by);
    *exponent -= 16 + by;
    return size;
}

#if EXAI_MVE
/* The same where an input is one value, by vectors. What is zero stays listed: its relevance is nothing, whatever its
 * factor. */
static int32_t places_of_values(const exai_way *way, const space *s, const int8_t *x, int32_t span, int32_t top, int32_t left) {
    const exai_layer *const layer = way->layer;
    const int32_t taps = layer->kernel_columns, columns = layer->in_columns, zero = layer->in_zero;
    const int32_t below = is_signed(way) ? layer->kernel_rows * taps : 0, down = layer->dilation_rows;
    const int32_t before = left < 0 ? -left : 0, count = (left + taps < columns ? taps : columns - left) - before;
    uint16_t *rows = s->rows;
    int32_t *to = s->places, slot = (top % span + span) % span;
    for (int32_t a = 0, i = top; a < layer->kernel_rows && count > 0; a++, i += down, slot += down) {
        if (slot >= span) slot -= span;
        if (i < 0 || i >= layer->in_rows) continue;
        const int8_t *from = x + i * columns + left + before;
        uint16_t *row = rows;
        int32_t *place = to;
        uint32x4_t tap = vidupq_n_u32((uint32_t)(a * taps + before), 1);
        uint32x4_t at = vidupq_n_u32((uint32_t)(slot * columns + left + before), 1);
        __asm__ volatile(
            "dlstp.32 lr, %[n]\n"
            "1:\n\t"
            "vldrb.s32 q0, [%[from]], #4\n\t"
            "vmov q1, %q[tap]\n\t"
            "vsub.i32 q0, q0, %[zero]\n\t"
            "vstrw.32 %q[at], [%[place]], #16\n\t"
            "vshr.s32 q0, q0, #31\n\t"
            "vadd.i32 %q[tap], %q[tap], %[four]\n\t"
            "vmla.s32 q1, q0, %[below]\n\t"
            "vadd.i32 %q[at], %q[at], %[four]\n\t"
            "vstrh.32 q1, [%[row]], #8\n\t"
            "letp lr, 1b"
            : [from] "+l"(from), [row] "+l"(row), [place] "+r"(place), [tap] "+w"(tap), [at] "+w"(at)
            : [n] "r"(count), [zero] "r"(zero), [below] "r"(-below), [four] "r"(4)
            : "q0", "q1", "lr", "cc", "memory");
        rows += count, to += count;
    }
    return (int32_t)(rows - s->rows);
}
#endif

/* The places of a window's inputs in the ring, and their columns of weights. */
static int32_t places(const exai_way *way, const space *s, const int8_t *x, int32_t span, int32_t top, int32_t left) {
    const exai_layer *const layer = way->layer;
    const int32_t in = inputs(layer), columns = layer->in_columns, zero = layer->in_zero;
    const int32_t depth = layer->kernel_rows * layer->kernel_columns * in;
    const int32_t taps = layer->kernel_columns;
    const int plain = in == 1 && !is_signed(way);
    uint16_t *const rows = s->rows;
    int32_t *const to = s->places;
    int32_t n = 0, t = 0, i = top;
#if EXAI_MVE
    if (in == 1 && layer->dilation_columns == 1 && (!is_signed(way) || way->keep->form != EXAI_FACTOR)) {
        return places_of_values(way, s, x, span, top, left);
    }
#endif
    for (int32_t a = 0; a < layer->kernel_rows; a++, i += layer->dilation_rows) {
        if (i < 0 || i >= layer->in_rows) {
            t += taps * in;
            continue;
        }
        const int32_t at = i % span * columns, row = i * columns, dilation = layer->dilation_columns;
        int32_t j = left;
        for (int32_t b = 0; b < taps; b++, j += dilation, t += in) {
            if (j < 0 || j >= columns) continue;
            if (plain) {
                rows[n] = (uint16_t)t;
                to[n++] = at + j;
                continue;
            }
            for (int32_t c = 0; c < in; c++) {
                const int32_t side = is_signed(way) ? x[(row + j) * in + c] - zero : 1;
                if (!side) continue;
                rows[n] = (uint16_t)(t + c + (side < 0 ? depth : 0));
                to[n++] = (at + j) * in + c;
            }
        }
    }
    return n;
}

/* Sums of q, 2^shift of them, times columns of weights; returns the shift. */
static int32_t products(const exai_way *way, const space *s, int32_t units, uint32_t size, int32_t n, int32_t width) {
    const int32_t length = exai_length(size), parted = length > way->bits + SPREAD;
    const int32_t by = parted ? length - way->bits + ROOM : length > way->bits ? length - way->bits : 0;
    const int32_t low = by > way->bits ? by - way->bits : 0;
#if EXAI_MVE
    exai_mve_fill(s->v, 4 * width, 0);
    exai_mve_parts(s->q, s->list, units, by, low, s->v, parted ? s->v + width : NULL);
#else
    memset(s->v, 0, (size_t)width * sizeof *s->v * 2);
    for (int32_t k = 0; k < units; k++) {
        const int32_t upper = exai_round(s->q[k], by);
        s->v[s->list[k]] = (int16_t)upper;
        if (parted) s->v[width + s->list[k]] = (int16_t)((s->q[k] - upper * (1 << by)) >> low);
    }
#endif
    exai_dots(s->columns, width, s->rows, n, s->v, width, s->sums);
    if (!parted) return by;
    exai_dots(s->columns, width, s->rows, n, s->v + width, width, s->lower);
#if EXAI_MVE
    exai_mve_joined(s->sums, ROOM, s->lower, by - low - ROOM, n);
#else
    for (int32_t k = 0; k < n; k++) s->sums[k] = s->sums[k] * (1 << ROOM) + (s->lower[k] >> (by - low - ROOM));
#endif
    return by - ROOM;
}

static space layout(const exai_way *way, void *scratch, int32_t span) {
    const exai_layer *const layer = way->layer;
    const int32_t in = inputs(layer), depth = layer->kernel_rows * layer->kernel_columns * in;
    const int32_t width = exai_eights(layer->out_channels), sides = is_signed(way) ? 2 : 1;
    const int32_t x = sides * exai_eights(depth), all = span * layer->in_columns;
    space s;
    s.sums = scratch;
    s.lower = s.sums + depth;
    s.q = s.lower + depth;
    s.offset = s.q + width;
    s.places = s.offset + (divides(way) ? width : 0);
    s.collected = s.places + depth;
    s.v = (int16_t *)(s.collected + all * in);
    s.columns = s.v + 2 * width;
    s.x = s.columns + sides * depth * width;
    s.wide = s.x + (divides(way) ? x : 0); /* which is used to divide */
    s.exponents = s.wide + (way->wide ? layer->out_channels * x : 0);
    s.rows = (uint16_t *)(s.exponents + all);
    s.list = s.rows + depth;
    s.window = (int8_t *)(s.list + width);
    return s;
}

/* What the inputs of a window get is added to the ring. */
#if EXAI_MVE
static void add_values(const space *s, int32_t n, int32_t exponent) {
    const int32x4_t zeros = vdupq_n_s32(0), least = vdupq_n_s32(-31), e = vdupq_n_s32(exponent);
    const int32_t *places = s->places, *sums = s->sums;
    __asm__ volatile( /* `exai_align`, four at a time: what has no exponent yet is zero */
        "wlstp.32 lr, %[n], 2f\n"
        "1:\n\t"
        "vldrw.32 q0, [%[places]], #16\n\t"
        "vldrh.s32 q1, [%[exponents], q0, uxtw #1]\n\t"
        "vldrw.32 q2, [%[collected], q0, uxtw #2]\n\t"
        "vmax.s32 q3, q1, %q[e]\n\t"
        "vsub.i32 q1, q1, %q[e]\n\t"
        "vstrh.32 q3, [%[exponents], q0, uxtw #1]\n\t"
        "vmin.s32 q3, q1, %q[zeros]\n\t"
        "vmax.s32 q3, q3, %q[least]\n\t"
        "vneg.s32 q1, q1\n\t"
        "vshl.s32 q2, q2, q3\n\t"
        "vmin.s32 q1, q1, %q[zeros]\n\t"
        "vldrw.32 q3, [%[sums]], #16\n\t"
        "vmax.s32 q1, q1, %q[least]\n\t"
        "vshl.s32 q3, q3, q1\n\t"
        "vadd.i32 q2, q2, q3\n\t"
        "vstrw.32 q2, [%[collected], q0, uxtw #2]\n\t"
        "letp lr, 1b\n"
        "2:"
        : [places] "+r"(places), [sums] "+r"(sums)
        : [n] "r"(n), [exponents] "r"(s->exponents), [collected] "r"(s->collected), [e] "w"(e), [zeros] "w"(zeros), [least] "w"(least)
        : "q0", "q1", "q2", "q3", "lr", "cc", "memory");
}
#endif

static inline void add(const space *s, int32_t in, int32_t n, int32_t exponent) {
#if EXAI_MVE
    if (in == 1) {
        add_values(s, n, exponent);
        return;
    }
#endif
    for (int32_t k = 0; k < n;) {
        const int32_t at = in == 1 ? s->places[k] : s->places[k] / in;
        int32_t by = s->exponents[at] - exponent;
        if (by < 0) by = exai_align(s->collected + at * in, s->exponents + at, in, exponent);
        by = by > 31 ? 31 : by;
        do {
            s->collected[s->places[k]] += s->sums[k] >> by;
        } while (++k < n && (uint32_t)(s->places[k] - at * in) < (uint32_t)in);
    }
}

void exai_back_narrow(const exai_way *way, const int8_t *x, const int16_t *above, const void *gate, void *below,
                      void *scratch) {
    const exai_layer *const layer = way->layer;
    const int32_t taps = layer->kernel_rows * layer->kernel_columns, in = inputs(layer), out = layer->out_channels;
    const int32_t depth = taps * in, width = exai_eights(out), pixels = layer->out_rows * layer->out_columns;
    const int32_t span = (layer->kernel_rows - 1) * layer->dilation_rows + 1;
    const space s = layout(way, scratch, span);
    exai_ring ring;
    exai_ring_begin(&ring, way, s.collected, s.exponents);
    exai_shares_begin(way, depth, s.wide);
    for (int32_t j = 0; j < out && divides(way); j++) s.offset[j] = exai_offset(way, j, layer->weights + j * depth, depth, 1);
    exai_wide_columns(way, 0, 0, 0, depth, width, depth * width, s.columns); /* of all taps: they lie side by side */
    int32_t p = 0;
    for (int32_t row = 0; row < layer->out_rows; row++) {
        const int32_t top = row * layer->stride_rows - layer->top;
        exai_ring_flush(&ring, top, gate, below);
        for (int32_t column = 0; column < layer->out_columns; column++, p++) {
            int32_t exponent = above[pixels * out + p];
            if (exponent == EXAI_NOTHING) continue;
            const int32_t units = exai_list(above + p * out, out, s.list);
            if (divides(way)) exai_window(layer, x, row, column, s.window);
            const uint32_t size = factors(way, &s, s.window, above + p * out, units, &exponent);
            const int32_t n = places(way, &s, x, span, top, column * layer->stride_columns - layer->left);
            if (!size) continue;
            exponent += products(way, &s, units, size, n, width);
            add(&s, in, n, exponent);
        }
    }
    exai_ring_flush(&ring, layer->in_rows, gate, below);
}
