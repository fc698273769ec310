/* Encodes the frames that the file `cases` asks for into the file `frames`; tests/c_encoder.py writes and reads them. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edgexai_heatmap.h"

static FILE *cases;
static edgexai_heatmap_state state;

static int32_t next(void) {
    uint8_t b[4] = {0, 0, 0, 0};
    if (fread(b, 1, 4, cases) != 4) exit(2);
    return (int32_t)(b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24);
}

static float next_float(void) {
    int32_t bits = next();
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

static void *bytes(size_t size) {
    void *found = malloc(size ? size : 1);
    if (!found || fread(found, 1, size, cases) != size) exit(3);
    return found;
}

int main(void) {
    FILE *frames = fopen("frames", "wb");
    int32_t count;
    cases = fopen("cases", "rb");
    if (!cases || !frames) return 1;
    for (count = next(); count > 0; count--) {
        edgexai_heatmap_frame frame;
        edgexai_heatmap_map maps[256];
        edgexai_heatmap_field fields[256];
        uint32_t budget = (uint32_t)next(), capacity = (uint32_t)next(), values, values_and_components, i;
        uint8_t *out = malloc(capacity ? capacity : 1), size_bytes[4];
        int32_t *work, size;
        memset(&frame, 0, sizeof frame);
        memset(&state, 0xA5, sizeof state);
        frame.count = (uint8_t)next();
        frame.axes = (uint8_t)next();
        for (i = 0; i < 3; i++) frame.shape[i] = (uint16_t)next();
        values = values_and_components = (uint32_t)next();
        frame.type = (edgexai_heatmap_type)next();
        frame.exponent = (int8_t)next();
        frame.phase = (uint8_t)next();
        frame.sequence = (uint32_t)next();
        frame.sequence |= (uint64_t)(uint32_t)next() << 32;
        frame.seconds = (uint32_t)next();
        frame.milliseconds = (uint16_t)next();
        frame.model_size = (uint8_t)next();
        frame.model = bytes(frame.model_size);
        frame.field_count = (uint8_t)next();
        for (i = 0; i < frame.field_count; i++) {
            fields[i].type = (uint8_t)next();
            fields[i].size = (uint8_t)next();
            fields[i].content = bytes(fields[i].size);
        }
#ifdef EDGEXAI_HEATMAP_BASIS
        frame.basis_size = (uint32_t)next();
        if (frame.basis_size) frame.basis = bytes(frame.basis_size);
        values_and_components += frame.basis_size ? frame.basis[4] : 0;
#endif
        for (i = 0; i < frame.count; i++) {
            maps[i].target = next();
            maps[i].score = next_float();
            maps[i].conservation = next_float();
            maps[i].has_conservation = (uint8_t)next();
            maps[i].values = bytes(values * (frame.type == EDGEXAI_HEATMAP_INT16 ? 2 : 4));
        }
        frame.maps = maps;
        frame.fields = fields;
        work = malloc(values ? 4 * values_and_components : 1);
        if (!out || !work) return 4;
        size = edgexai_heatmap_encode(&frame, work, &state, out, capacity, budget);
        for (i = 0; i < 4; i++) size_bytes[i] = (uint8_t)((uint32_t)size >> 8 * i);
        fwrite(size_bytes, 1, 4, frames);
        if (size > 0) fwrite(out, 1, (size_t)size, frames);
        free(work);
        free(out);
        free((void *)(size_t)frame.model);
#ifdef EDGEXAI_HEATMAP_BASIS
        free((void *)(size_t)frame.basis);
#endif
        for (i = 0; i < frame.field_count; i++) free((void *)(size_t)fields[i].content);
        for (i = 0; i < frame.count; i++) free((void *)(size_t)maps[i].values);
    }
    fclose(frames);
    return 0;
}
