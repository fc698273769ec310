/* Where RESIZE_BILINEAR looks: places in 1/1024 of a value, as the reference kernel rounds them. */

#ifndef EXAI_RESIZE_H
#define EXAI_RESIZE_H

#include "exai_flow.h"

/* The place of output `i` on an axis of `size` values. */
static inline int32_t exai_place_of(const exai_look *look, int32_t i, int32_t size) {
    const int32_t at = i * look->step + look->start, last = (size - 1) * 1024;
    return at < 0 ? 0 : at > last ? last : at;
}

#endif
