"""The payload of Sparkplug B, as far as a node needs it, on the protobuf library (extra `sparkplug`).

    message Payload { uint64 timestamp = 1; repeated Metric metrics = 2; uint64 seq = 3; }
    message Metric  { string name = 1; uint64 timestamp = 3; uint32 datatype = 4; bool is_null = 7;
                      uint64 long_value = 11; double double_value = 13; bool boolean_value = 14;
                      string string_value = 15; }

The fields and numbers are those of the Eclipse Sparkplug specification 3.0, chapter 6; a reader with the whole schema
reads these messages, and what such a writer says beyond them is passed over here.
"""

from functools import cache
from typing import Any

from edgexai.errors import ConfigError

INT64, DOUBLE, BOOLEAN, STRING = 4, 10, 11, 12
_VALUE = {INT64: "long_value", DOUBLE: "double_value", BOOLEAN: "boolean_value", STRING: "string_value"}

Value = int | float | bool | str | None


def kind(value: Value) -> int:
    """The Sparkplug type of a Python value; None counts as a number."""
    if isinstance(value, bool):
        return BOOLEAN
    return INT64 if isinstance(value, int) else STRING if isinstance(value, str) else DOUBLE


def pack(metrics: dict[str, Value], milliseconds: int, seq: int | None, kinds: dict[str, int] | None = None) -> bytes:
    """A payload; ``kinds`` fixes types of metrics, None is sent as null of its type, NDEATH has no ``seq``."""
    payload = _classes()()
    payload.timestamp = milliseconds
    if seq is not None:
        payload.seq = seq
    for name, value in metrics.items():
        metric = payload.metrics.add()
        metric.name, metric.timestamp = name, milliseconds
        metric.datatype = (kinds or {}).get(name, kind(value))
        if value is None:
            metric.is_null = True
        elif metric.datatype == INT64:
            metric.long_value = int(value) & (2**64 - 1)
        else:
            setattr(metric, _VALUE[metric.datatype], value)
    return bytes(payload.SerializeToString())


def is_rebirth(payload: bytes) -> bool:
    """Whether an NCMD asks for a new birth; False for any other bytes."""
    from google.protobuf.message import DecodeError

    try:
        read = _classes().FromString(payload)
    except DecodeError:
        return False
    return any(m.name == "Node Control/Rebirth" and m.boolean_value for m in read.metrics)


@cache
def _classes() -> Any:
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    except ModuleNotFoundError:
        raise ConfigError("Sparkplug needs the package protobuf; pip install 'edgexai[sparkplug]'") from None
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="edgexai_sparkplug.proto", package="edgexai.sparkplug")
    payload, metric = file.message_type.add(name="Payload"), file.message_type.add(name="Metric")

    def add(to: Any, name: str, number: int, type_: int, **more: Any) -> None:
        to.field.add(name=name, number=number, type=type_, **{"label": field.LABEL_OPTIONAL, **more})

    add(payload, "timestamp", 1, field.TYPE_UINT64)
    add(payload, "metrics", 2, field.TYPE_MESSAGE, label=field.LABEL_REPEATED, type_name=".edgexai.sparkplug.Metric")
    add(payload, "seq", 3, field.TYPE_UINT64)
    add(metric, "name", 1, field.TYPE_STRING)
    add(metric, "timestamp", 3, field.TYPE_UINT64)
    add(metric, "datatype", 4, field.TYPE_UINT32)
    add(metric, "is_null", 7, field.TYPE_BOOL)
    add(metric, "long_value", 11, field.TYPE_UINT64)
    add(metric, "double_value", 13, field.TYPE_DOUBLE)
    add(metric, "boolean_value", 14, field.TYPE_BOOL)
    add(metric, "string_value", 15, field.TYPE_STRING)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("edgexai.sparkplug.Payload"))
