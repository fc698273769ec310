/* The way back through windows: for each pixel of the input, the factors of the outputs whose windows hold it are put side by
 * side, with one exponent, and meet the columns of weights of listed inputs.
 */

#include "exai_mve.h"
#include "exai_wide.h"

/* Weights of inputs first ... last - 1, a row for each: taps in order of their class, in a class column by column,
 * the last one first. */
static void columns_of(const exai_way *way, int32_t first, int32_t last, int32_t below, int16_t *wide) {
    const exai_layer *const layer = way->layer;
    const int32_t width = exai_eights(layer->out_channels), taps = layer->kernel_rows * layer->kernel_columns;
    for (int32_t cy = 0; cy < layer->stride_rows; cy++) {
        for (int32_t cx = 0; cx < layer->stride_columns; cx++) {
            for (int32_t b = layer->kernel_columns - 1; b >= 0; b--) {
                for (int32_t a = layer->kernel_rows - 1; a >= 0; a--) {
                    if (a * layer->dilation_rows % layer->stride_rows != cy) continue;
                    if (b * layer->dilation_columns % layer->stride_columns != cx) continue;
                    exai_wide_columns(way, !exai_is(EXAI_USES_WINDOWS, EXAI_DIVIDES, way->divides), a * layer->kernel_columns + b, first, last, taps * width, below, wide);
                    wide += width;
                }
            }
        }
    }
}

/* Rows of outputs, as many as a window spans, until they may be written over: where they lie if they are not, and their
 * pixels are as wide. */
typedef struct {
    const exai_layer *layer;
    const int16_t *above, *factors, *exponents; /* (span, out columns, width), (span, out columns) */
    int16_t *room;
    int32_t span, width, next;
} rows_of_outputs;

/* Whether the map below may lie where the one above does. */
static int is_over(const exai_layer *layer) {
    return layer->stride_rows == 1 && layer->stride_columns == 1 && layer->in_channels == layer->out_channels;
}

static rows_of_outputs rows_of(const exai_layer *layer, const int16_t *above, int16_t *room) {
    const int32_t width = exai_eights(layer->out_channels), columns = layer->out_columns, rows = layer->out_rows;
    rows_of_outputs r = {layer, above, above, above + rows * columns * layer->out_channels, NULL, rows, width, 0};
    if (width == layer->out_channels && !is_over(layer)) return r;
    r.span = exai_span(layer), r.room = room, r.factors = room, r.exponents = room + r.span * columns * width;
    return r;
}

static void load(rows_of_outputs *r, int32_t at) {
    const exai_layer *const layer = r->layer;
    const int32_t columns = layer->out_columns, out = layer->out_channels, end = (at + layer->top) / layer->stride_rows + 1;
    for (; r->next < end && r->next < layer->out_rows; r->next++) {
        if (!r->room) continue;
        int16_t *const to = r->room + r->next % r->span * columns * r->width;
        const int16_t *const from = r->above + r->next * columns * out;
        memcpy(r->room + r->span * columns * r->width + r->next % r->span * columns, r->above + (layer->out_rows * out + r->next) * columns,
               (size_t)columns * sizeof *to);
        if (r->width == out) {
            memcpy(to, from, (size_t)(columns * out) * sizeof *to);
            continue;
        }
        memset(to, 0, (size_t)(columns * r->width) * sizeof *to);
        for (int32_t j = 0; j < columns; j++) memcpy(to + j * r->width, from + j * out, (size_t)out * sizeof *to);
    }
}

