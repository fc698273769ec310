"""Instructions of each kernel a unit of work, and bytes of code of each file.

Written by `python -m benchmarks.firmware_steps`: a Cortex-M4F, arm-none-eabi-gcc -O2.
"""

RATES = {
    "exai_add": 105.433,
    "exai_average_pool": 7.748,
    "exai_back, dense, factors": 1.809,
    "exai_back, narrow, factors": 5.07,
    "exai_back, narrow, shares": 5.459,
    "exai_back, pointwise, factors": 2.008,
    "exai_back, pointwise, shares": 3.126,
    "exai_back, window, factors": 2.319,
    "exai_back, window, shares": 3.781,
    "exai_back_depthwise, depthwise, factors": 10.433,
    "exai_back_depthwise, depthwise, shares": 18.427,
    "exai_back_flat": 3.035,
    "exai_back_pool": 17.879,
    "exai_back_sum": 18.595,
    "exai_conv, dense": 3.242,
    "exai_conv, narrow": 3.352,
    "exai_conv, pointwise": 2.081,
    "exai_conv, window": 1.581,
    "exai_dense": 6.408,
    "exai_depthwise": 8.098,
    "exai_finish": 4.941,
    "exai_finish_error": 93.417,
    "exai_lookup": 0.0,
    "exai_multiply": 62.5,
    "exai_shift": 0.397,
    "exai_signs": 4.366,
    "exai_softmax_rows": 68.182,
    "exai_start": 20.0,
    "exai_start_error": 20.53,
    "memcpy": 0.484,
}

CODE = {
    "exai_back.c": 1916,
    "exai_back_depthwise.c": 2072,
    "exai_back_flat.c": 772,
    "exai_back_maps.c": 1416,
    "exai_conv.c": 1948,
    "exai_depthwise.c": 1432,
    "exai_dot.c": 712,
    "exai_elementwise.c": 1168,
    "exai_flow.c": 3568,
    "exai_move.c": 180,
    "exai_pool.c": 948,
    "exai_rows.c": 1488,
    "exai_softmax.c": 564,
    "edgexai_heatmap.c": 8725,
}
