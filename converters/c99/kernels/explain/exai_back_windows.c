/* The way back through windows: for each pixel of the input, the factors of the outputs whose windows hold it are put side by
 * side, with one exponent, and meet the columns of weights of listed inputs.
 */

#include "exai_mve.h"
#include "exai_wide.h"

/* Weights of inputs first ... last - 1, a row for each: taps in order of their class, in a class the last one first. */
static void columns_of(const exai_way *way, int32_t first, int32_t last, int32_t below, int16_t *wide) {
    const exai_layer *const layer = way->layer;
    const int32_t width = exai_eights(layer->out_channels), taps = layer->kernel_rows * layer->kernel_columns;
    for (int32_t cy = 0; cy < layer->stride_rows; cy++) {
        for (int32_t cx = 0; cx < layer->stride_columns; cx++) {
            for (int32_t a = layer->kernel_rows - 1; a >= 0; a--) {
                for (int32_t b = layer->kernel_columns - 1; b >= 0; b--) {
                    if (a * layer->dilation_rows % layer->stride_rows != cy) continue;
                    if (b * layer->dilation_columns % layer->stride_columns != cx) continue;
                    exai_wide_columns(way, !exai_is(EXAI_USES_WINDOWS, EXAI_DIVIDES, way->divides), a * layer->kernel_columns + b, first, last, taps * width, below, wide);
                    wide += width;
                }
            }
        }
    }
}

/* Rows of outputs, as many as a window spans, until they may be written over. */
typedef struct {
    const exai_layer *layer;
    const int16_t *above;
    int16_t *factors, *exponents; /* (span, out columns, width), (span, out columns) */
    int32_t span, width, next;
} rows_of_outputs;

static void load(rows_of_outputs *r, int32_t at) {
    const exai_layer *const layer = r->layer;
    const int32_t columns = layer->out_columns, out = layer->out_channels, end = (at + layer->top) / layer->stride_rows + 1;
    for (; r->next < end && r->next < layer->out_rows; r->next++) {
        int16_t *const to = r->factors + r->next % r->span * columns * r->width;
        const int16_t *const from = r->above + r->next * columns * out;
        memcpy(r->exponents + r->next % r->span * columns, r->above + (layer->out_rows * out + r->next) * columns,
               (size_t)columns * sizeof *to);
        if (r->width == out) {
            memcpy(to, from, (size_t)(columns * out) * sizeof *to);
            continue;
        }
        memset(to, 0, (size_t)(columns * r->width) * sizeof *to);
        for (int32_t j = 0; j < columns; j++) memcpy(to + j * r->width, from + j * out, (size_t)out * sizeof *to);
    }
}

/* A pixel's factors over 2^by, rounded. */
static void shift(const int16_t *from, int32_t count, int32_t by, int16_t *to) {
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
    if (!by) {
        memcpy(to, from, (size_t)count * sizeof *to);
        return;
    }
    const int32_t half = 1 << (by - 1);
    for (int32_t i = 0; i < count; i += 2) { /* two in a word; neither overflows */
        const uint32_t two = exai_word(from + i);
        const int32_t low = ((int16_t)(two & 0xFFFFu) + half) >> by;
        const uint32_t high = (uint32_t)((int32_t)(two + ((uint32_t)half << 16)) >> by) & 0xFFFF0000u;
        const uint32_t both = high | ((uint32_t)low & 0xFFFFu);
        memcpy(to + i, &both, sizeof both);
    }
#endif
}

/* The outputs of rows and columns side by side, nothing outside the map; the exponent that they share. */
static int32_t gather(const rows_of_outputs *r, const int16_t *rows, int32_t na, const int16_t *columns, int32_t nb,
                      int16_t *v) {
    const int32_t width = r->width, all = r->layer->out_columns;
    int32_t most = EXAI_NOTHING;
    for (int32_t a = 0; a < na; a++) {
        const int16_t *const exponents = r->exponents + rows[a] % r->span * all;
        for (int32_t b = 0; b < nb && rows[a] >= 0 && rows[a] < r->next; b++) {
            if (columns[b] >= 0 && columns[b] < all && exponents[columns[b]] > most) most = exponents[columns[b]];
        }
    }
    for (int32_t a = 0; a < na && most != EXAI_NOTHING; a++) {
        const int inside = rows[a] >= 0 && rows[a] < r->next;
        const int32_t row = inside ? rows[a] % r->span * all : 0;
        for (int32_t b = 0; b < nb; b++, v += width) {
            const int here = inside && columns[b] >= 0 && columns[b] < all;
            const int32_t own = here ? r->exponents[row + columns[b]] : EXAI_NOTHING;
            const int16_t *const from = r->factors + (row + columns[b]) * width;
            if (own < most - 15)
                exai_clear(v, 2 * width);
            else
                shift(from, width, most - own, v);
        }
    }
    return most;
}

/* Scratch: sums and values of a pixel, two windows and what they take, columns of `block` inputs, rows of outputs, lists;
 * for more than one block, sums and exponents of all pixels, too. */
static void through(const exai_way *way, const int8_t *x, const int16_t *above, const void *gate, void *below,
                    void *scratch) {
    const exai_layer *const layer = way->layer;
    const exai_keep *const keep = way->keep;
    const int32_t kr = layer->kernel_rows, kc = layer->kernel_columns, taps = kr * kc, in = layer->in_channels;
    const int32_t width = exai_eights(layer->out_channels), stride = taps * width, all = layer->in_columns;
    const int32_t block = way->block, sides = exai_is_signed(EXAI_USES_WINDOWS, way->weights) ? 2 : 1, pixels = layer->in_rows * all;
    int32_t *const sums = scratch, *const dense = sums + in, *const map = dense + in;
    int16_t *const v = (int16_t *)(map + (block < in ? pixels * in : 0)), *const wide = v + stride;
    int16_t *const exponents = wide + sides * block * stride, *const room = exponents + (block < in ? pixels : 0);
    rows_of_outputs r = {layer, above, room, NULL, exai_span(layer), width, 0};
    r.exponents = room + r.span * layer->out_columns * width;
    uint16_t *const list = (uint16_t *)(r.exponents + r.span * layer->out_columns), *const rows = list + in;
    int16_t *const outs = (int16_t *)(rows + in), *const columns = outs + kr;
    for (int32_t first = 0; first < in; first += block) {
        const int32_t last = first + block < in ? first + block : in;
        columns_of(way, first, last, block * stride, wide);
        r.next = 0;
        for (int32_t i = 0; i < layer->in_rows; i++) {
            load(&r, i);
            int32_t above_taps, left_taps;
            const int32_t na = exai_meeting(i + layer->top, kr, layer->stride_rows, layer->dilation_rows, outs, &above_taps);
            for (int32_t j = 0; j < all; j++) {
                const int32_t p = i * all + j;
                const int32_t nb =
                    exai_meeting(j + layer->left, kc, layer->stride_columns, layer->dilation_columns, columns, &left_taps);
                const int32_t before = kc * above_taps + na * left_taps;
                int32_t n = exai_list_kept(keep, p * in, first, last, gate, list);
                const uint16_t *which = list;
                if (sides > 1 || first) n = exai_list_rows(way, x + p * in, list, n, first, block, rows), which = rows;
                int32_t exponent = n && na && nb ? gather(&r, outs, na, columns, nb, v) : EXAI_NOTHING;
                if (exponent != EXAI_NOTHING) {
                    exponent += exai_wide_exponent(way);
                    exai_dots(wide + before * width, stride, which, n, v, na * nb * width, sums);
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
