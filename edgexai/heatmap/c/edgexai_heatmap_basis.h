/* A basis of components: section 7 of docs/heatmap-format.md. Part of edgexai_heatmap.c, with -DEDGEXAI_HEATMAP_BASIS. */

enum { BASIS = 32, BASIS_HEAD = 21, GAIN = 24, LEFT_MOST = (1 << 19) - 1 };

static uint32_t components_of(const State *s) { return s->basis ? s->basis[4] : 0; }

static const int8_t *row_of(const State *s, uint32_t k) {
    return (const int8_t *)(s->basis + BASIS_HEAD + 4 * components_of(s) + k * count_of(s));
}

static int32_t gain_of(const State *s, uint32_t k) {
    const uint8_t *head = s->basis + BASIS_HEAD + 4 * k;
    return (int32_t)((uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 | head[3]);
}

/* Whether these are the bytes of a basis of the state's shape; it is taken if so. */
static int take_basis(State *s, const uint8_t *basis, uint32_t size) {
    uint32_t axis, at;
    s->basis = NULL;
    if (!basis) return 1;
    if (size < BASIS_HEAD || basis[0] != 'E' || basis[1] != 'X' || basis[2] != 'B' || basis[3] != '1' || basis[6] != s->axes)
        return 0;
    for (axis = 0; axis < s->axes; axis++) {
        at = 7 + 2 * axis;
        if (((uint32_t)basis[at] << 8 | basis[at + 1]) != s->shape[axis + 3 - s->axes]) return 0;
    }
    s->basis = basis;
    s->components = s->cells + count_of(s);
    return size == BASIS_HEAD + basis[4] * (4 + count_of(s)) + 4;
}

/* The components' coefficients of the map in the cells, which keep what is left of it; returns all their bits. */
static uint32_t project(State *s) {
    uint32_t n = count_of(s), k, j, top = 0;
    for (k = 0; k < components_of(s); k++) {
        const int8_t *row = row_of(s, k);
        int64_t sum = 0;
        for (j = 0; j < n; j++) sum += (int64_t)s->cells[j] * row[j];
        s->components[k] = (int32_t)(sum * gain_of(s, k) >> GAIN);
        top |= magnitude_of(s->components[k]);
    }
    for (j = 0; j < n; j++) {
        int64_t sum = 1 << (GAIN - 1), left;
        for (k = 0; k < components_of(s); k++) sum += (int64_t)s->components[k] * gain_of(s, k) * row_of(s, k)[j];
        left = s->cells[j] - (sum >> GAIN);
        s->cells[j] = (int32_t)(left > LEFT_MOST ? LEFT_MOST : left < -LEFT_MOST ? -LEFT_MOST : left);
    }
    return top;
}

static uint32_t size_context(uint32_t size, int plane) {
    int class = 2 * (EDGEXAI_PLANES - 1 - plane) + 4 - (int)size;
    return class < 0 ? 0 : class < EDGEXAI_COMPONENT_CLASSES ? (uint32_t)class : EDGEXAI_COMPONENT_CLASSES - 1;
}

/* The components in a plane; returns whether the tree has begun, or begins. */
static int tell_components(State *s, int plane) {
    uint32_t k;
    const Interval *const *root = s->now.coding.path[1].box;
    int height;
    for (k = 0; k < components_of(s); k++) {
        uint32_t cell = (uint32_t)s->components[k], above = (cell & MAGNITUDE) >> (plane + 1);
        int bit = (int)(cell >> plane & 1);
        if (above) {
            tell(s, EDGEXAI_CONTEXT_COMPONENT_REFINE + (above > 1), bit);
            continue;
        }
        tell(s, EDGEXAI_CONTEXT_COMPONENT + size_context(s->basis[BASIS_HEAD + 4 * k], plane), bit);
        if (bit) tell(s, EDGEXAI_CONTEXT_COMPONENT_SIGN + (k > 0), (cell & NEGATIVE) != 0);
    }
    if (!s->basis) return 1;
    height = height_in(cell_of(s, root), root);
    if (height <= plane + 1) tell(s, EDGEXAI_CONTEXT_REST + size_context(s->basis[5], plane), height > plane);
    return height > plane;
}
