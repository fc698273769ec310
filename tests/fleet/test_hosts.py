"""Several hosts fill one table: each frame is in it once, whoever is killed, in a folder and in an object store."""

import logging
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from arrivals import arrival, sequences

from edgexai.errors import ConfigError
from edgexai.fleet.store.store import Store


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A place in an object store of the S3 protocol on this machine."""
    server = pytest.importorskip("moto.server", reason="moto is not installed").ThreadedMotoServer(port=0)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it would write a line a request, also after the test
    server.start()
    host, port = server.get_host_and_port()
    settings = {"ENDPOINT_URL": f"http://{host}:{port}", "ALLOW_HTTP": "true", "REGION": "us-east-1"}
    for name, value in {**settings, "ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    import boto3

    boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1").create_bucket(Bucket="fleet")
    yield f"s3://fleet/{tmp_path.name}"  # what moto holds outlives the server
    server.stop()


def test_a_frame_that_came_to_two_hosts_is_in_the_table_once(tmp_path: Path) -> None:
    one, two = (Store(tmp_path / name, str(tmp_path / "shared")) for name in ("one", "two"))
    one.journal.add([arrival(n) for n in range(0, 20)])
    two.journal.add([arrival(n) for n in range(10, 30)])
    assert (sequences(one), sequences(two)) == ([], [])
    assert (one.compact(), two.compact()) == (20, 10)
    for store in (one, two):
        store._seen = (-1, 0.0)
        assert sequences(store) == list(range(30))
        assert [s.id for s in store.since(-1)] == list(range(1, 31))
    assert two.journal.add([arrival(n) for n in range(30)]) == 0
    assert one.journal.add([arrival(n) for n in range(30)]) == 10  # nobody has told it yet
    assert one.compact() == 0
    assert (one.journal.counters()["frames"], one.journal.total("f", "n")[0]) == (30, 30)


def test_a_host_that_loses_a_race_numbers_its_frames_anew(tmp_path: Path) -> None:
    one, two = (Store(tmp_path / name, str(tmp_path / "shared")) for name in ("one", "two"))
    one.journal.add([arrival(n) for n in range(10)])
    two.journal.add([arrival(n) for n in range(5, 15)])
    real, raced = one.table.write, []

    def write(data, last, version):  # type: ignore[no-untyped-def]
        if not raced:
            raced.append(two.compact())  # between the look at the table and the commit
        return real(data, last, version)

    one.table.write = write  # type: ignore[method-assign]
    assert one.compact() == 5
    assert raced == [10]
    assert sorted(sequences(one)) == list(range(15))


def test_a_new_host_knows_what_the_others_have_stored(tmp_path: Path) -> None:
    one = Store(tmp_path / "one", str(tmp_path / "shared"))
    one.journal.add([arrival(n) for n in range(10)])
    one.compact()
    two = Store(tmp_path / "two", str(tmp_path / "shared"))
    assert two.journal.add([arrival(n) for n in range(12)]) == 2
    two.close()
    assert Store(tmp_path / "two").shared
    with pytest.raises(ConfigError, match="not in s3://other/frames"):
        Store(tmp_path / "two", "s3://other/frames")
    own = Store(tmp_path / "own")
    own.journal.add([arrival(0)])
    own.compact()
    own.close()
    with pytest.raises(ConfigError, match="not in s3://other/frames"):
        Store(tmp_path / "own", "s3://other/frames")


HOST = (
    "import sys; from pathlib import Path; sys.path[:0] = [sys.argv[3], sys.argv[3] + '/tests/support']\n"
    "from arrivals import Store, arrival\n"
    "store, n, last = Store(Path(sys.argv[1]), sys.argv[2]), 0, int(sys.argv[4])\n"
    "while n < last:\n"
    "    store.journal.add([arrival(i) for i in range(n, min(n + 30, last))]); n += 30\n"
    "    store.compact()\n"
    "    print(n, flush=True)\n"
    "while store.compact(): pass\n"
)


def host(store: Path, table: str, last: int) -> "subprocess.Popen[str]":
    """A process that takes in the same frames as the others, from the first on, and moves them as it goes."""
    command = [sys.executable, "-c", HOST, str(store), table, str(Path(__file__).parents[2]), str(last)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("where", ["folder", "bucket"])
def test_two_hosts_that_are_killed_store_each_frame_once(
    tmp_path: Path, where: str, request: pytest.FixtureRequest
) -> None:
    table = str(tmp_path / "shared") if where == "folder" else request.getfixturevalue("bucket")
    last, kills, dice = (*((450, 2) if where == "folder" else (240, 1)), random.Random(7))
    for _ in range(kills):
        hosts = [host(tmp_path / name, table, last) for name in ("one", "two")]
        for child in dice.sample(hosts, 2):
            assert child.stdout is not None
            for _ in range(dice.randrange(1, 6)):
                child.stdout.readline()
            os.kill(child.pid, signal.SIGKILL)
        for child in hosts:
            child.communicate()
    hosts = [host(tmp_path / name, table, last) for name in ("one", "two")]
    for child in hosts:
        child.communicate()
        assert child.returncode == 0
    store = Store(tmp_path / "one")
    held = [(s.node, s.boot, s.sequence) for s in store.since(-1)]
    assert len(held) == len(set(held)) == last
    ids = [s.id for s in store.since(-1)]
    assert ids == sorted(set(ids))
    two = Store(tmp_path / "two")
    assert two.compact() == 0
    assert two.journal.counters()["frames"] == store.journal.counters()["frames"] == last


def test_a_table_in_an_object_store_merges_and_really_deletes(tmp_path: Path, bucket: str) -> None:
    import boto3

    store = Store(tmp_path / "one", bucket)
    for n in range(16):
        store.journal.add([arrival(2 * n), arrival(2 * n + 1, node="m")])
        store.compact()
    assert store.merge() == 32
    assert store.erase("f", "m") == 16
    store._seen = (-1, 0.0)
    assert sequences(store) == list(range(0, 32, 2))
    listed = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"]).list_objects_v2(
        Bucket="fleet", Prefix=tmp_path.name
    )
    files = [one["Key"] for one in listed["Contents"] if one["Key"].endswith(".parquet")]
    assert len(files) == 1
