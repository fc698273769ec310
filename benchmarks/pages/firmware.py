"""docs/firmware-benchmark.md: what generated C takes on a microcontroller."""

from benchmarks.firmware import shown
from benchmarks.pages.page import Page

PAGE = Page(
    "firmware-benchmark",
    measures={
        "firmware": (
            "python -m benchmarks firmware kws_int8.tflite ic_int8.tflite ic_int8.tflite:16x16 ad_int8.tflite:error "
            "mobilenet.tflite mobilenet.tflite:24x24 mobilenet.tflite:12x12 mobilenet.tflite:6x6 "
            "wake_word_streaming.tflite --json",
        )
    },
    tables={"takes": lambda lines: shown(lines["firmware"])},
)
