/* Quotients with MVE: what is divided, and by what, is laid out by vectors, so that divisions follow each other. */

#include "exai_mve.h"
#include "exai_wide.h"

#if EXAI_MVE

/* m * 2^16 over d / 2^by of listed units, in the place of d; small ones keep their bits. How many are left where one is so
 * small that others lose theirs. */
static int32_t divided(const int16_t *m, const uint16_t *list, int32_t n, int32_t by, int32_t *d) {
    int32_t r, own, q, t;
    __asm__ volatile(
        "wls lr, %[n], 4f\n"
        "1:\n\t"
        "ldrh %[t], [%[list]], #2\n\t"
        "ldr %[own], [%[d]]\n\t"
        "ldrsh %[r], [%[m], %[t], lsl #1]\n\t"
        "add %[t], %[own], %[half]\n\t"
        "asr %[t], %[t], %[by]\n\t"
        "lsl %[r], %[r], #16\n\t"
        "add %[q], %[t], #128\n\t"
        "cmp %[q], #256\n\t"
        "bls 2f\n\t"
        "sdiv %[q], %[r], %[t]\n\t"
        "str %[q], [%[d]], #4\n\t"
        "le lr, 1b\n\t"
        "b 4f\n"
        "2:\n\t"
        "movs %[q], %[own]\n\t"
        "beq 3f\n\t"
        "sdiv %[q], %[r], %[own]\n\t"
        "eor %[t], %[q], %[q], asr #31\n\t"
        "lsrs %[t], %[t], %[room]\n\t"
        "bne 5f\n\t"
        "lsl %[q], %[q], %[by]\n"
        "3:\n\t"
        "str %[q], [%[d]], #4\n\t"
        "le lr, 1b\n"
        "4:\n\t"
        "mov lr, #0\n"
        "5:\n\t"
        "mov %[t], lr"
        : [list] "+r"(list), [d] "+r"(d), [r] "=&r"(r), [own] "=&r"(own), [q] "=&r"(q), [t] "=&r"(t)
        : [n] "r"(n), [m] "r"(m), [half] "r"(by ? 1 << (by - 1) : 0), [by] "r"(by), [room] "r"(30 - by)
        : "lr", "cc", "memory");
    return t;
}

enum { CHUNK = 32 };

/* Dividends, CHUNK values further what they are divided by, and 2 * CHUNK further how far quotients go to the left. */
#define PREPARE(own)                                                                                                  \
    __asm__ volatile("wlstp.32 lr, %[n], 2f\n"                                                                        \
                     "1:\n\t"                                                                                         \
                     "vldrh.u32 q0, [%[list]], #8\n\t"                                                                \
                     own                                                                                              \
                     "vldrh.s32 q2, [%[m], q0, uxtw #1]\n\t"                                                          \
                     "vminav.s32 %[least], q1\n\t"                                                                    \
                     "vmaxav.s32 %[most], q2\n\t"                                                                     \
                     "vadd.i32 q3, q1, %[half]\n\t"                                                                   \
                     "vshl.i32 q2, q2, #16\n\t"                                                                       \
                     "vshl.s32 q3, %[down]\n\t"                                                                       \
                     "vstrw.32 q2, [%[to]], #16\n\t"                                                                  \
                     "vadd.i32 q2, q3, %[small]\n\t"                                                                  \
                     "vcmp.u32 hi, q2, %[twice]\n\t"                                                                  \
                     "vpsel q3, q3, q1\n\t"                                                                           \
                     "vpsel q2, %q[zeros], %q[up]\n\t"                                                                \
                     "vstrw.32 q3, [%[to], #112]\n\t"                                                                 \
                     "vstrw.32 q2, [%[to], #240]\n\t"                                                                 \
                     "letp lr, 1b\n"                                                                                  \
                     "2:"                                                                                             \
                     : [list] "+l"(list), [d] "+r"(from), [to] "+r"(to), [least] "+&r"(least), [most] "+&r"(most)         \
                     : [n] "r"(n), [m] "r"(m), [offset] "r"(offset), [half] "r"(by ? 1 << (by - 1) : 0), [down] "r"(-by), \
                       [small] "r"(128), [twice] "r"(256), [zeros] "w"(zeros), [up] "w"(up)                           \
                     : "q0", "q1", "q2", "q3", "lr", "cc", "memory")

