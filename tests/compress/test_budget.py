"""Budgets: limits hold in what is written, misses are told, the exact choice is never worse than the greedy one."""

import hashlib
import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from models import golden

import edgexai
from edgexai.board import load_board
from edgexai.cli import main
from edgexai.compress.budget import compress, fit_budget
from edgexai.compress.channels.coupling import couple
from edgexai.compress.measure.bench import Bench
from edgexai.compress.measure.cost import cost
from edgexai.compress.measure.limits import Budget, Limit, amount
from edgexai.compress.measure.profile import profile_relevance
from edgexai.compress.prune.criteria import CRITERIA
from edgexai.compress.prune.criteria.maps import normalized
from edgexai.compress.prune.exhaustive import exactly, is_small
from edgexai.compress.prune.greedy import cheapest, price
from edgexai.compress.quantize.int8 import quantize
from edgexai.compress.repair.repair import Repair
from edgexai.errors import ConfigError
from edgexai.graph import Graph
from edgexai.relevance import attach
from edgexai.transit import restore

BOARD = "nucleo_l4r5zi"
RANDOM = np.random.default_rng(4)


@pytest.fixture(scope="module")
def model() -> tuple[Graph, np.ndarray]:
    graph = edgexai.load(golden("dscnn")[0])
    x = RANDOM.normal(size=(80, *graph.tensors[graph.inputs[0]].shape[1:])).astype(np.float32)
    return quantize(graph, x), x


def compressed(model: tuple[Graph, np.ndarray], budget: Budget, explain: str | None = None) -> tuple[Graph, Graph]:
    graph, x = model
    profile = profile_relevance(graph, x[:20])
    bench = Bench(graph, x[60:], None, load_board(BOARD), explain)
    chosen, points = fit_budget(bench, profile, x[:60], budget, Repair(steps=1))
    assert points[0].graph is graph
    assert chosen in points
    return graph, chosen.graph


def test_limits_hold_in_the_model_that_is_chosen(model: tuple[Graph, np.ndarray]) -> None:
    graph, small = compressed(model, Budget(energy=0.7, ram=0.9, board=BOARD))
    before, after = cost(graph, BOARD), cost(small, BOARD)
    assert before.energy_uj is not None
    assert after.energy_uj is not None
    assert 0.5 * before.energy_uj < after.energy_uj <= 0.7 * before.energy_uj
    assert after.ram <= 0.9 * before.ram


def test_a_limit_in_milliseconds_counts_the_explanation(model: tuple[Graph, np.ndarray]) -> None:
    whole = cost(attach(model[0], "edge"), BOARD).latency_ms
    assert whole is not None
    _, small = compressed(model, Budget(latency=f"{0.8 * whole}ms", board=BOARD), explain="edge")
    after = cost(attach(small, "edge"), BOARD).latency_ms
    assert after is not None
    assert after <= 0.8 * whole


def test_without_limits_of_cost_it_is_as_small_as_accuracy_allows(model: tuple[Graph, np.ndarray]) -> None:
    graph, small = compressed(model, Budget(accuracy=0.35, board=BOARD))
    assert cost(small).macs < cost(graph).macs


def test_a_budget_that_nothing_meets_is_refused_with_what_was_nearest(model: tuple[Graph, np.ndarray]) -> None:
    with pytest.raises(ConfigError, match="no pruned model is within ram ≤ 10; the smallest has ram"):
        compressed(model, Budget(ram="10b", board=BOARD))
    with pytest.raises(ConfigError, match=r"heatmaps correlate .* not heatmaps that correlate by 0.99999"):
        compressed(model, Budget(macs=0.5, explanations=0.99999, board=BOARD))


def test_a_board_without_power_cannot_limit_energy(model: tuple[Graph, np.ndarray]) -> None:
    found = cost(model[0], "nrf5340_dk")
    with pytest.raises(ConfigError, match="energy_uj needs a board"):
        Limit("energy_uj", 0.5, True).met(found, found)


