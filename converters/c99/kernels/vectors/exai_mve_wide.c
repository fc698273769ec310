/* Rows and columns of weights with MVE: widened or bytes, and products of listed ones. */

#include "exai_mve.h"
#include "exai_wide.h"

#if EXAI_MVE

/* int8 less zero as they share, in whole vectors; under EXAI_SIGNED what is above zero, then what is below. */
void exai_wide_vector(const int8_t *x, int32_t depth, int32_t zero, int sharing, int16_t *v) {
    const int32_t width = exai_eights(depth);
    const int16x8_t zeros = vdupq_n_s16(0);
    for (int32_t i = 0; i < depth; i += 8) {
        const mve_pred16_t p = vctp16q((uint32_t)(depth - i));
        const int16x8_t all = vsubq_m_n_s16(zeros, vldrbq_z_s16(x + i, p), (int16_t)zero, p);
        vstrhq_s16(v + i, sharing == EXAI_ALL ? all : vmaxq_s16(all, zeros));
        if (sharing == EXAI_SIGNED) vstrhq_s16(v + width + i, vminq_s16(all, zeros));
    }
}

void exai_wide_rows(const int8_t *weights, int32_t rows, int32_t depth, int sharing, int16_t *wide) {
    for (; rows > 0; rows--, weights += depth) {
        exai_wide_vector(weights, depth, 0, sharing, wide);
        wide += exai_eights(depth) * (sharing == EXAI_SIGNED ? 2 : 1);
    }
}

#define ROW(take)                                                                                            \
    __asm__ volatile("wlstp.16 lr, %[n], 2f\n"                                                              \
                     "1:\n\t"                                                                              \
                     "vldrb.s16 q0, [%[row]], #8\n\t"                                                      \
                     "vldrh.16 q1, [%[v]], #16\n\t" take "vmladava.s16 %[sum], q0, q1\n\t"                \
                     "letp lr, 1b\n"                                                                        \
                     "2:"                                                                                   \
                     : [row] "+l"(row), [v] "+r"(from), [sum] "+Te"(sum)                                    \
                     : [n] "r"(depth), [zeros] "w"(zeros)                                                   \
                     : "q0", "q1", "lr", "cc", "memory")

void exai_rows_dot(const int8_t *weights, int32_t stride, int32_t depth, const uint16_t *list, int32_t n, const int16_t *v,
                   int32_t negative, int sharing, int32_t *sums) {
    const int16x8_t zeros = vdupq_n_s16(0);
    for (int32_t k = 0; k < n; k++) {
        const int8_t *row = weights + list[k] * stride;
        const int16_t *from = v;
        int32_t sum = 0;
        if (sharing == EXAI_ALL)
            ROW("");
        else
            ROW("vmax.s16 q0, q0, %q[zeros]\n\t");
        if (sharing == EXAI_SIGNED) {
            row = weights + list[k] * stride, from = v + negative;
            ROW("vmin.s16 q0, q0, %q[zeros]\n\t");
        }
        sums[k] = sum;
    }
}

#define PLACE(q, to) "vstrh.32 " q ", [%[" to "], %q[places], uxtw #1]\n\tadd %[" to "], %[" to "], %[step]\n\t"
#define COLUMN(store)                                                                              \
    __asm__ volatile("wlstp.32 lr, %[n], 2f\n"                                                     \
                     "1:\n\t"                                                                      \
                     "vldrb.s32 q0, [%[row]], #4\n\t" store "letp lr, 1b\n"                        \
                     "2:"                                                                          \
                     : [row] "+l"(row), [to] "+r"(to), [under] "+r"(under)                         \
                     : [n] "r"(count), [places] "w"(places), [zeros] "w"(zeros), [step] "r"(8 * width), \
                       [gain] "r"(gain), [fold] "r"(-fold)                                         \
                     : "q0", "q1", "lr", "cc", "memory")

