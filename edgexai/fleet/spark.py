"""The analyses on Spark: the same functions, frames decoded and models analysed wherever the cluster has room.

Two passes of `mapInArrow`: every frame of the table (and of the journal) is decoded and goes to the model, and to each
pair of models, that it speaks for; each of these is analysed in one place, as without Spark. The tests of all come back
and are judged together. Needs pyspark and Java 17 or newer, and edgexai on every machine.
"""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow

from edgexai.errors import ConfigError
from edgexai.fleet.analysis.analyse import Try, judged, pairs, tested
from edgexai.fleet.analysis.compare import compared
from edgexai.fleet.analysis.evidence import gather
from edgexai.fleet.analysis.finding import Finding, Member
from edgexai.fleet.analysis.regions import flat
from edgexai.fleet.analysis.same import Planes
from edgexai.fleet.latencies import slow_nodes
from edgexai.fleet.read import MOST, Known, Span, opened
from edgexai.fleet.store.journal import COLUMNS
from edgexai.fleet.store.selection import Selection
from edgexai.fleet.store.store import Store, Stored
from edgexai.fleet.store.table import SCHEMA
from edgexai.intervention.suspicion import Suspicion

Spans = tuple[Span, Span | None]
"""Now, and the baseline."""
_ROW = "key string, part int, model string, row binary, map binary"
_KEPT = ("id", "sequence", "fleet", "node", "time", "target", "score", "conservation", "group")


def on_spark(master: str, directory: Path, spans: Spans, rate: float, tried: Try, suspicions: bool) -> list[Finding]:
    """The findings of `analysed` over a store. ConfigError where Spark cannot be started."""
    with opened(directory) as store:
        session = _session(master)
        try:
            tests = [*slow_nodes(directory, spans[0]), *_tests(session, store, spans, tried.planes)]
            return judged(tests, rate, tried, suspicions)
        finally:
            session.stop()


def _session(master: str) -> Any:
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    try:
        return (
            SparkSession.builder.master(master)
            .appName("edgexai")
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.log.level", "ERROR")
            .getOrCreate()
        )
    except (PySparkException, OSError) as error:
        raise ConfigError(f"Spark cannot be started at {master}: {error}; it needs Java 17 or newer") from None


def _tests(session: Any, store: Store, spans: Spans, planes: Planes) -> list[Finding]:
    frames = _frames(session, store, spans)
    counts = {row["model"]: row["count"] for row in frames.groupBy("model").count().sort("model").collect()}
    keys = [*counts, *(f"{a} {b}" for a, b in pairs(counts))]
    rows = frames.mapInArrow(_Decode(Known.of(store), spans, spans[0].last(store), tuple(keys)), _ROW)
    of_key = rows.repartition(len(keys) or 1, "key")
    found = of_key.mapInArrow(partial(_analysed, planes), "key string, findings string").collect()
    said = {row.key: json.loads(row.findings) for row in found}
    return [_finding(one) for key in keys for one in said.get(key, ())]


def _frames(session: Any, store: Store, spans: Spans) -> Any:
    """The frames of the table and the journal, but for those that lie before or behind all spans."""
    given = [span for span in spans if span is not None]
    ends = {"since": min, "until": max, "arrived": max}
    hull = Selection(**{name: most(getattr(span, name) for span in given) for name, most in ends.items()})
    known, waiting = store.journal.snapshot(-1, sys.maxsize, hull)
    columns = [name.strip() for name in COLUMNS.split(",")]
    schema = SCHEMA.remove(SCHEMA.get_field_index("day"))
    waits = [] if store.shared else waiting
    late = pyarrow.table([[row[i] for row in waits] for i in range(len(columns))], schema=schema)
    frames = session.createDataFrame(late)
    place = store.table.url.replace("s3://", "s3a://")
    held = [file for file in store.table.files() if hull.may_be_in(file.time, file.received)]
    if files := [f"{place}/{file.path}" for file in held]:
        old = session.read.parquet(*files).select(*columns)
        for column, how, value in hull.bounds:
            old = old.where(f"{column} {how} {value!r}D")
        frames = frames.unionByName(old if store.shared else old.where(f"id <= {known}"))
    return frames


@dataclass(frozen=True)
class _Decode:
    """First pass: a batch of frames to a batch of decoded ones, once for every key (a model, or two) they belong to."""

    known: Known
    spans: Spans
    last: int
    keys: tuple[str, ...]

    def __call__(self, batches: Iterator[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        now, before = self.spans
        for batch in batches:
            found: list[tuple[str, int, str, bytes, bytes]] = []
            for one in (Stored(**row) for row in batch.to_pylist()):
                if one.id > self.last:
                    continue
                parts = [part for part, span in enumerate((now, before)) if span is not None and span.has(one)]
                row = self.known.row(one) if parts else None
                if row is None:
                    continue
                relevance = np.ascontiguousarray(flat(row["map"]), np.float32)
                kept = {name: row[name] for name in _KEPT} | {"concepts": row["concepts"], "shape": relevance.shape}
                coded = json.dumps(kept).encode()
                for key in (key for key in self.keys if one.model in key.split()):
                    wanted = parts if key == one.model else [part for part in parts if part == 0]
                    found += [(key, part, one.model, coded, relevance.tobytes()) for part in wanted]
            columns = [list(column) for column in zip(*found, strict=True)] or [[]] * 5
            names = ("key", "part", "model", "row", "map")
            kinds = (pyarrow.string(), pyarrow.int32(), pyarrow.string(), pyarrow.binary(), pyarrow.binary())
            arrays = [pyarrow.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
            yield pyarrow.RecordBatch.from_arrays(arrays, list(names))


def _analysed(planes: Planes, batches: Iterator[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
    """Second pass: all decoded frames of some keys to the tests of each, as JSON."""
    rows: dict[str, dict[tuple[int, str], list[dict[str, Any]]]] = {}
    for batch in batches:
        for one in batch.to_pylist():
            row = json.loads(one["row"])
            row["map"] = np.frombuffer(one["map"], np.float32).reshape(row.pop("shape"))
            rows.setdefault(one["key"], {}).setdefault((one["part"], one["model"]), []).append(row)
    for key, groups in rows.items():
        models = {
            name: gather(name[1], sorted(some, key=lambda row: row["id"])[-MOST:]) for name, some in groups.items()
        }
        pair = key.split()
        if len(pair) == 1:
            now = models.get((0, key))
            found = [] if now is None else tested(now, models.get((1, key)), planes)
        else:
            found = compared(models[0, pair[0]], models[0, pair[1]]) if len(models) == 2 else []
        said = json.dumps([_said(finding) for finding in found], default=lambda value: value.tolist())
        yield pyarrow.RecordBatch.from_arrays([pyarrow.array([key]), pyarrow.array([said])], ["key", "findings"])


def _said(finding: Finding) -> dict[str, Any]:
    return {field.name: getattr(finding, field.name) for field in fields(finding)} | {
        "members": [asdict(member) for member in finding.members],
        "probe": None if finding.probe is None else vars(finding.probe),
    }


def _finding(said: dict[str, Any]) -> Finding:
    probe = said["probe"]
    whole = said | {
        "nodes": tuple(said["nodes"]),
        "interval": tuple(said["interval"]),
        "like": tuple(said["like"]),
        "members": tuple(Member(**member) for member in said["members"]),
        "probe": None if probe is None else Suspicion(**probe | {"weights": np.array(probe["weights"], np.float64)}),
    }
    return Finding(**whole)
