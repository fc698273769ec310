"""What has just arrived: SQLite, shared by all workers of one store, durable when a call returns.

boot        one row for each (fleet, node, boot), with its totals
seen        which sequence numbers of a boot are stored, as ranges, for ever: the test for exactly once
frame       frames that are not in the table yet, by an id that only grows
mark        how far the table is known: `id` of its last frame, `version` of its last commit that is on the disk
node        the last status and metrics of each node
forgotten   nodes that are not listed until they are heard again
quarantine  payloads that were refused, cut to 4 KiB, the last 1,000
counter     totals
"""

import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgexai.fleet.store.database import Transaction, connect, damaged
from edgexai.fleet.store.ranges import Ranges, insert
from edgexai.fleet.store.selection import EVERYTHING, Selection
from edgexai.messaging.messages import topic
from edgexai.private import private_database

_KNOWN_BY = ("boot", "forgotten")  # where a node is, beside what it said
_KEPT_IN_QUARANTINE = 1000

COLUMNS = "id, fleet, node, boot, sequence, received, time, model, target, score, conservation, frame"


@dataclass(frozen=True)
class Arrival:
    """A frame that was decoded once and is to be stored; ``model`` is 16 hex digits, times are unix seconds."""

    fleet: str
    node: str
    boot: str
    sequence: int
    received: float
    time: float
    model: str
    target: int
    score: float
    conservation: float | None
    frame: bytes


@dataclass(frozen=True)
class Refusal:
    """A payload that is no frame."""

    received: float
    topic: str
    reason: str
    payload: bytes


Row = tuple[Any, ...]
NodeNote = tuple[str, str, str, float, str]
"""Fleet, node, kind, when received, and the JSON text."""
Held = tuple[str, str, str, list[int], list[int]]
"""Fleet, node, boot, and the numbers and sizes in bytes of frames."""
Saying = tuple[str, str, str, float, str | None]
"""The same as it arrives; a text of None takes back what was said."""


