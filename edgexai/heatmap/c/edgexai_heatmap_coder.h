/* The adaptive binary range coder of section 5. Part of edgexai_heatmap.c. */

/* The highest byte of low goes out. Of `most` bytes only the first `room` are kept; of the others is only known whether
 * all their bits are ones, for the carry. */
static void put_low(State *s) {
    uint32_t byte = s->low >> 24;
    s->low <<= 8;
    if (s->full) return;
    if (s->written < s->room)
        s->out[s->written] = (uint8_t)byte;
    else if (byte != 255)
        s->all_ones = 0;
    s->full = ++s->written >= s->most;
}

static void carry(State *s) {
    uint32_t at = s->written;
    if (at > s->room) {
        if (!s->all_ones) return;
        s->all_ones = 0;
        at = s->room;
    }
    while (at && ++s->out[--at] == 0) {
    }
}

static void tell(State *s, uint32_t context, int bit) {
    uint32_t p = s->now.coding.chance[context], seen = s->now.coding.seen[context];
    uint32_t bound = (s->range >> 12) * (p >> 4);
    if (s->full) return;
    if (bit) {
        s->range = bound;
        p += (EDGEXAI_ONE - p) * EDGEXAI_RATES[seen] >> 16;
        if (p > EDGEXAI_ONE - EDGEXAI_FLOOR) p = EDGEXAI_ONE - EDGEXAI_FLOOR;
    } else {
        s->range -= bound;
        s->low += bound;
        if (s->low < bound) carry(s);
        p -= p * EDGEXAI_RATES[seen] >> 16;
        if (p < EDGEXAI_FLOOR) p = EDGEXAI_FLOOR;
    }
    s->now.coding.chance[context] = (uint16_t)p;
    if (seen < EDGEXAI_SLOWEST) s->now.coding.seen[context] = (uint8_t)(seen + 1);
    for (; s->range < 1u << 24; s->range <<= 8) put_low(s);
}

/* The fewest bytes that settle what is still open. */
static void finish(State *s) {
    uint32_t mask = 0xFFFFFF, up;
    if (s->full) return;
    while ((up = (0u - s->low) & mask) + mask >= s->range) mask >>= 8;
    s->low += up;
    if (s->low < up) carry(s);
    for (; put_low(s), mask != 0xFFFFFF; mask = mask << 8 | 255) {
    }
}