/* One unit's weights, `width` values between two. */
static void column(const exai_way *way, int folded, int32_t unit, const int8_t *row, int32_t count, int32_t width,
                   int32_t below, int16_t *to) {
    const uint32x4_t places = vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)width);
    const int32x4_t zeros = vdupq_n_s32(0);
    const int32_t gain = folded ? exai_gain(way, unit) : 1, fold = folded ? way->fold : 0;
    int16_t *under = to + below;
    if (folded || way->weights == EXAI_ALL)
        COLUMN("vmul.i32 q0, q0, %[gain]\n\tvrshl.s32 q0, %[fold]\n\t" PLACE("q0", "to"));
    else if (way->weights == EXAI_POSITIVE)
        COLUMN("vmax.s32 q0, q0, %q[zeros]\n\t" PLACE("q0", "to"));
    else
        COLUMN("vmax.s32 q1, q0, %q[zeros]\n\t" PLACE("q1", "to") "vmin.s32 q0, q0, %q[zeros]\n\t" PLACE("q0", "under"));
}

void exai_wide_columns(const exai_way *way, int folded, int32_t tap, int32_t first, int32_t last, int32_t width,
                       int32_t below, int16_t *wide) {
    const exai_layer *const layer = way->layer;
    const int32_t in = layer->in_channels, depth = layer->kernel_rows * layer->kernel_columns * in;
    const int8_t *const row = layer->weights + tap * in + first;
    int32_t j = 0;
    for (; j < layer->out_channels; j++) column(way, folded, j, row + j * depth, last - first, width, below, wide + j);
    for (; j < exai_eights(layer->out_channels); j++) {
        for (int32_t i = 0; i < last - first; i++) wide[i * width + j] = 0;
        for (int32_t i = 0; i < last - first && way->weights == EXAI_SIGNED; i++) wide[below + i * width + j] = 0;
    }
}

/* Four rows with one vector, eight columns at a time: ten instructions for 32 products. */
static void four_rows(const int16_t *r0, const int16_t *r1, const int16_t *r2, const int16_t *r3, const int16_t *v,
                             int32_t eights, int32_t *sums) {
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    __asm__ volatile(
        "dls lr, %[n]\n"
        "1:\n\t"
        "vldrh.16 q0, [%[v]], #16\n\t"
        "vldrh.16 q1, [%[r0]], #16\n\t"
        "vmladava.s16 %[s0], q0, q1\n\t"
        "vldrh.16 q2, [%[r1]], #16\n\t"
        "vmladava.s16 %[s1], q0, q2\n\t"
        "vldrh.16 q1, [%[r2]], #16\n\t"
        "vmladava.s16 %[s2], q0, q1\n\t"
        "vldrh.16 q2, [%[r3]], #16\n\t"
        "vmladava.s16 %[s3], q0, q2\n\t"
        "le lr, 1b"
        : [s0] "+Te"(s0), [s1] "+Te"(s1), [s2] "+Te"(s2), [s3] "+Te"(s3), [r0] "+r"(r0), [r1] "+r"(r1), [r2] "+r"(r2),
          [r3] "+r"(r3), [v] "+r"(v)
        : [n] "r"(eights)
        : "q0", "q1", "q2", "lr", "cc", "memory");
    sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
}

