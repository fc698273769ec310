/* Heatmap frames from a microcontroller: C99, no heap, no floating-point arithmetic, nothing of a
 * library but what compilers call by themselves (memset, memcpy).
 *
 * The bytes are those of Python's edgexai.encode(map, budget=...); docs/heatmap-format.md specifies them. Compile
 * edgexai_heatmap.c into the firmware; nothing else is needed.
 *
 *     static int32_t work[96 * 96];
 *     static edgexai_heatmap_state state;
 *
 *     edgexai_heatmap_map map = {.values = relevance, .target = 3, .score = 12.5f};
 *     edgexai_heatmap_frame frame = {
 *         .maps = &map, .count = 1, .axes = 2, .shape = {96, 96}, .model = model_sha256, .model_size = 4,
 *         .sequence = sequence++, .seconds = rtc_seconds_since_2020};
 *     int32_t size = edgexai_heatmap_encode(&frame, work, &state, payload, sizeof payload, 51);
 *     if (size > 0) send(payload, size);
 */

#ifndef EDGEXAI_HEATMAP_H
#define EDGEXAI_HEATMAP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The longest axis that the state has room for, at most 512; a smaller number saves 4 bytes of state for each. */
#ifndef EDGEXAI_HEATMAP_LONGEST
#define EDGEXAI_HEATMAP_LONGEST 512
#endif

/* Levels of the tree, and one above the root. */
#define EDGEXAI_HEATMAP_LEVELS \
    (EDGEXAI_HEATMAP_LONGEST > 256 ? 11 : EDGEXAI_HEATMAP_LONGEST > 128 ? 10 : EDGEXAI_HEATMAP_LONGEST > 64 ? 9 : 8)

/* With -DEDGEXAI_HEATMAP_BASIS frames can be coded in a basis of components (section 7 of the format). */
#ifdef EDGEXAI_HEATMAP_BASIS
#define EDGEXAI_HEATMAP_CONTEXTS 161
#else
#define EDGEXAI_HEATMAP_CONTEXTS 133
#endif

/* What edgexai_heatmap_encode returns instead of a size. */
enum {
    EDGEXAI_HEATMAP_SHAPE = -1,   /* axes, lengths or the number of maps are beyond what a frame holds, or the basis is of others */
    EDGEXAI_HEATMAP_VALUES = -2,  /* relevance is not finite, or reaches 2^90 */
    EDGEXAI_HEATMAP_BUDGET = -3,  /* the budget is too small for what comes before the streams */
    EDGEXAI_HEATMAP_SPACE = -4,   /* the buffer is too small for the frame */
    EDGEXAI_HEATMAP_HEADER = -5   /* model of other than 0, 4, 8 bytes, sequence of 2^53, a small field of type 0 … */
};

/* How the values of a map are given. */
typedef enum {
    EDGEXAI_HEATMAP_FLOAT32,
    EDGEXAI_HEATMAP_INT32, /* times 2^exponent of the frame; beyond 24 bits rounded as float32 would */
    EDGEXAI_HEATMAP_INT16  /* times 2^exponent of the frame */
} edgexai_heatmap_type;

/* A map and what it explains. */
typedef struct {
    const void *values; /* row by row; not changed */
    int32_t target;     /* class */
    float score;
    float conservation;
    uint8_t has_conservation; /* sent if every map of the frame has it */
} edgexai_heatmap_map;

/* A small field (section 2 of the format): {1, 1, &byte} is a confidence of byte / 255. */
typedef struct {
    uint8_t type; /* 1 to 15 */
    uint8_t size;
    const uint8_t *content;
} edgexai_heatmap_field;

/* What one frame says. All that is zero is left out. */
typedef struct {
    const edgexai_heatmap_map *maps;
    uint8_t count; /* of maps, all of one shape: 1 to 16 */
    uint8_t axes;  /* 1 to 3 */
    uint16_t shape[3];
    edgexai_heatmap_type type;
    int8_t exponent;      /* of integer values */
    uint8_t model_size;   /* 0, 4 or 8 */
    const uint8_t *model; /* the first bytes of the SHA-256 of the source model */
    uint64_t sequence;
    uint32_t seconds;      /* since 2020-01-01 00:00 UTC */
    uint16_t milliseconds; /* sent in frames of 96 bytes and more */
    uint8_t field_count;
    uint8_t phase; /* 0 to 3, section 4 of the format; 0 unless you have tried */
    const edgexai_heatmap_field *fields;
#ifdef EDGEXAI_HEATMAP_BASIS
    const uint8_t *basis; /* the bytes of a basis file, of maps of this model; NULL for none. Checked for shape and size only */
    uint32_t basis_size;
#endif
} edgexai_heatmap_frame;

/* Memory of the encoder; its content is private, needs no initial value, and may be used otherwise between calls. */
typedef struct {
    uint16_t index, begin, size, above;
} edgexai_heatmap_interval;

typedef struct {
    const edgexai_heatmap_interval *box[3]; /* what is beside it stands beside it */
    edgexai_heatmap_interval beside[3][4], coarser[3];
    uint8_t last, next, done, visited, busy, fresh, height;
} edgexai_heatmap_node;

typedef struct {
    uint8_t level[3][4];
} edgexai_heatmap_pattern;

typedef struct {
    union {
        int32_t line[EDGEXAI_HEATMAP_LONGEST];
        struct {
            uint16_t chance[EDGEXAI_HEATMAP_CONTEXTS];
            uint8_t seen[EDGEXAI_HEATMAP_CONTEXTS];
            edgexai_heatmap_node path[EDGEXAI_HEATMAP_LEVELS];
        } coding;
    } now;
    int32_t *cells;
    uint16_t shape[3], longest;
    edgexai_heatmap_pattern pattern;
    uint8_t axes, period, all_ones, full;
    uint8_t *out;
    uint32_t low, range, written, room, most;
#ifdef EDGEXAI_HEATMAP_BASIS
    const uint8_t *basis;
    int32_t *components;
#endif
} edgexai_heatmap_state;

/* Encode a frame of at most `budget` bytes; the whole streams if `budget` is 0.
 *
 * `work` has one int32 for each value of a map (and for each component of a basis), and is overwritten. `out` has `capacity` bytes. Returns the bytes
 * written, or one of the errors above. Several maps share what is left equally and are coded twice.
 */
int32_t edgexai_heatmap_encode(const edgexai_heatmap_frame *frame, int32_t *work, edgexai_heatmap_state *state,
                               uint8_t *out, size_t capacity, size_t budget);

#ifdef __cplusplus
}
#endif

#endif
