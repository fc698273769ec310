"""docs/composites.md: every composite on public models, by the measures of `edgexai.audit.quality`."""

from benchmarks.composites import render
from benchmarks.pages.page import Page

PAGE = Page(
    "composites",
    measures={
        "composites": (
            "python -m benchmarks composites models --data kws_int8=kws01.npz --data ic_int8=cifar10_test.npz "
            "--data mnist_lstm_int8=mnist.npz -n 12 -n mobilenet_v1_025_uint8=4 --json",
        )
    },
    tables={"all": lambda lines: render(lines["composites"])},
)
