/* The small field `concepts` of a heatmap frame (docs/heatmap-format.md, section 2): relevances of inner channels in
 * a few bits each. C99, no heap, no floating-point arithmetic. The bytes are those of Python's edgexai.heatmap.concepts.
 *
 *     uint8_t content[255];
 *     edgexai_concepts_part parts[2] = {{last_layer, 32}, {middle_layer, 16}};
 *     int32_t size = edgexai_concepts_pack(parts, 2, 4, content, sizeof content);
 *     edgexai_heatmap_field field = {EDGEXAI_CONCEPTS_TYPE, (uint8_t)size, content};      // if size > 0
 */

#ifndef EDGEXAI_CONCEPTS_H
#define EDGEXAI_CONCEPTS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    EDGEXAI_CONCEPTS_TYPE = 5,
    EDGEXAI_CONCEPTS_SHAPE = -1,  /* not 1 to 8 parts of 1 to 256 numbers, or not 1 to 8 bits */
    EDGEXAI_CONCEPTS_VALUES = -2, /* a number is not finite, or too large for the scale */
    EDGEXAI_CONCEPTS_SPACE = -4   /* more than 255 bytes, or than there is room for */
};

/* Numbers of one statistic of one map; what is negative counts as 0. */
typedef struct {
    const float *values;
    uint16_t count;
} edgexai_concepts_part;

/* Write the field's content; returns its bytes, or one of the errors above. */
int32_t edgexai_concepts_pack(const edgexai_concepts_part *parts, uint8_t count, uint8_t bits, uint8_t *out,
                              size_t capacity);

#ifdef __cplusplus
}
#endif

#endif
