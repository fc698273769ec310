"""JSON from outside: what is not JSON to everybody is refused, and what goes out can be read by everybody."""

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgexai.errors import FrameError
from edgexai.messaging.notes import note
from edgexai.messaging.strict import dumps, loads

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8")), VALUES.filter(lambda v: "\\ud" not in json.dumps(v)), max_size=4
    )
)
def test_what_is_written_is_read_as_it_was(message: dict[str, Any]) -> None:
    assert loads(dumps(message), 1 << 20) == message


@settings(max_examples=300)
@given(st.binary(max_size=80))
def test_any_bytes_are_an_object_or_an_error_of_ours(payload: bytes) -> None:
    try:
        found = loads(payload, 1 << 10)
    except FrameError:
        return
    assert json.loads(dumps(found)) == found


@pytest.mark.parametrize(
    "payload",
    [
        b'{"state":"\\ud800"}',
        b'{"\\udfff":1}',
        b'\xef\xbb\xbf{"state":"online"}',
        '{"state":"online"}'.encode("utf-16"),
        '{"state":"online"}'.encode("utf-32"),
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":1e999}',
        b'{"a":' + b"9" * 400 + b"}",
        b'{"a":9223372036854775808}',
        b'{"a":1,"a":2}',
        b'{"a":' + b"[" * 40 + b"]" * 40 + b"}",
        b"[" * 100_000,
        b"[]",
        b"",
        b"{" + b" " * 2000 + b"}",
    ],
)
def test_what_not_everybody_reads_is_refused(payload: bytes) -> None:
    with pytest.raises(FrameError):
        loads(payload, 1000)


def test_what_goes_out_is_ascii_and_finite() -> None:
    text = dumps({"score": math.inf, "more": [math.nan, "ü\ud800", 1.5]})
    assert json.loads(text) == {"score": None, "more": [None, "ü\ud800", 1.5]}
    assert text.isascii()


@pytest.mark.parametrize("field", ["state", "version", "board", "labels", "boot", "model"])
@pytest.mark.parametrize("value", [{"toString": 1, "valueOf": 1}, [[1]], "x" * 65, "a\nb", 10**9])
def test_a_field_of_another_type_is_refused(field: str, value: Any) -> None:
    with pytest.raises(FrameError, match=f"the status says a {field} that is none"):
        note("status", dumps({field: value}))


def test_a_newer_nodes_fields_stay_where_they_are_plain() -> None:
    said = note("status", dumps({"state": "online", "altitude": 3.5, "deep": {"x": [1]}}))
    assert said == {"state": "online", "altitude": 3.5}