/* One of 64 columns, six vectors of which are q0 ... q5. */
#define EIGHT(q, at, what) "vldrh.16 q6, [%[row], #" at "]\n\t" what ".s16 %[sum], q6, " q "\n\t"
#define LISTED_64(start, what)                                                                                        \
    __asm__ volatile("vldrh.16 q0, [%[v]]\n\t"                                                                      \
                     "vldrh.16 q1, [%[v], #16]\n\t"                                                                 \
                     "vldrh.16 q2, [%[v], #32]\n\t"                                                                 \
                     "vldrh.16 q3, [%[v], #48]\n\t"                                                                 \
                     "vldrh.16 q4, [%[v], #64]\n\t"                                                                 \
                     "vldrh.16 q5, [%[v], #80]\n\t"                                                                 \
                     "wls lr, %[n], 2f\n"                                                                             \
                     "1:\n\t"                                                                                         \
                     "ldrh %[row], [%[list]], #2\n\t" start "mla %[row], %[row], %[stride], %[rows]\n\t"              \
                     "vldrh.16 q7, [%[v], #96]\n\t" EIGHT("q0", "0", what) EIGHT("q1", "16", "vmladava")              \
                     EIGHT("q2", "32", "vmladava") EIGHT("q3", "48", "vmladava") EIGHT("q4", "64", "vmladava")        \
                     EIGHT("q5", "80", "vmladava") EIGHT("q7", "96", "vmladava")                                      \
                     "vldrh.16 q7, [%[v], #112]\n\t" EIGHT("q7", "112", "vmladava")                                   \
                     "str %[sum], [%[to]], #4\n\t"                                                                    \
                     "le lr, 1b\n"                                                                                    \
                     "2:"                                                                                             \
                     : [list] "+r"(from), [row] "=&r"(row), [to] "+r"(to), [sum] "=&Te"(sum)                          \
                     : [v] "r"(v), [n] "r"(n), [rows] "r"(rows), [stride] "r"(2 * stride)                             \
                     : "q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7", "lr", "cc", "memory")

static void sixty_fours(const int16_t *rows, int32_t stride, const uint16_t *list, int32_t n, const int16_t *v, int32_t width,
                        int32_t *sums) {
    for (int32_t at = 0; at < width; at += 64, rows += 64, v += 64) {
        const uint16_t *from = list;
        int32_t *to = sums, sum, row;
        if (at)
            LISTED_64("ldr %[sum], [%[to]]\n\t", "vmladava");
        else
            LISTED_64("", "vmladav");
    }
}

void exai_dots(const int16_t *rows, int32_t stride, const uint16_t *list, int32_t n, const int16_t *v, int32_t width,
               int32_t *sums) {
    const int32_t eights = width / 8;
    if (width % 64 == 0) {
        sixty_fours(rows, stride, list, n, v, width, sums);
        return;
    }
    for (; n >= 4; n -= 4, list += 4, sums += 4) {
        four_rows(rows + list[0] * stride, rows + list[1] * stride, rows + list[2] * stride, rows + list[3] * stride, v,
                  eights, sums);
    }
    for (; n > 0; n--) {
        const int16_t *row = rows + *list++ * stride, *from = v;
        int32_t sum = 0;
        __asm__ volatile(
            "dls lr, %[n]\n"
            "1:\n\t"
            "vldrh.16 q0, [%[v]], #16\n\t"
            "vldrh.16 q1, [%[row]], #16\n\t"
            "vmladava.s16 %[sum], q0, q1\n\t"
            "le lr, 1b"
            : [sum] "+Te"(sum), [row] "+r"(row), [v] "+r"(from)
            : [n] "r"(eights)
            : "q0", "q1", "lr", "cc", "memory");
        *sums++ = sum;
    }
}

/* Vectors of a row, those before it in q4 ... q6 and the last one, which may be cut, in q7. */
#define FULL(q, at, what) "vldrb.8 q0, [%[row], #" at "]\n\t" what ".u8 %[sum], q0, " q "\n\t"
#define MORE(q, at) FULL(q, at, "vmladava")
#define CUT(at) "vpst\n\tvldrbt.8 q0, [%[row], #" at "]\n\tvmladava.u8 %[sum], q0, q7\n\t"
#define BEFORE(q, at) "vldrb.8 " q ", [%[v], #" at "]\n\tvadd.i8 " q ", " q ", %[half]\n\t"
#define LISTED(before, last_at, start, products)                                                                      \
    __asm__ volatile("vctp.8 %[last]\n\t" before "vpst\n\t"                                                          \
                     "vldrbt.8 q7, [%[v], #" last_at "]\n\t"                                                         \
                     "vadd.i8 q7, q7, %[half]\n\t"                                                                   \
                     "wls lr, %[n], 2f\n"                                                                            \
                     "1:\n\t"                                                                                        \
                     "ldrh %[row], [%[list]], #2\n\t" start                                                          \
                     "mla %[row], %[row], %[depth], %[rows]\n\t" products "str %[sum], [%[to]], #4\n\t"              \
                     "le lr, 1b\n"                                                                                   \
                     "2:"                                                                                            \
                     : [list] "+r"(from), [row] "=&r"(row), [to] "+r"(to), [sum] "=&Te"(sum)                         \
                     : [v] "r"(x), [n] "r"(n), [rows] "r"(rows), [depth] "r"(depth), [last] "r"(last), [half] "r"(128) \
                     : "q0", "q4", "q5", "q6", "q7", "lr", "cc", "memory")
