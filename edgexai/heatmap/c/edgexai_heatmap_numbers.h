/* Numbers of the encoder: logarithms, roots, and float32 as bits. Part of edgexai_heatmap.c. */

/* A function that is shorter called than written out where it is used; compilers for size misjudge these. */
#if defined __GNUC__ && defined __OPTIMIZE_SIZE__
#define CALLED __attribute__((noinline))
#else
#define CALLED
#endif

static CALLED int length_of(uint32_t value) {
#ifdef __GNUC__
    return value ? 32 - __builtin_clz(value) : 0;
#else
    int bits = 0;
    for (; value; value >>= 1) bits++;
    return bits;
#endif
}

/* The square root of a number below 2^36. */
static CALLED uint32_t root_of(uint64_t value) {
    uint32_t root = 0, bit;
    for (bit = 1u << 17; bit; bit >>= 1)
        if ((uint64_t)(root | bit) * (root | bit) <= value) root |= bit;
    return root;
}

#ifdef __OPTIMIZE_SIZE__ /* 170 bytes less, 400 instructions more a value */
/* value^(2/3), cut to an integer; value is below 2^27. */
static CALLED uint32_t companded(uint32_t value) {
    uint32_t root = 0, bit;
    for (bit = 1u << 17; bit; bit >>= 1)
        if ((uint64_t)(root | bit) * (root | bit) * (root | bit) <= (uint64_t)value * value) root |= bit;
    return root;
}
#else
/* A quarter of x^(2/3) at every 2^22 from 2^24 to 2^27. */
static const uint16_t TWO_THIRDS[] = {
    16384, 19012, 21469, 23793, 26008, 28132, 30180, 32159, 34080, 35948, 37769, 39546, 41285, 42988, 44658,
    46297, 47907, 49491, 51050, 52585, 54099, 55591, 57064, 58518, 59954, 61373, 62776, 64163, 65535,
};

/* value^(2/3), cut to an integer; value is below 2^27. */
static CALLED uint32_t companded(uint32_t value) {
    /* from 2^24 on a chord is within 120 of the root; below, eight times the value have four times the root */
    uint32_t up = (uint32_t)(27 - length_of(value)) / 3, m, i, rest, root, square;
    uint64_t power;
    if (!value) return 0;
    m = value << 3 * up;
    i = (m >> 22) - 4;
    rest = (m >> 8) & 0x3FFF;
    root = 4u * TWO_THIRDS[i] + (((uint32_t)(TWO_THIRDS[i + 1] - TWO_THIRDS[i]) * rest) >> 12);
    power = (uint64_t)m * m;
    square = (uint32_t)(((uint64_t)root * root) >> 12);
    root += (uint32_t)((int32_t)((int64_t)(power - (uint64_t)root * root * root) >> 12) / (int32_t)(3 * square)) - 2;
    while ((uint64_t)(root + 1) * (root + 1) * (root + 1) <= power) root++;
    return root >> 2 * up;
}
#endif

/* value >> shift, halves to even; a shift below zero goes left. */
static uint32_t rounded(uint32_t value, int shift) {
    uint32_t whole, rest;
    if (shift <= 0) return value << -shift;
    if (shift > 31) return 0;
    whole = value >> shift;
    rest = (value ^ whole << shift) << (32 - shift);
    return whole + (rest > 0x80000000 || (rest == 0x80000000 && (whole & 1)));
}

/* The bits of ±m · 2^(e - 150) as float32, m of 24 bits or 2^24; what would be subnormal is 0, and never reaches a frame. */
static CALLED uint32_t packed(uint32_t negative, uint32_t m, int32_t e) {
    return negative << 31 | (m == 0 || e < 1 ? 0 : e > 254 ? 0x7F800000 : ((uint32_t)(e - 1) << 23) + m);
}

static uint32_t bits_of(float value) {
    union {
        float value;
        uint32_t bits;
    } both;
    both.value = value;
    return both.bits;
}

/* The bits of a float32 times 2^(quarters / 4). */
static CALLED uint32_t amplified(uint32_t bits, uint32_t quarters) {
    int32_t e = (int32_t)(bits >> 23 & 255);
    uint64_t product = (uint64_t)((bits & 0x7FFFFF) | 0x800000) * EDGEXAI_QUARTERS[quarters & 3];
    /* of its 44 or 45 bits the lowest say only whether one of them is set */
    uint32_t high = (uint32_t)(product >> 14) | ((uint32_t)product << 18 != 0), more = high >> 30;
    if (e == 0) return 0;
    return packed(bits >> 31, rounded(high, 6 + (int)more), e + (int32_t)(quarters >> 2) + (int32_t)more);
}


/* float16 of the bits of a float32. */
static uint32_t half_precision(uint32_t bits) {
    uint32_t sign = bits >> 16 & 0x8000, e = bits >> 23 & 255, m = (bits & 0x7FFFFF) | 0x800000, half;
    if (e == 255 && m > 0x800000) return sign | 0x7E00;
    if (e > 112) /* with the implicit one, which the exponent takes in */
        half = e > 142 ? 0x7C00 : ((e - 113) << 10) + rounded(m, 13);
    else
        half = rounded(m, 126 - (int)e);
    return sign | (half > 0x7C00 ? 0x7C00 : half);
}

/* round(64 · (1 + value)) within a byte. */
static uint32_t conserved(uint32_t bits) {
    int32_t e = (int32_t)(bits >> 23 & 255), steps;
    if (e >= 127 + 2) return bits >> 31 ? 0 : 255;
    steps = (int32_t)rounded((bits & 0x7FFFFF) | 0x800000, 144 - e);
    steps = 64 + (bits >> 31 ? -steps : steps);
    return (uint32_t)(steps < 0 ? 0 : steps > 255 ? 255 : steps);
}
