/* What stands before the maps, and before each map (sections 2 and 3). Part of edgexai_heatmap.c. */

enum { FIRST = 3 << 5, EXTENDED = 16, MODEL = 8, STAMP = 4, CLASS = 2, CONSERVATION = 1 };
enum { LONG_MODEL = 1, PRECISE = 2, FIELDS = 4, SEVERAL = 8, PRECISE_FROM = 96 };

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
            put_number(w, half_precision(score), 2);
    }
    if (flags & CONSERVATION) {
        if (more & PRECISE)
            put_number(w, half_precision(conservation), 2);
        else
            put(w, conserved(conservation));
    }
}