class Journal:
    """The journal of one store directory; several processes may have it open."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.path = directory / "journal.db"
        private_database(self.path)
        self._lock = threading.Lock()
        try:
            self._db = connect(self.path)
            if self._db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("pages are damaged")
        except sqlite3.DatabaseError as error:
            raise damaged(self.path, error) from error

    def add(
        self,
        arrivals: Sequence[Arrival],
        refusals: Sequence[Refusal] = (),
        notes: Sequence[Saying] = (),
    ) -> int:
        """Store what is new, durably; how many were. Duplicates and refusals are counted.

        ``notes`` are the last status and metrics of nodes: (fleet, node, kind, received, JSON text); a text of None
        takes back what was said.
        """
        by_boot: dict[tuple[str, str, str], dict[int, Arrival]] = defaultdict(dict)
        for a in arrivals:
            by_boot[a.fleet, a.node, a.boot].setdefault(a.sequence, a)
        new = 0
        with self._lock, Transaction(self._db):
            for key, group in by_boot.items():
                boot = self._boot_id(*key)
                fresh = [group[n] for n in self._insert_seen(boot, group)]
                self._db.executemany(
                    "INSERT INTO frame (boot, sequence, received, time, model, target, score, conservation, frame)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    [
                        (boot, a.sequence, a.received, a.time, a.model, a.target, a.score, a.conservation, a.frame)
                        for a in fresh
                    ],
                )
                self._db.execute(
                    "UPDATE boot SET frames = frames + ?, bytes = bytes + ? WHERE id = ?",
                    (len(fresh), sum(len(a.frame) for a in fresh), boot),
                )
                new += len(fresh)
            self._count("frames", new)
            self._count("duplicates", len(arrivals) - new)
            self._quarantine(refusals)
            self._db.executemany("REPLACE INTO node VALUES (?, ?, ?, ?, ?)", [n for n in notes if n[4] is not None])
            self._db.executemany(
                "DELETE FROM node WHERE fleet = ? AND node = ? AND kind = ?", [n[:3] for n in notes if n[4] is None]
            )
            if self._db.execute("SELECT 1 FROM forgotten LIMIT 1").fetchone() is not None:
                heard = {(a.fleet, a.node) for a in arrivals} | {n[:2] for n in notes if n[4] is not None}
                self._db.executemany("DELETE FROM forgotten WHERE fleet = ? AND node = ?", list(heard))
        return new

    def forget(self, fleet: str, node: str) -> bool:
        """Take back what a node said of itself and list it no more until it is heard again; whether it was known.

        Its frames stay, and which of them are stored.
        """
        with self._lock, Transaction(self._db):
            gone = self._db.execute("DELETE FROM node WHERE fleet = ? AND node = ?", (fleet, node)).rowcount
            asked = "SELECT 1 FROM {} WHERE fleet = ? AND node = ?"
            known = gone or any(self._db.execute(asked.format(of), (fleet, node)).fetchone() for of in _KNOWN_BY)
            if known:
                self._db.execute("REPLACE INTO forgotten VALUES (?, ?)", (fleet, node))
        return bool(known)

    def nodes(self, limit: int = 500) -> list[NodeNote]:
        """The last status and metrics of the nodes that were heard last."""
        return self._all(
            "SELECT n.fleet, n.node, n.kind, n.received, n.message FROM node n JOIN ("
            "SELECT fleet, node, max(received) AS heard FROM node GROUP BY fleet, node ORDER BY heard DESC LIMIT ?"
            ") last ON n.fleet = last.fleet AND n.node = last.node ORDER BY n.fleet, n.node, n.kind",
            limit,
        )

    def changes(self) -> tuple[int, int]:
        """Another pair whenever somebody has written, here or in another process."""
        with self._lock:
            return self._db.execute("PRAGMA data_version").fetchone()[0], self._db.total_changes

    def said_since(self, received: float) -> list[NodeNote]:
        """What nodes said from then on (Unix seconds), of all kinds."""
        return self._all("SELECT fleet, node, kind, received, message FROM node WHERE received >= ?", received)

    def said_by(self, fleet: str, node: str) -> list[NodeNote]:
        """The last of every kind that a node said."""
        query = "SELECT fleet, node, kind, received, message FROM node WHERE fleet = ? AND node = ?"
        return self._all(query, fleet, node)

    def names(self) -> set[tuple[str, str]]:
        """The (fleet, node) that have said anything."""
        return {(fleet, node) for fleet, node in self._all("SELECT DISTINCT fleet, node FROM node")}

    def states(self) -> dict[str, int]:
        """How many nodes there are by the state that their last status says."""
        rows = self._all(
            "SELECT coalesce(json_extract(message, '$.state'), 'unknown') AS state, count(*) FROM node"
            " WHERE kind = 'status' GROUP BY state"
        )
        return {str(state): count for state, count in rows}

    def held_back(self) -> int:
        """Frames that nodes said they still hold: what grows while a worker is connected does not arrive here."""
        query = "SELECT coalesce(sum(json_extract(message, '$.waiting.frames')), 0) FROM node WHERE kind = 'metrics'"
        return int(self._all(query)[0][0])

    def tried(self) -> int:
        """Samples that nodes' trials have tried: another number when one of them has gone on."""
        return int(
            self._all("SELECT coalesce(sum(json_extract(message, '$.n')), 0) FROM node WHERE kind LIKE 'trial/%'")[0][0]
        )

    def totals(self, limit: int = 500) -> dict[tuple[str, str], tuple[int, int]]:
        """Frames and bytes stored of the (fleet, node) that came first to the store last."""
        rows = self._all(
            "SELECT fleet, node, sum(frames), sum(bytes) FROM boot WHERE (fleet, node) NOT IN"
            " (SELECT fleet, node FROM forgotten) GROUP BY fleet, node ORDER BY max(id) DESC LIMIT ?",
            limit,
        )
        return {(fleet, node): (frames, size) for fleet, node, frames, size in rows}

    def total(self, fleet: str, node: str) -> tuple[int, int]:
        """Frames and bytes stored of a node."""
        rows = self._all(
            "SELECT coalesce(sum(frames), 0), coalesce(sum(bytes), 0) FROM boot WHERE fleet = ? AND node = ?",
            fleet,
            node,
        )
        return int(rows[0][0]), int(rows[0][1])

    def counters(self) -> dict[str, int]:
        """Totals: frames, duplicates, quarantined."""
        zero = {"frames": 0, "duplicates": 0, "quarantined": 0}
        return zero | dict(self._all("SELECT name, value FROM counter"))

    def refusals(self, limit: int = 100) -> list[Refusal]:
        """The newest payloads in quarantine."""
        rows = self._all("SELECT received, topic, reason, payload FROM quarantine ORDER BY id DESC LIMIT ?", limit)
        return [Refusal(*row) for row in rows]

    def snapshot(self, after: int, limit: int, chosen: Selection = EVERYTHING) -> tuple[int, list[Row]]:
        """The last id that is in the table, and the chosen rows here beyond an id, of the same moment."""
        said, values = chosen.sql()
        with self._lock, Transaction(self._db, "DEFERRED"):
            return self._mark("id"), self._rows(f"f.id > ? AND {said}", [after, *values], limit)

    def last_time(self, ahead: float) -> float:
        """The greatest time of explanation (Unix seconds) of the rows here that is at most ``ahead`` seconds behind
        their arrival, -inf if there are none."""
        return float(self._all("SELECT coalesce(max(time), -9e999) FROM frame WHERE time <= received + ?", ahead)[0][0])

    def oldest(self, limit: int) -> list[Row]:
        """The rows that go to the table next."""
        with self._lock:
            return self._rows("f.id > ?", [-1], limit)

    def waiting(self) -> int:
        """How many frames are not in the table."""
        return int(self._all("SELECT count(*) FROM frame")[0][0])

    def last_id(self) -> int:
        """The id of the newest frame, -1 if there is none."""
        return int(self._all("SELECT coalesce(max(seq), -1) FROM sqlite_sequence WHERE name = 'frame'")[0][0])

    def known(self) -> tuple[int, int]:
        """How far the table is known: the id of its last frame, and the version of its last commit on the disk."""
        with self._lock:
            return self._mark("id"), self._mark("version")

    def moved(self, last: int, version: int) -> None:
        """The frames up to an id are in the table, and on the disk, by this commit."""
        with self._lock, Transaction(self._db):
            self._db.execute("DELETE FROM frame WHERE id <= ?", (last,))
            self._set_mark("id", last)
            self._set_mark("version", version)

    def flushed(self, version: int) -> None:
        """The table is on the disk up to a commit that brought no frames."""
        with self._lock, Transaction(self._db):
            self._set_mark("version", version)

    def catch_up(self, boots: Iterable[Held], last: int, version: int) -> None:
        """What the table holds beyond what was known of it, up to an id: frames that a crash left here as well, that
        another host brought, or that an old copy of the journal has forgotten. Each counts once from here on; frames
        that only the journal has keep their order, beyond that id."""
        with self._lock, Transaction(self._db):
            waiting = {row[:2]: row[2] for row in self._db.execute("SELECT boot, sequence, id FROM frame")}
            for fleet, node, boot, sequences, sizes in boots:
                row, size = self._boot_id(fleet, node, boot), dict(zip(sequences, sizes, strict=True))
                fresh = self._insert_seen(row, sequences)
                self._db.execute(
                    "UPDATE boot SET frames = frames + ?, bytes = bytes + ? WHERE id = ?",
                    (len(fresh), sum(size[n] for n in fresh), row),
                )
                self._count("frames", len(fresh))
                here = [waiting[row, n] for n in size if (row, n) in waiting]
                self._db.executemany("DELETE FROM frame WHERE id = ?", [(one,) for one in here])
            (first,) = self._db.execute("SELECT min(id) FROM frame").fetchone()
            if first is not None and first <= last:
                self._db.execute("UPDATE frame SET id = -(id + ?)", (last + 1 - first,))  # no id meets another's
                self._db.execute("UPDATE frame SET id = -id")
            end = max(last, self._db.execute("SELECT coalesce(max(id), -1) FROM frame").fetchone()[0])
            self._db.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'frame'", (end,))
            self._db.execute(
                "INSERT INTO sqlite_sequence SELECT 'frame', ? WHERE NOT EXISTS"
                " (SELECT 1 FROM sqlite_sequence WHERE name = 'frame')",
                (end,),
            )
            self._set_mark("id", last)
            self._set_mark("version", version)

    def erase(self, where: str, values: Sequence[Any]) -> int:
        """Delete the waiting frames that a condition on fleet, node and received names; how many. Their numbers stay
        known, so that what is sent again does not come back. `scrub` then removes the bytes themselves."""
        with self._lock, Transaction(self._db):
            rows = self._db.execute(
                "DELETE FROM frame WHERE id IN"
                f" (SELECT f.id FROM frame f JOIN boot b ON b.id = f.boot WHERE {where})"
                " RETURNING boot, length(frame)",
                values,
            ).fetchall()
            self._db.executemany(
                "UPDATE boot SET frames = max(0, frames - 1), bytes = max(0, bytes - ?) WHERE id = ?",
                [(size, boot) for boot, size in rows],
            )
        return len(rows)

    def forget_refused(self, fleet: str, node: str | None) -> None:
        """Delete what was refused of a fleet, or of a node."""
        begin = topic(fleet, node, "") if node is not None else topic(fleet, "", "").rstrip("/") + "/"
        with self._lock, Transaction(self._db):
            self._db.execute("DELETE FROM quarantine WHERE substr(topic, 1, ?) = ?", (len(begin), begin))

    def scrub(self) -> None:
        """Write the file anew without what was deleted from it: SQLite leaves it in free pages."""
        with self._lock:
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def erased(self, boots: Iterable[tuple[str, str, str, int, int]]) -> None:
        """So many frames and bytes of boots (fleet, node, boot) are in the table no more."""
        with self._lock, Transaction(self._db):
            self._db.executemany(
                "UPDATE boot SET frames = max(0, frames - ?), bytes = max(0, bytes - ?)"
                " WHERE fleet = ? AND node = ? AND boot = ?",
                [(frames, size, fleet, node, boot) for fleet, node, boot, frames, size in boots],
            )

    def parts(self) -> list[str]:
        """The Parquet files of a store of format 1, oldest first; none where it has been brought up to date."""
        there = self._all("SELECT 1 FROM sqlite_master WHERE name = 'part'")
        return [path for (path,) in self._all("SELECT path FROM part ORDER BY first")] if there else []

    def taken(self, last: int, version: int) -> None:
        """What format 1 had in Parquet files is in the table now, up to an id."""
        with self._lock, Transaction(self._db):
            self._db.execute("DROP TABLE IF EXISTS part")
            self._set_mark("id", last)
            self._set_mark("version", version)

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            self._db.close()

    def _all(self, query: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._db.execute(query, values).fetchall()

    def _mark(self, name: str) -> int:
        row = self._db.execute("SELECT value FROM mark WHERE name = ?", (name,)).fetchone()
        return -1 if row is None else int(row[0])

    def _set_mark(self, name: str, value: int) -> None:
        self._db.execute("REPLACE INTO mark VALUES (?, ?)", (name, value))

    def _rows(self, where: str, values: Sequence[Any], limit: int) -> list[Row]:
        return self._db.execute(
            f"SELECT f.id, fleet, node, b.boot, sequence, received, time, model, target, score, conservation, frame"
            f" FROM frame f JOIN boot b ON b.id = f.boot WHERE {where} ORDER BY f.id LIMIT ?",
            (*values, limit),
        ).fetchall()

    def _boot_id(self, fleet: str, node: str, boot: str) -> int:
        found = self._db.execute("SELECT id FROM boot WHERE fleet = ? AND node = ? AND boot = ?", (fleet, node, boot))
        row = found.fetchone()
        if row is None:
            row = self._db.execute(
                "INSERT INTO boot (fleet, node, boot) VALUES (?, ?, ?) RETURNING id", (fleet, node, boot)
            ).fetchone()
        return int(row[0])

    def _insert_seen(self, boot: int, sequences: Iterable[int]) -> list[int]:
        numbers = sorted(sequences)
        near: Ranges = self._db.execute(
            "SELECT first, last FROM seen WHERE boot = ? AND last >= ? AND first <= ?",
            (boot, numbers[0] - 1, numbers[-1] + 1),
        ).fetchall()
        merged, fresh = insert(near, numbers)
        if fresh:
            self._db.executemany("DELETE FROM seen WHERE boot = ? AND first = ?", [(boot, first) for first, _ in near])
            self._db.executemany("INSERT INTO seen VALUES (?, ?, ?)", [(boot, *r) for r in merged])
        return fresh

    def _quarantine(self, refusals: Sequence[Refusal]) -> None:
        if not refusals:
            return
        self._db.executemany(
            "INSERT INTO quarantine (received, topic, reason, payload) VALUES (?, ?, ?, ?)",
            [(r.received, r.topic[:256], r.reason, r.payload[:4096]) for r in refusals[-_KEPT_IN_QUARANTINE:]],
        )
        self._db.execute(
            "DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - ?", (_KEPT_IN_QUARANTINE,)
        )
        self._count("quarantined", len(refusals))

    def _count(self, name: str, by: int) -> None:
        if by:
            self._db.execute(
                "INSERT INTO counter VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
                (name, by),
            )
