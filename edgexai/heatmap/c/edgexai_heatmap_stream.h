/* The stream of a map (section 5): bit plane by bit plane through the tree. Part of edgexai_heatmap.c. */

static void tell_pattern(State *s, uint32_t phase) {
    uint32_t axis, j, level, k;
    if (fits(s->longest, 2) && !WITH_BASIS(s)) {
        tell(s, EDGEXAI_CONTEXT_GRID, s->period > 0);
        if (s->period && fits(s->longest, 4)) tell(s, EDGEXAI_CONTEXT_GRID + 1, s->period == 4);
        for (axis = 0; axis < 3; axis++)
            for (j = 0; fits(s->shape[axis], s->period) && j < s->period; j++)
                for (k = s->pattern.level[axis][j], level = 0; level <= k && level < EDGEXAI_ATTENUATION_MOST; level++)
                    tell(s, EDGEXAI_CONTEXT_ATTENUATION + (level < 5 ? level : 5) + (s->period == 4 ? 6 : 0), k > level);
    }
    for (level = 0; level <= phase && level < 3; level++) tell(s, EDGEXAI_CONTEXT_PHASE + level, phase > level);
}

#ifdef EDGEXAI_HEATMAP_BASIS
#include "edgexai_heatmap_basis.h"
#endif

/* A node of the path; returns whether its children follow. */
static int tell_node(State *s, Node *node, int plane) {
    const int32_t *cell = cell_of(s, node->box);
    uint32_t size = volume(node->box);
    int height = height_in(cell, node->box);
    node->fresh = height == plane + 1;
    if (height > plane + 1) {
        if (size == 1) tell(s, EDGEXAI_CONTEXT_REFINE + (height > plane + 2), *cell >> plane & 1);
        return size > 1;
    }
    if (node != s->now.coding.path + 1) {
        Node *up = node - 1;
        uint32_t before = up->visited++;
        if (!up->fresh || !up->done || up->busy) {
            uint32_t run = !up->fresh ? 0 : up->busy ? 1 : 1 + (before < 2 ? before : 2);
            uint32_t class = (uint32_t)(size > 1) + (size > 4) + (size > 16);
            tell(s, 28 * class + 4 * surroundings(s, up, plane) + run, node->fresh);
        }
        if (!node->fresh) return 0;
        up->busy = 1;
    }
    if (size == 1) tell(s, EDGEXAI_CONTEXT_SIGN + (cell == s->cells), (*cell & NEGATIVE) != 0);
    return size > 1;
}

static void tell_plane(State *s, int plane) {
    Node *const root = s->now.coding.path + 1, *node = root;
#ifdef EDGEXAI_HEATMAP_BASIS
    if (!tell_components(s, plane)) return;
#endif
    if (!tell_node(s, node, plane)) return;
    open_node(root);
    while (!s->full) {
        if (node->done) {
            if (node-- == root) return;
        } else {
            step(node);
            if (tell_node(s, node + 1, plane)) open_node(++node);
        }
    }
}

/* The stream of the cells' coefficients: of its first `most` bytes the first `room` go out. Returns its length. */
static uint32_t stream(State *s, uint32_t phase, uint8_t *out, uint32_t room, uint32_t most) {
    uint32_t context;
    int plane;
    for (context = 0; context < EDGEXAI_CONTEXTS; context++) {
        s->now.coding.chance[context] = (uint16_t)(EDGEXAI_FIRST_CHANCE[context] << 8);
        s->now.coding.seen[context] = EDGEXAI_USUAL_COUNT;
    }
    for (context = 0; context < sizeof EDGEXAI_OTHER_COUNTS; context += 2)
        s->now.coding.seen[EDGEXAI_OTHER_COUNTS[context]] = EDGEXAI_OTHER_COUNTS[context + 1];
    s->out = out;
    s->room = room;
    s->most = most;
    s->low = s->written = s->full = 0;
    s->range = 0xFFFFFFFF;
    s->all_ones = 1;
    plant(s);
    measure(s);
    tell_pattern(s, phase);
    for (plane = EDGEXAI_PLANES; plane-- > 0 && !s->full;) tell_plane(s, plane);
    finish(s);
    return s->written;
}