@pytest.mark.parametrize("share", [0.9, 0.7, 0.5, 0.3])
@pytest.mark.parametrize("name", ["cnn", "mlp"])
def test_the_exact_choice_is_the_best_of_all_and_never_worse_than_greedy(name: str, share: float) -> None:
    graph = edgexai.load(golden(name)[0])
    x = np.random.default_rng(0).normal(size=(10, *graph.tensors[graph.inputs[0]].shape[1:])).astype(np.float32)
    coupling = couple(graph)
    assert is_small(coupling)
    prices = price(graph, coupling)
    scores = normalized(coupling, CRITERIA["relevance"](graph, coupling, profile_relevance(graph, x)))
    target = share * float(prices.whole.sum())
    exact, greedy = exactly(coupling, scores, prices, target), cheapest(coupling, scores, prices, target)
    assert prices(exact) <= target
    assert scores[~exact].sum() <= scores[~greedy].sum() + 1e-9
    best = np.inf
    orders = [g.labels[np.argsort(scores[g.labels])] for g in coupling.groups]
    for counts in product(*(range(len(o)) for o in orders)) if sum(map(len, orders)) < 45 else ():
        keep = np.ones(coupling.size, bool)
        for order, count in zip(orders, counts, strict=True):
            keep[order[:count]] = False
        if prices(keep) <= target:
            best = min(best, float(scores[~keep].sum()))
    assert best == np.inf or scores[~exact].sum() == pytest.approx(best)


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("energy", "50%", (0.5, True)),
        ("macs", "0.5", (0.5, True)),
        ("macs", 0.5, (0.5, True)),
        ("latency", "20ms", (20, False)),
        ("latency", "0.5ms", (0.5, False)),
        ("flash", "128K", (131072, False)),
        ("energy", "1.5mJ", (1500, False)),
        ("ram", 7, (7, False)),
        ("accuracy", "1%", (0.01, True)),
    ],
)
def test_amounts(name: str, given: str | float, value: tuple[float, bool]) -> None:
    assert amount(name, given) == pytest.approx(value)


@pytest.mark.parametrize("given", ["", "half", "20ms", "-1", "0", "150%", "1e400", True, None, [1]])
def test_what_is_no_amount_is_told_with_an_example(given: object) -> None:
    with pytest.raises(ConfigError, match="64K"):
        amount("ram", given)  # type: ignore[arg-type]


def test_python_compresses_with_the_commands_defaults(model: tuple[Graph, np.ndarray], tmp_path: Path) -> None:
    graph, x = model
    edgexai.save(graph, tmp_path / "m.tflite")
    np.savez(tmp_path / "d.npz", x=x)
    command = f"compress {tmp_path}/m.tflite -o {tmp_path}/s.tflite --data {tmp_path}/d.npz --macs 80%"
    assert main(command.split()) == 0
    small = compress(tmp_path / "m.tflite", x, Budget(macs=0.8)).graph
    assert edgexai.load(tmp_path / "s.tflite").sha256 == hashlib.sha256(edgexai.graph.serialize(small)).hexdigest()


def test_the_verb_writes_a_model_its_transit_and_a_page(
    model: tuple[Graph, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph, x = model
    source, small, packed, page = (tmp_path / name for name in ("m.tflite", "s.tflite", "s.exq", "r.html"))
    edgexai.save(graph, source)
    np.savez(tmp_path / "d.npz", x=x)
    command = f"compress {source} -o {small} --data {tmp_path}/d.npz --board {BOARD} --energy 80% --steps 1 --json"
    assert main([*command.split(), "--max-accuracy-loss", "60", "--transit", str(packed), "--report", str(page)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["energy_uj"][1] <= 0.8 * report["energy_uj"][0]
    assert report["transit"][1] == packed.stat().st_size
    assert restore(packed.read_bytes()) == small.read_bytes()
    text = page.read_text()
    assert text.count("<svg") >= 4
    assert "http" not in text
    assert main([*command.split(), "--keep-explanations", "0.9999", "--transit", str(packed)]) == 1
    assert "correlate" in capsys.readouterr().err


def test_a_command_without_a_budget_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(golden("cnn")[0])
    assert main(["compress", path, "-o", str(tmp_path / "o.tflite"), "--data", "none.npz"]) == 1
    assert "the budget is empty" in capsys.readouterr().err
    assert main(["compress", path, "-o", "o", "--data", "none.npz", "--energy", "50%"]) == 1
    assert "name one with board=" in capsys.readouterr().err
    assert main(["compress", path, "-o", "o", "--data", "none.npz", "--macs", "50%", "--transit", "o.exq"]) == 1
    assert "run edgexai quantize on it first" in capsys.readouterr().err