#define DEEP(what) FULL("q4", "0", what) MORE("q5", "16") MORE("q6", "32") MORE("q7", "48")
#define ADDED "ldr %[sum], [%[to]]\n\t"

/* Products of listed rows of weights that are not negative with x less a zero point of -128. */
static void listed_bytes(const int8_t *rows, int32_t depth, const uint16_t *list, int32_t n, const int8_t *x, int32_t *sums) {
    if (depth < 64) exai_mve_fill(sums, 4 * n, 0);
    for (int32_t left = depth; left > 0; left -= 64, rows += 64, x += 64) {
        const int32_t last = left >= 64 ? 16 : (left - 1) % 16 + 1;
        const uint16_t *from = list;
        int32_t *to = sums, sum, row;
        if (left >= 64 && left == depth)
            LISTED(BEFORE("q4", "0") BEFORE("q5", "16") BEFORE("q6", "32"), "48", "", DEEP("vmladav"));
        else if (left >= 64)
            LISTED(BEFORE("q4", "0") BEFORE("q5", "16") BEFORE("q6", "32"), "48", ADDED, DEEP("vmladava"));
        else if (left > 48)
            LISTED(BEFORE("q4", "0") BEFORE("q5", "16") BEFORE("q6", "32"), "48", ADDED,
                   MORE("q4", "0") MORE("q5", "16") MORE("q6", "32") CUT("48"));
        else if (left > 32)
            LISTED(BEFORE("q4", "0") BEFORE("q5", "16"), "32", ADDED, MORE("q4", "0") MORE("q5", "16") CUT("32"));
        else if (left > 16)
            LISTED(BEFORE("q4", "0"), "16", ADDED, MORE("q4", "0") CUT("16"));
        else
            LISTED("", "0", ADDED, CUT("0"));
    }
}

/* Whether rows are kept as bytes: x less a zero point of -128 is one, too. */
static int as_bytes(const exai_way *way) {
    return way->wide && way->weights == EXAI_POSITIVE;
}

void exai_shares_begin(const exai_way *way, int32_t depth, int16_t *wide) {
    const int32_t out = way->layer->out_channels;
    if (as_bytes(way))
        exai_mve_positive(way->layer->weights, out * depth, (int8_t *)wide);
    else if (way->wide)
        exai_wide_rows(way->layer->weights, out, depth, way->weights, wide);
}

void exai_shares(const exai_way *way, const int8_t *x, int32_t depth, const uint16_t *list, int32_t n, const int16_t *wide,
                 int16_t *v, int32_t *d) {
    const int32_t eights = exai_eights(depth), width = way->weights == EXAI_SIGNED ? 2 * eights : eights;
    if (as_bytes(way)) {
        listed_bytes((const int8_t *)wide, depth, list, n, x, d);
        return;
    }
    exai_wide_vector(x, depth, way->layer->in_zero, way->weights, v);
    if (way->wide)
        exai_dots(wide, width, list, n, v, width, d);
    else
        exai_rows_dot(way->layer->weights, depth, depth, list, n, v, eights, way->weights, d);
}

