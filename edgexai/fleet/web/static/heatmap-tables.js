// The coder's constants, shared with Python. Written by scripts/heatmap-tables.

export const ONE = 65536;
export const FLOOR = 160;
export const SLOWEST = 38;
export const PLANES = 15;
export const CONTEXT_NODE = 0;
export const CONTEXT_SIGN = 112;
export const CONTEXT_REFINE = 114;
export const CONTEXT_GRID = 116;
export const CONTEXT_ATTENUATION = 118;
export const CONTEXT_PHASE = 130;
export const CONTEXT_COMPONENT = 133;
export const CONTEXT_REST = 145;
export const CONTEXT_COMPONENT_SIGN = 157;
export const CONTEXT_COMPONENT_REFINE = 159;
export const ATTENUATION_MOST = 15;
export const COMPONENT_CLASSES = 12;
export const FRACTION = 3;
export const OPEN = 3;
export const BITS = 20;
export const ROOT = 14;

export const FIRST_CHANCE = [
  129, 95, 79, 117, 30, 53, 83, 119, 49, 76, 105, 143, 66, 99, 112, 151, 80, 103, 126, 165, 98, 126, 144,
  174, 118, 130, 176, 182, 197, 116, 90, 147, 32, 72, 96, 133, 75, 92, 113, 166, 81, 104, 133, 183, 94, 119,
  142, 184, 110, 144, 179, 197, 150, 166, 203, 206, 220, 106, 76, 110, 66, 49, 90, 112, 58, 82, 119, 152, 92,
  100, 150, 182, 116, 130, 155, 181, 119, 165, 195, 220, 152, 194, 207, 203, 222, 167, 91, 109, 197, 43, 92,
  106, 26, 86, 116, 153, 27, 116, 173, 204, 90, 154, 187, 210, 159, 190, 220, 221, 196, 197, 231, 188, 125,
  41, 90, 115, 193, 176, 128, 90, 97, 35, 40, 72, 145, 203, 156, 155, 230, 118, 1, 128, 128, 1, 16, 36, 64,
  90, 104, 114, 118, 122, 127, 132, 130, 2, 43, 143, 180, 238, 246, 248, 245, 128, 128, 128, 128, 1, 127, 96,
  114,
];

export const RATES = [
  26214, 18725, 14564, 11916, 10082, 8738, 7710, 6899, 6242, 5699, 5243, 4855, 4520, 4228, 3972, 3745, 3542,
  3361, 3197, 3048, 2913, 2789, 2675, 2570, 2473, 2383, 2300, 2222, 2149, 2081, 2016, 1956, 1900, 1846, 1796,
  1748, 1702, 1659, 1618,
];

export const SURROUNDINGS = [
  2, 4, 7, 11, 16, 24,
];

export const QUARTERS = [
  1048576, 1246974, 1482910, 1763488,
];

export const FIRST_COUNT = [
  15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
  15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
  15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
  15, 15, 12, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 11,
  15, 15, 2, 0, 15, 15, 15, 15, 15, 15, 15, 15, 15, 11, 1, 0, 15, 15, 15, 15, 15, 15, 15, 0, 0, 15, 15, 15,
  15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 3, 2, 0, 0, 0, 0, 15, 15, 15, 15,
];

export const LIFTING = [
  -25987, -868, 14466, 7266,
];

export const SYNTHESIS = [
  14375, 18466,
];
