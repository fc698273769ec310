/* The tree of coefficients (section 5) and what surrounds a node in it. Part of edgexai_heatmap.c.
 *
 * The path from the root holds, for each node on it and axis, the intervals of its children and of those beside them, each
 * made of an interval one level up: nothing is looked for from the root.
 */

/* The first or the second half of an interval; the second of one value, and both of an empty one, are empty. */
static CALLED void halve(const Interval *whole, uint32_t second, Interval *half) {
    uint32_t first = (whole->size + 1u) / 2, begin = whole->begin, size = first;
    if (second) {
        begin += first;
        size = whole->size / 2u;
    }
    half->index = (uint16_t)(2 * whole->index + second);
    half->begin = (uint16_t)begin;
    half->size = (uint16_t)size;
    half->above = whole->size;
}

static uint32_t volume(const Box box) { return (uint32_t)box[0]->size * box[1]->size * box[2]->size; }

/* The cell of a leaf; of an inner node the first of its second child, that no other node has for its height. */
static CALLED int32_t *cell_of(const State *s, const Box box) {
    uint32_t row = s->shape[2], plane = row * s->shape[1];
    int32_t *cell = s->cells + box[0]->begin * plane + box[1]->begin * row + box[2]->begin;
    if (box[2]->size > 1) return cell + (box[2]->size + 1u) / 2;
    if (box[1]->size > 1) return cell + (box[1]->size + 1u) / 2 * row;
    return box[0]->size > 1 ? cell + (box[0]->size + 1u) / 2 * plane : cell;
}

/* The bit length of a node's greatest magnitude, in its cell. */
static int height_in(const int32_t *cell, const Box box) {
    return (box[0]->size | box[1]->size | box[2]->size) == 1 ? length_of(*cell & MAGNITUDE) : *cell >> HEIGHT;
}

/* Whether a box that is not empty is a node: not below one of a single value. */
static int is_node(const Box box) { return (box[0]->above | box[1]->above | box[2]->above) > 1; }

/* How long ago a node was found, at most 4 planes; 1 in this plane if it comes before, 0 if not found or no node. */
static CALLED uint32_t age_of(const State *s, const Box box, int plane, int before) {
    int age;
    if (!is_node(box)) return 0;
    age = height_in(cell_of(s, box), box) - plane;
    return age > 4 ? 4 : age > 1 - before ? (uint32_t)age : 0;
}

/* The children of a node of the path come next: their intervals, and those beside them and in the coarser band. */
static CALLED void open_node(Node *node) {
    uint32_t axis;
    node->last = node->next = node->done = node->visited = node->busy = node->height = 0;
    for (axis = 0; axis < 3; axis++) {
        const Interval *box = node->box[axis];
        Interval *to = node->beside[axis];
        halve(box - 1, box[-1].size > 1, to++);
        halve(box, 0, to++);
        if (box->size > 1) {
            node->last |= (uint8_t)(4 >> axis);
            halve(box, 1, to++);
        }
        halve(box + 1, 0, to);
        halve(node[-1].coarser + axis, box->index & 1, node->coarser + axis);
    }
}

/* The path to the root: a level that has it for its only child, with nothing beside it, and stays. */
static void plant(State *s) {
    Node *above = s->now.coding.path;
    uint32_t axis;
    for (axis = 0; axis < 3; axis++) {
        Interval *whole = above->beside[axis] + 1;
        whole->index = whole->begin = whole[-1].size = whole[1].size = 0;
        whole->size = whole->above = s->shape[axis];
        above->coarser[axis] = *whole;
        above[1].box[axis] = whole;
    }
}

/* The next child of an open node becomes the level below. */
static CALLED void step(Node *node) {
    uint32_t halves = node->next; /* one bit an axis that has two, the second is 1 */
    node[1].box[0] = node->beside[0] + 1 + (halves >> 2);
    node[1].box[1] = node->beside[1] + 1 + (halves >> 1 & 1);
    node[1].box[2] = node->beside[2] + 1 + (halves & 1);
    node->done = halves == node->last;
    node->next = (uint8_t)((halves - node->last) & node->last);
}

/* Write the heights of inner nodes into their cells. */
static void measure(State *s) {
    Node *const root = s->now.coding.path + 1, *node = root;
    if (count_of(s) == 1) return;
    open_node(root);
    for (;;) {
        int height;
        if (!node->done) {
            step(node);
            if (volume(node[1].box) > 1) {
                open_node(++node);
                continue;
            }
            height = height_in(cell_of(s, node[1].box), node[1].box);
        } else {
            height = node->height;
            *cell_of(s, node->box) |= height << HEIGHT;
            if (node-- == root) return;
        }
        if (height > node->height) node->height = (uint8_t)height;
    }
}

/* What surrounds a child of a node of the path, in its class. */
static CALLED uint32_t surroundings(const State *s, const Node *up, int plane) {
    const Interval *const *const own = up[1].box;
    Box box;
    uint32_t k, axis, class = 0, total = 0, known = 0;
    uint32_t indices = (uint32_t)own[0]->index | own[1]->index | own[2]->index;
    uint32_t band = 0u - (1u << (length_of(indices | 1) - 1)); /* the bits of an index that say which band */
    for (axis = 0; axis < 3; axis++) box[axis] = own[axis];
    for (axis = 0; axis < 3; axis++) {
        for (k = 0; k < 2; k++) { /* before and after */
            const Interval *beside = own[axis] - 1 + 2 * k;
            uint32_t age;
            if (!beside->size || (beside->index ^ own[axis]->index) & band) continue;
            box[axis] = beside;
            age = age_of(s, box, plane, !k);
            total += axis ? 4 * age : age ? 2 : 0;
            known |= 1u << (2 * axis + k);
        }
        box[axis] = own[axis];
    }
    for (k = 0; k < 4 && s->axes == 2; k++) {
        uint32_t down = k >> 1, right = k & 1, x, y;
        if (!(known >> (2 + down) & known >> (4 + right) & 1)) continue;
        box[1] = own[1] - 1 + 2 * down;
        box[2] = own[2] - 1 + 2 * right;
        x = own[1]->index ^ box[1]->index;
        y = own[2]->index ^ box[2]->index;
        /* the axis whose indices differ in the higher bit says which comes first */
        if (age_of(s, box, plane, x < y && x < (x ^ y) ? !right : !down)) total += 2;
    }
    if (indices) { /* the place in the coarser band; where that has no box so small, in one that holds it */
        do
            for (axis = 0; axis < 3; axis++) box[axis] = up->coarser + axis;
        while (up--, !volume(box) || !is_node(box));
        total += 3 * age_of(s, box, plane, 1);
    }
    while (class < sizeof EDGEXAI_SURROUNDINGS && total >= EDGEXAI_SURROUNDINGS[class]) class++;
    return class;
}