int exai_mve_as_bytes(const exai_way *way) {
    return way->weights == EXAI_POSITIVE && way->layer->out_channels % 64 == 0;
}

/* What is positive of the weights of a pointwise layer (out, in), a row for each input. */
void exai_mve_turned(const exai_layer *layer, int8_t *to) {
    const int32_t in = layer->in_channels, out = layer->out_channels;
    const uint16x8_t places = vmulq_n_u16(vidupq_n_u16(0, 1), (uint16_t)out);
    const int16x8_t zeros = vdupq_n_s16(0);
    for (int32_t j = 0; j < out; j++) {
        const int8_t *const w = layer->weights + j * in;
        for (int32_t i = 0; i < in; i += 8) {
            const mve_pred16_t p = vctp16q((uint32_t)(in - i));
            vstrbq_scatter_offset_p_s16(to + i * out + j, places, vmaxq_s16(vldrbq_z_s16(w + i, p), zeros), p);
        }
    }
}

/* Factors in two bytes, a lower one and an upper one with the sign, of 64 units at a time: those of 48 stay in q0 ... q5. */
#define TWICE(at, lower, upper, what)                                                                               \
    "vldrb.8 q6, [%[row], #" at "]\n\t" what ".u8 %[low], q6, " lower "\n\t" what ".s8 %[high], q6, " upper "\n\t"
#define SPLIT(lower, upper)                                                                                         \
    "vld20.8 {" lower ", " upper "}, [%[m]]\n\tvld21.8 {" lower ", " upper "}, [%[m]]!\n\t"
#define BYTES_64(added)                                                                                             \
    __asm__ volatile(SPLIT("q0", "q1") SPLIT("q2", "q3") SPLIT("q4", "q5") SPLIT("q6", "q7")                        \
                     "vstrb.8 q6, [%[rest]]\n\t"                                                                    \
                     "vstrb.8 q7, [%[rest], #16]\n\t"                                                               \
                     "wls lr, %[n], 2f\n"                                                                           \
                     "1:\n\t"                                                                                       \
                     "ldrh %[row], [%[list]], #2\n\t"                                                               \
                     "mla %[row], %[row], %[out], %[rows]\n\t" TWICE("0", "q0", "q1", "vmladav")                    \
                     TWICE("16", "q2", "q3", "vmladava") TWICE("32", "q4", "q5", "vmladava")                        \
                     "vldrb.8 q6, [%[row], #48]\n\t"                                                                \
                     "vldrb.8 q7, [%[rest]]\n\t"                                                                    \
                     "vmladava.u8 %[low], q6, q7\n\t"                                                               \
                     "vldrb.8 q7, [%[rest], #16]\n\t"                                                               \
                     "vmladava.s8 %[high], q6, q7\n\t" added                                                        \
                     "add %[low], %[low], %[high], lsl #8\n\t"                                                      \
                     "str %[low], [%[to]], #4\n\t"                                                                  \
                     "le lr, 1b\n"                                                                                  \
                     "2:"                                                                                           \
                     : [m] "+r"(m), [list] "+r"(from), [row] "=&r"(row), [to] "+r"(to), [low] "=&Te"(low),          \
                       [high] "=&Te"(high)                                                                          \
                     : [rest] "r"(rest), [n] "r"(n), [rows] "r"(rows), [out] "r"(out)                               \
                     : "q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7", "lr", "cc", "memory")

void exai_mve_dots_of_bytes(const int8_t *rows, int32_t out, const uint16_t *list, int32_t n, const int16_t *m, int32_t *sums) {
    int8_t rest[32];
    for (int32_t at = 0; at < out; at += 64, rows += 64) {
        const uint16_t *from = list;
        int32_t *to = sums, row, low, high;
        if (at)
            BYTES_64("ldr %[row], [%[to]]\n\tadd %[low], %[low], %[row]\n\t");
        else
            BYTES_64("");
    }
}

#endif