/* A pixel's factors over 2^by, rounded; 2^by has at most 15 bits. */
static inline void shift(const int16_t *from, int32_t count, int32_t by, int16_t *to) {
#if EXAI_MVE
    __asm__ volatile(
        "wlstp.16 lr, %[n], 2f\n"
        "1:\n\t"
        "vldrh.16 q0, [%[from]], #16\n\t"
        "vrshl.s16 q0, %[by]\n\t"
        "vstrh.16 q0, [%[to]], #16\n\t"
        "letp lr, 1b\n"
        "2:"
        : [from] "+r"(from), [to] "+r"(to)
        : [n] "r"(count), [by] "r"(-by)
        : "q0", "lr", "cc", "memory");
#else
#if EXAI_DSP
    int32_t a, b, c, d, times = 1 << (16 - by), half = 1 << 15;
    if (!by) {
        __asm__ volatile(
            "1:\n\t"
            "ldrd %[a], %[b], [%[from]], #8\n\t"
            "ldrd %[c], %[d], [%[from]], #8\n\t"
            "subs %[n], %[n], #8\n\t"
            "strd %[a], %[b], [%[to]], #8\n\t"
            "strd %[c], %[d], [%[to]], #8\n\t"
            "bne 1b"
            : [from] "+r"(from), [to] "+r"(to), [n] "+r"(count), [a] "=&r"(a), [b] "=&r"(b), [c] "=&r"(c), [d] "=&r"(d)
            :
            : "cc", "memory");
        return;
    }
    if (by > 1) { /* a half has 16 bits */
        __asm__ volatile(
            "1:\n\t"
            "ldrd %[a], %[c], [%[from]], #8\n\t"
            "smlabb %[b], %[a], %[times], %[half]\n\t"
            "smlabb %[d], %[c], %[times], %[half]\n\t"
            "smlatb %[a], %[a], %[times], %[half]\n\t"
            "smlatb %[c], %[c], %[times], %[half]\n\t"
            "pkhtb %[a], %[a], %[b], asr #16\n\t"
            "pkhtb %[c], %[c], %[d], asr #16\n\t"
            "subs %[n], %[n], #4\n\t"
            "strd %[a], %[c], [%[to]], #8\n\t"
            "bne 1b"
            : [from] "+r"(from), [to] "+r"(to), [n] "+r"(count), [a] "=&r"(a), [b] "=&r"(b), [c] "=&r"(c), [d] "=&r"(d)
            : [times] "r"(times), [half] "r"(half)
            : "cc", "memory");
        return;
    }
#endif
    for (int32_t i = 0; i < count; i++) to[i] = (int16_t)exai_round(from[i], by);
#endif
}

/* The outputs that windows of a row of the input hold: those of one column side by side, the columns in their order, nothing
 * outside the map; columns that a window steps over, where it is dilated, lie apart. A column waits for the window after with
 * the exponent that it has been shifted to. */
typedef struct {
    int16_t *v, *most, *now;            /* (columns, rows, width); exponents of columns, and those that they are shifted to */
    int32_t rows, outside, apart, each; /* rows of outputs; columns before the map; every `apart`th of `each` columns */
} strip;

static int32_t place_of(const strip *s, int32_t column) {
    const int32_t at = column + s->outside;
    return s->apart == 1 ? at : at % s->apart * s->each + at / s->apart;
}

static int32_t column_of(const strip *s, int32_t place) {
    return (s->apart == 1 ? place : place % s->each * s->apart + place / s->each) - s->outside;
}

/* The columns of other rows of outputs. */
static void begin_row(const rows_of_outputs *r, const int16_t *rows, int32_t na, strip *s) {
    const int32_t all = r->layer->out_columns;
    s->rows = na;
    for (int32_t j = 0; j < s->apart * s->each; j++) {
        const int32_t column = column_of(s, j);
        int32_t most = EXAI_NOTHING;
        for (int32_t a = 0; a < na && column >= 0 && column < all; a++) {
            if (rows[a] < 0 || rows[a] >= r->next) continue;
            const int32_t e = r->exponents[rows[a] % r->span * all + column];
            if (e > most) most = e;
        }
        s->most[j] = (int16_t)most;
        s->now[j] = EXAI_NOTHING;
    }
}

/* `count` columns with one exponent, which is returned. */
static int32_t gather(const rows_of_outputs *r, const int16_t *rows, int32_t place, int32_t count, const strip *s) {
    const int32_t width = r->width, all = r->layer->out_columns, na = s->rows;
    int32_t most = EXAI_NOTHING;
    for (int32_t j = place; j < place + count; j++) most = s->most[j] > most ? s->most[j] : most;
    if (most == EXAI_NOTHING) return most;
    for (int32_t j = place; j < place + count; j++) {
        const int32_t column = column_of(s, j);
        int16_t *to = s->v + j * na * width;
        if (s->now[j] == most) continue;
        s->now[j] = (int16_t)most;
        if (s->most[j] == EXAI_NOTHING) {
            exai_clear(to, 2 * na * width);
            continue;
        }
        for (int32_t a = 0; a < na; a++, to += width) {
            const int32_t at = rows[a] % r->span * all + column;
            const int here = rows[a] >= 0 && rows[a] < r->next;
            const int32_t own = here ? r->exponents[at] : EXAI_NOTHING;
            if (own < most - 15)
                exai_clear(to, 2 * width);
            else
                shift(r->factors + at * width, width, most - own, to);
        }
    }
    return most;
}

/* Scratch: sums and values of a pixel, what windows of a row hold, columns of `block` inputs, rows of outputs, lists; for more
 * than one block, sums and exponents of all pixels, too. */
