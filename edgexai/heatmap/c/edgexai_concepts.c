/* Concepts of a heatmap frame; edgexai_concepts.h says how to call it. */

#include "edgexai_concepts.h"

#include <string.h>

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return bits >> 31 && bits << 1 <= 0xFF000000u ? 0 : bits; /* negative numbers are 0, but not NaN */
}

/* Mantissa of a float32's bits, which stands for mantissa · 2^*exponent (and 2^-149 for all). */
static uint32_t apart(uint32_t bits, int *exponent) {
    uint32_t e = bits >> 23;
    *exponent = e ? (int)e - 1 : 0;
    return (bits & 0x7FFFFF) | (e ? 0x800000u : 0);
}

/* How many k of 1 … top have 4·top²·value ≥ scale·(2k - 1)². */
static uint32_t level(uint32_t value, uint32_t scale, uint32_t top) {
    int ev, es;
    uint64_t left = (uint64_t)apart(value, &ev) * (4 * top * top), right = apart(scale, &es) >> 16;
    uint32_t k = 0;
    es += 16; /* at least ev, since value ≤ scale */
    if (!value || es - ev > 42) return 0;
    while (k < top && left >= (right * (2 * k + 1) * (2 * k + 1)) << (es - ev)) k++;
    return k;
}

int32_t edgexai_concepts_pack(const edgexai_concepts_part *parts, uint8_t count, uint8_t bits, uint8_t *out,
                              size_t capacity) {
    uint32_t scales[8], i, j, total = 0, size, at, pending = 0, filled = 0;
    if (count < 1 || count > 8 || bits < 1 || bits > 8) return EDGEXAI_CONCEPTS_SHAPE;
    for (i = 0; i < count; i++) {
        uint32_t most = 0;
        if (parts[i].count < 1 || parts[i].count > 256) return EDGEXAI_CONCEPTS_SHAPE;
        for (j = 0; j < parts[i].count; j++) {
            uint32_t value = bits_of(parts[i].values[j]);
            if (value >= 0x7F800000) return EDGEXAI_CONCEPTS_VALUES;
            most = value > most ? value : most;
        }
        scales[i] = (most + 0xFFFF) >> 16;
        if (scales[i] >= 0x7F80) return EDGEXAI_CONCEPTS_VALUES;
        total += parts[i].count;
    }
    size = 1 + 3u * count + (bits * total + 7) / 8;
    if (size > 255 || size > capacity) return EDGEXAI_CONCEPTS_SPACE;
    out[0] = (uint8_t)((count - 1) << 4 | bits);
    for (i = 0, at = 1; i < count; i++, at += 3) {
        out[at] = (uint8_t)(parts[i].count - 1);
        out[at + 1] = (uint8_t)(scales[i] >> 8);
        out[at + 2] = (uint8_t)scales[i];
    }
    for (i = 0; i < count; i++) {
        for (j = 0; j < parts[i].count; j++) {
            pending = pending << bits | level(bits_of(parts[i].values[j]), scales[i] << 16, (1u << bits) - 1);
            for (filled += bits; filled >= 8; filled -= 8) out[at++] = (uint8_t)(pending >> (filled - 8));
        }
    }
    if (filled) out[at] = (uint8_t)(pending << (8 - filled));
    return (int32_t)size;
}
