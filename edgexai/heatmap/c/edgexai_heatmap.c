/* See edgexai_heatmap.h; sections are those of docs/heatmap-format.md.
 *
 * Scores and maps are read as the bits of their float32 and all arithmetic is on integers, so that no setting of a
 * floating-point unit changes a byte. Negative integers are shifted right arithmetically, as every compiler for
 * these machines does. One unit of several files, each with one part: as units of their own they would take more flash.
 */

#include "edgexai_heatmap.h"

#include "edgexai_heatmap_tables.h"

typedef edgexai_heatmap_state State;
typedef edgexai_heatmap_node Node;
typedef edgexai_heatmap_interval Interval;
typedef edgexai_heatmap_pattern Pattern;
typedef const Interval *Box[3];

enum { FINE = 18, CUBED = 27, COARSE = 14, BITS = 20, BLANK = -128, MOST_BYTES = 1 << 20, MOST_VALUES = 1 << 18, MOST_MAPS = 16 };
enum { MAGNITUDE = 0x7FFF, NEGATIVE = 0x8000, HEIGHT = 16 }; /* a cell: magnitude, sign, height of an inner node */

/* Both fail to compile if their condition does not hold. */
typedef char every_context_has_room[sizeof((State *)0)->now.coding.seen == EDGEXAI_CONTEXTS ? 1 : -1];
typedef char the_state_leaves_room_for_the_stack[sizeof(State) <= 3 * 1024 ? 1 : -1];

#include "edgexai_heatmap_numbers.h"
#include "edgexai_heatmap_wavelet.h"

#include "edgexai_heatmap_map.h"

#include "edgexai_heatmap_coder.h"
#include "edgexai_heatmap_tree.h"

#include "edgexai_heatmap_stream.h"

#include "edgexai_heatmap_head.h"

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
        if (axis == 0 || n > s->longest) s->longest = (uint16_t)n;
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