static void through(const exai_way *way, const int8_t *x, const int16_t *above, const void *gate, void *below,
                    void *scratch) {
    const exai_layer *const layer = way->layer;
    const exai_keep *const keep = way->keep;
    const int32_t kr = layer->kernel_rows, kc = layer->kernel_columns, taps = kr * kc, in = layer->in_channels;
    const int32_t width = exai_eights(layer->out_channels), stride = taps * width, all = layer->in_columns;
    const int32_t block = way->block, sides = exai_is_signed(EXAI_USES_WINDOWS, way->weights) ? 2 : 1, pixels = layer->in_rows * all;
    int32_t *const sums = scratch, *const dense = sums + in, *const map = dense + in;
    const int32_t apart = layer->dilation_columns, step = layer->stride_columns;
    const int32_t outside = ((kc - 1) * apart + step - 1) / step;
    const int32_t each = (layer->out_columns + 2 * outside + apart - 1) / apart;
    int16_t *const v = (int16_t *)(map + (block < in ? pixels * in : 0));
    int16_t *const wide = v + exai_span(layer) * apart * each * width;
    int16_t *const exponents = wide + sides * block * stride, *const room = exponents + (block < in ? pixels : 0);
    rows_of_outputs r = rows_of(layer, above, room);
    int16_t *const behind = r.room ? room + r.span * layer->out_columns * (width + 1) : room;
    strip s = {v, behind, behind + apart * each, 0, outside, apart, each};
    uint16_t *const list = (uint16_t *)(s.now + apart * each), *const rows = list + in;
    int16_t *const outs = (int16_t *)(rows + in), *const columns = outs + kr, *const classes = columns + kc;
    for (int32_t c = 0; c < step; c++) { /* the first output of a window, how many there are, the taps of classes before */
        int32_t before;
        classes[3 * c + 1] = (int16_t)exai_meeting(c, kc, step, apart, columns, &before);
        classes[3 * c] = columns[0], classes[3 * c + 2] = (int16_t)before;
    }
    for (int32_t first = 0; first < in; first += block) {
        const int32_t last = first + block < in ? first + block : in;
        columns_of(way, first, last, block * stride, wide);
        r.next = 0;
        for (int32_t i = 0; i < layer->in_rows; i++) {
            load(&r, i);
            int32_t above_taps, kind = layer->left % step, first_met = layer->left / step;
            const int32_t na = exai_meeting(i + layer->top, kr, layer->stride_rows, layer->dilation_rows, outs, &above_taps);
            begin_row(&r, outs, na, &s);
            for (int32_t j = 0; j < all; j++) {
                const int32_t p = i * all + j;
                const int16_t *const met = classes + 3 * kind;
                const int32_t nb = met[1], column = first_met + met[0], before = kc * above_taps + na * met[2];
                if (++kind == step) kind = 0, first_met++;
                int32_t n = exai_list_kept(keep, p * in, first, last, gate, list);
                const uint16_t *which = list;
                if (sides > 1 || first) n = exai_list_rows(way, x + p * in, list, n, first, block, rows), which = rows;
                const int32_t place = place_of(&s, column);
                int32_t exponent = n && na && nb ? gather(&r, outs, place, nb, &s) : EXAI_NOTHING;
                if (exponent != EXAI_NOTHING) {
                    exponent += exai_wide_exponent(way);
                    exai_dots(wide + before * width, stride, which, n, v + place * na * width, na * nb * width, sums);
                }
                if (block == in) {
                    exai_keep_listed(keep, p, in, list, n, sums, exponent, gate, below, dense);
                } else {
                    if (exponent == EXAI_NOTHING) n = 0;
                    if (n || !first) exponents[p] = (int16_t)exponent;
                    memset(map + p * in + first, 0, (size_t)(last - first) * sizeof *map);
                    for (int32_t k = 0; k < n; k++) map[p * in + list[k]] = sums[k];
                }
            }
        }
    }
    for (int32_t p = 0; p < pixels && block < in; p++) {
        int32_t n = exai_list_kept(keep, p * in, 0, in, gate, list);
        if (sides > 1) n = exai_list_rows(way, x + p * in, list, n, 0, 0, rows);
        exai_pick(map + p * in, list, n, sums);
        exai_keep_listed(keep, p, in, list, n, sums, exponents[p], gate, below, dense);
    }
}

void exai_back_windows(const exai_way *way, const int8_t *x, int16_t *above, const void *gate, void *below, void *scratch) {
    exai_back_by(through, way, x, above, gate, below, scratch);
}