enum { TOO_LONG = -1 };

/* The same of CHUNK units at most, after their offsets, where no quotient can be too long; their size. With `all` the offsets
 * are what is divided by. */
static inline uint32_t divided_together(const int16_t *m, const uint16_t *list, int32_t n, const int32_t *offset, int all,
                                        int32_t by, int32_t *d) {
    int32_t room[3 * CHUNK], *to = room, *from = d, least = INT32_MAX, most = 0, a, b, c, e;
    int32x4_t high = vdupq_n_s32(0), low = high;
    const int32x4_t zeros = vdupq_n_s32(0), up = vdupq_n_s32(by);
    if (all)
        PREPARE("vldrw.32 q1, [%[offset], q0, uxtw #2]\n\t");
    else if (offset)
        PREPARE("vldrw.32 q1, [%[d]], #16\n\tvldrw.32 q2, [%[offset], q0, uxtw #2]\n\tvadd.i32 q1, q1, q2\n\t");
    else
        PREPARE("vldrw.32 q1, [%[d]], #16\n\t");
    if (by > 14 || most >> (14 - by) >= least) return (uint32_t)TOO_LONG;
    if (n & 1) room[n] = 0, room[CHUNK + n] = 1;
    to = room;
    __asm__ volatile(
        "dls lr, %[n]\n"
        "1:\n\t"
        "ldrd %[a], %[b], [%[to]]\n\t"
        "ldrd %[c], %[e], [%[to], #128]\n\t"
        "sdiv %[a], %[a], %[c]\n\t"
        "sdiv %[b], %[b], %[e]\n\t"
        "strd %[a], %[b], [%[to]], #8\n\t"
        "le lr, 1b"
        : [to] "+r"(to), [a] "=&r"(a), [b] "=&r"(b), [c] "=&r"(c), [e] "=&r"(e)
        : [n] "r"((n + 1) / 2)
        : "lr", "cc", "memory");
    to = room;
    __asm__ volatile(
        "dlstp.32 lr, %[n]\n"
        "1:\n\t"
        "vldrw.32 q0, [%[to]], #16\n\t"
        "vldrw.32 q1, [%[to], #240]\n\t"
        "vshl.s32 q0, q0, q1\n\t"
        "vstrw.32 q0, [%[d]], #16\n\t"
        "vmax.s32 %q[high], %q[high], q0\n\t"
        "vmin.s32 %q[low], %q[low], q0\n\t"
        "letp lr, 1b"
        : [to] "+r"(to), [d] "+r"(d), [high] "+w"(high), [low] "+w"(low)
        : [n] "r"(n)
        : "q0", "q1", "lr", "cc", "memory");
    return exai_mve_size(high, low);
}

static inline uint32_t quotients(const exai_way *way, const int16_t *m, const uint16_t *list, int32_t n, const int32_t *offset,
                                 int all, int32_t *d, int32_t *by) {
    uint32_t size = 0;
    int32_t k = 0;
    *by = way->down;
    for (; k < n; k += CHUNK) {
        const int32_t some = n - k < CHUNK ? n - k : CHUNK;
        const uint32_t found = divided_together(m, list + k, some, offset, all, *by, d + k);
        if (found == (uint32_t)TOO_LONG) break;
        size |= found;
    }
    if (k >= n) return size;
    for (int32_t i = k; i < n && offset; i++) d[i] = (all ? 0 : d[i]) + offset[list[i]];
    const int32_t left = divided(m, list + k, n - k, *by, d + k), done = n - left;
    if (left) {
        for (k = 0; k < done; k++) d[k] >>= *by;
        *by = 0;
        divided(m, list + done, left, 0, d + done);
    }
    return exai_sizes(d, n);
}

uint32_t exai_quotients(const exai_way *way, const int16_t *m, const uint16_t *list, int32_t n, const int32_t *offset,
                        int32_t *d, int32_t *by) {
    return quotients(way, m, list, n, offset, 0, d, by);
}

uint32_t exai_mve_quotients_of(const exai_way *way, const int16_t *m, const uint16_t *list, int32_t n, const int32_t *all,
                               int32_t *q, int32_t *by) {
    return quotients(way, m, list, n, all, 1, q, by);
}

#endif
