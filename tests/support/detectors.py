"""Small detectors and segmentations: SSD's end behind given offsets and logits, and a class for each pixel."""

from collections.abc import Callable

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import flexbuffers
from models import single

from edgexai.graph import Builder, Graph, Op, OpKind, Tensor

ANCHORS = np.array([[0.2, 0.2, 0.3, 0.3], [0.7, 0.3, 0.4, 0.2], [0.3, 0.8, 0.2, 0.5], [0.8, 0.8, 0.3, 0.3]], np.float32)
SCALES = {"y_scale": 10.0, "x_scale": 10.0, "h_scale": 5.0, "w_scale": 5.0}
TOLD = {
    "max_detections": 3,
    "max_classes_per_detection": 1,
    "num_classes": 2,
    "nms_iou_threshold": 0.6,
    "nms_score_threshold": 0.0,
    "use_regular_nms": False,
    **SCALES,
}


def ssd(options: bytes | None = None) -> Graph:
    """Four anchors, two classes and the background; the input holds the offsets (16) and the class logits (12)."""

    def layer(build: Builder, x: int) -> tuple[int, ...]:
        offsets = build.reshape(build.slice(x, (0, 0), (1, 16)), (1, 4, 4))
        logits = build.reshape(build.slice(x, (0, 16), (1, 12)), (1, 4, 3))
        scores = build.op(OpKind.LOGISTIC, [logits], (1, 4, 3))
        anchors = build.const(ANCHORS)
        for name in ("boxes", "classes", "scores", "count"):
            build.tensors.append(Tensor(name, ()))
        made = tuple(range(len(build.tensors) - 4, len(build.tensors)))
        told = bytes(flexbuffers.Dumps(TOLD)) if options is None else options
        rest = schema.OperatorT(customOptions=np.frombuffer(told, np.uint8))
        build.ops.append(
            Op(OpKind.CUSTOM, (offsets, scores, anchors), made, custom="TFLite_Detection_PostProcess", rest=rest)
        )
        return made

    return raw(layer, 28)


def raw(make: Callable[[Builder, int], tuple[int, ...]], width: int) -> Graph:
    build = Builder(Graph((), (), (), ()), prefix="model")
    return build.finish(make(build, build.input("x", (1, width))))


def segmentation(classes: int, softmax: bool) -> Graph:
    shape = (1, 5, 6, classes)

    def layer(build: Builder, x: int) -> int:
        if classes == 1:
            return build.op(OpKind.LOGISTIC, [x], shape)
        return build.op(OpKind.SOFTMAX, [x], shape, schema.SoftmaxOptionsT(beta=1.0)) if softmax else build.argmax(x)

    return single(shape, layer)
