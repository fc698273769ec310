"""Instructions of each kernel a unit of work, and bytes of code of each file.

Written by `python -m benchmarks.firmware_steps`: a Cortex-M4F, arm-none-eabi-gcc -O2.
"""

RATES = {
    "exai_add": 105.43,
    "exai_average_pool": 7.748,
    "exai_back, dense, factors": 4.213,
    "exai_back, depthwise, factors": 21.519,
    "exai_back, depthwise, shares": 38.991,
    "exai_back, narrow, factors": 6.462,
    "exai_back, narrow, shares": 10.617,
    "exai_back, pointwise, factors": 3.695,
    "exai_back, pointwise, shares": 5.337,
    "exai_back, window, factors": 3.796,
    "exai_back, window, shares": 6.85,
    "exai_back_flat": 2.851,
    "exai_back_pool": 45.425,
    "exai_back_sum": 18.599,
    "exai_conv, dense": 3.212,
    "exai_conv, narrow": 3.352,
    "exai_conv, pointwise": 2.081,
    "exai_conv, window": 1.579,
    "exai_depthwise": 8.098,
    "exai_finish": 4.941,
    "exai_finish_error": 93.417,
    "exai_signs": 13.116,
    "exai_softmax_rows": 68.182,
    "exai_start": 20.0,
    "exai_start_error": 20.538,
}

CODE = {
    "exai_back.c": 3472,
    "exai_back_maps.c": 1148,
    "exai_conv.c": 1576,
    "exai_depthwise.c": 1432,
    "exai_dot.c": 712,
    "exai_elementwise.c": 1168,
    "exai_flow.c": 2632,
    "exai_move.c": 180,
    "exai_pool.c": 948,
    "exai_softmax.c": 564,
    "edgexai_heatmap.c": 8725,
}
