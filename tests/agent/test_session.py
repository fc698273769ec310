"""The session's decisions, first as tables, then against a simulated network that loses, delays and repeats."""

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from edgexai.agent.outbox import Item, Outbox
from edgexai.agent.session import Connect, Disconnect, Publish, Session, State


def box(frames: int) -> Outbox:
    outbox = Outbox(None)
    for i in range(frames):
        outbox.append(b"%d" % i)
    return outbox


def online(session: Session, now: float = 0.0) -> None:
    assert session.poll(now) == [Connect()]
    session.connected(now)


def published(session: Session, now: float) -> list[int]:
    return [a.item.sequence for a in session.poll(now) if isinstance(a, Publish)]


def items(session: Session) -> list[Item]:
    return session.queue.after(-1, 1000)


def test_a_session_connects_at_once_and_waits_for_the_answer() -> None:
    session = Session(box(1))
    assert session.poll(0.0) == [Connect()]
    assert session.poll(1.0) == []
    session.connected(2.0)
    assert published(session, 2.0) == [0]


def test_a_connection_without_an_answer_is_given_up() -> None:
    session = Session(box(1), ack_timeout=10)
    session.poll(0.0)
    assert isinstance(session.poll(10.5)[0], Disconnect)


def test_no_more_than_the_window_is_in_flight() -> None:
    session = Session(box(100), window=8, confirm="broker")
    online(session)
    assert published(session, 0.0) == list(range(8))
    assert published(session, 1.0) == []
    for item in items(session)[:3]:
        session.acknowledged(item.id, 1.0)
    assert published(session, 1.0) == [8, 9, 10]
    assert session.in_flight == 8


def test_frames_that_nobody_confirms_are_unheard_until_one_is() -> None:
    session = Session(box(2), receipt_timeout=20)
    online(session)
    assert published(session, 0.0) == [0, 1]
    for item in items(session):
        session.acknowledged(item.id, 1.0)
    assert published(session, 20.5) == []
    assert not session.is_unheard
    assert published(session, 21.5) == [0, 1]
    assert session.is_unheard
    session.received(items(session)[0].boot, [(0, 0)])
    assert not session.is_unheard


def test_a_frame_leaves_the_outbox_at_its_receipt_and_not_at_the_brokers_word() -> None:
    session = Session(box(3))
    online(session)
    published(session, 0.0)
    for item in items(session):
        session.acknowledged(item.id, 0.1)
    assert len(items(session)) == 3
    session.received(items(session)[0].boot, [(0, 1)])
    assert [i.sequence for i in items(session)] == [2]
    assert session.confirmed == 2


def test_a_receipt_cannot_free_what_was_never_sent() -> None:
    session = Session(box(10), window=2)
    online(session)
    boot = items(session)[0].boot
    session.received(boot, [(0, 9)])
    assert len(items(session)) == 10
    published(session, 0.0)
    session.received(boot, [(0, 9)])
    assert [i.sequence for i in items(session)] == list(range(2, 10))


def test_after_a_lost_connection_everything_unconfirmed_is_sent_again_in_order_within_the_window() -> None:
    session = Session(box(10), window=4)
    online(session)
    assert published(session, 0.0) == [0, 1, 2, 3]
    session.received(items(session)[0].boot, [(0, 0)])
    session.lost(1.0)
    assert session.in_flight == 0
    assert session.poll(100.0) == [Connect()]
    session.connected(100.0)
    assert published(session, 100.0) == [1, 2, 3, 4]
    assert session.resent == 3


def test_a_broker_that_stops_acknowledging_is_left() -> None:
    session = Session(box(1), ack_timeout=30)
    online(session)
    published(session, 0.0)
    assert session.poll(29.0) == []
    assert isinstance(session.poll(31.0)[0], Disconnect)


def test_a_frame_lost_behind_the_broker_is_sent_again_with_growing_patience() -> None:
    session = Session(box(1), receipt_timeout=20)
    online(session)
    sent = []
    for now in range(2000):
        for sequence in published(session, float(now)):
            sent.append(now)
            assert sequence == 0
            session.acknowledged(items(session)[0].id, float(now))
    gaps = [b - a for a, b in itertools.pairwise(sent)]
    assert gaps == sorted(gaps)
    assert gaps[:3] == [21, 41, 81]
    assert gaps[-1] <= 20 * 32 + 1


def test_attempts_are_spaced_by_growing_random_pauses_that_stay_below_the_ceiling() -> None:
    session = Session(box(0), backoff=(1.0, 60.0), dice=random.Random(1))
    now, attempts = 0.0, []
    while now < 3600:
        if session.poll(now) == [Connect()]:
            attempts.append(now)
            session.lost(now)
        now += 0.1
    gaps = [b - a for a, b in itertools.pairwise(attempts)]
    assert all(0.4 <= gap <= 60.2 for gap in gaps)
    assert sum(gaps[6:]) / len(gaps[6:]) > 20
    assert len(set(gaps[6:])) > len(gaps[6:]) / 2


def test_a_thousand_nodes_do_not_come_back_at_the_same_moment() -> None:
    first = []
    for seed in range(1000):
        session = Session(box(0), backoff=(1.0, 60.0), dice=random.Random(seed))
        for _ in range(6):  # a broker that has been away for a while
            session.lost(0.0)
        first.append(next(t for t in range(100) if session.poll(float(t))))
    assert max(first.count(second) for second in set(first)) < 60


@dataclass
class World:
    """A node, a broker that keeps nothing over a crash, and a store; time, faults and order come from a seed."""

    seed: int
    frames: int
    cut: tuple[float, float] | None = None
    faults: bool = True
    slow: float = 0.0
    now: float = 0.0
    stored: dict[int, int] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)
    most_in_flight: int = 0
    attempts: int = 0
    connection: int = 0
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _count: "itertools.count[int]" = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.outbox = Outbox(None, clock=lambda: self.now)
        self.session = self.fresh()

    def fresh(self) -> Session:
        return Session(self.outbox, window=16, dice=random.Random(self.seed))

    def later(self, delay: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + delay, next(self._count), what))

    def delay(self) -> float:
        return self.dice.expovariate(20.0) if self.faults else 0.02

    def lost(self) -> bool:
        return self.faults and self.dice.random() < 0.05

    def reachable(self) -> bool:
        return self.cut is None or not self.cut[0] <= self.now < self.cut[1]

    def run(self) -> None:
        """Until everything is confirmed."""
        made = 0
        while made < self.frames or self.outbox.depth()[0]:
            if made < self.frames and self.dice.random() < 0.5:
                self.outbox.append(b"x")
                made += 1
            if self.faults:
                self.faulty()
            for action in self.session.poll(self.now):
                self.act(action)
            self.most_in_flight = max(self.most_in_flight, self.session.in_flight)
            self.now += 0.05
            while self._events and self._events[0][0] <= self.now:
                heapq.heappop(self._events)[2]()
            assert self.now < 40_000, "the simulation does not come to an end"

    def faulty(self) -> None:
        roll = self.dice.random()
        if roll < 0.002:  # the agent dies: its memory is gone, the outbox stays
            self.connection += 1
            self.session = self.fresh()
        elif roll < 0.006 and self.session.state is State.ONLINE:  # the connection or the broker dies
            self.connection += 1
            self.session.lost(self.now)

    def act(self, action: Connect | Disconnect | Publish) -> None:
        if isinstance(action, Publish):
            self.publish(action.item, self.connection)
            return
        self.attempts += isinstance(action, Connect)
        if isinstance(action, Connect) and self.reachable() and not self.lost():
            self.connection += 1
            self.session.connected(self.now)
        else:
            self.connection += 1
            self.session.lost(self.now)

    def publish(self, item: Item, connection: int) -> None:
        if not self.reachable() or self.lost():
            return  # no acknowledgement will come: a half-open connection
        self.later(self.delay(), lambda: self.at_broker(item, connection))

    def at_broker(self, item: Item, connection: int) -> None:
        def acknowledge() -> None:
            if connection == self.connection:
                self.session.acknowledged(item.id, self.now)

        if not self.lost():
            self.later(self.slow, acknowledge)
        if self.lost():
            return  # the broker died before the store had it
        for _ in range(2 if self.faults and self.dice.random() < 0.1 else 1):
            self.later(self.delay(), lambda: self.at_store(item))

    def at_store(self, item: Item) -> None:
        self.stored[item.sequence] = self.stored.get(item.sequence, 0) + 1
        self.order.append(item.sequence)

        def receipt() -> None:
            if self.session.state is State.ONLINE:  # the broker takes it to whatever connection the node has then
                self.session.received(item.boot, [(item.sequence, item.sequence)])

        if not self.lost():
            self.later(self.delay(), receipt)


@pytest.mark.parametrize("seed", range(12))
def test_nothing_is_lost_whatever_is_lost_repeated_delayed_or_dies(seed: int) -> None:
    world = World(seed, frames=300)
    world.run()
    assert sorted(world.stored) == list(range(300))
    assert world.most_in_flight <= 16
    assert world.session.confirmed <= 300


def test_the_simulation_really_has_faults() -> None:
    world = World(3, frames=300)
    world.run()
    assert max(world.stored.values()) > 1
    assert world.order != sorted(world.order)
    assert world.connection > 3


def test_ten_minutes_without_network_and_then_everything_in_order_within_the_window() -> None:
    world = World(1, frames=12_100, cut=(5.0, 605.0), faults=False)
    world.run()
    assert world.now > 605
    assert sorted(world.stored) == list(range(12_100))
    first_time = list(dict.fromkeys(world.order))
    assert first_time == sorted(first_time)
    assert world.most_in_flight <= 16


def test_a_broker_that_refuses_for_an_hour_is_asked_seldom_and_then_gets_all() -> None:
    world = World(2, frames=100, cut=(0.0, 3600.0), faults=False)
    world.run()
    assert sorted(world.stored) == list(range(100))
    assert world.attempts < 200
    assert world.now < 3600 + 90
    assert world.order == list(range(100))


@pytest.mark.parametrize("slow", [5.0, 25.0, 45.0])
def test_slow_acknowledgements_cost_time_and_no_frame(slow: float) -> None:
    """Below the time-out nothing is sent twice; beyond it connections are given up, and receipts still free frames."""
    world = World(3, frames=200, faults=False, slow=slow)
    world.run()
    assert sorted(world.stored) == list(range(200))
    assert (max(world.stored.values()) > 1) == (world.session.resent > 0)
    if slow < 30:
        assert world.session.resent == 0
        assert world.attempts == 1


@pytest.mark.parametrize("seed", range(4))
def test_faults_and_a_cut_together_lose_nothing(seed: int) -> None:
    world = World(100 + seed, frames=150, cut=(20.0, 120.0), slow=2.0)
    world.run()
    assert sorted(world.stored) == list(range(150))
    assert world.most_in_flight <= 16


def test_frames_that_the_store_cannot_read_hold_no_others_up_and_are_tried_again() -> None:
    session = Session(box(100), window=8, receipt_timeout=20)
    online(session)
    boot, sent = items(session)[0].boot, list[tuple[int, int]]()
    unreadable = range(20)
    for now in range(4000):
        for action in session.poll(float(now)):
            assert isinstance(action, Publish)
            sent.append((now, action.item.sequence))
            session.acknowledged(action.item.id, float(now))
            if action.item.sequence not in unreadable:
                session.received(boot, [(action.item.sequence, action.item.sequence)])
        assert session.in_flight <= 8
    assert [i.sequence for i in items(session)] == list(unreadable)
    assert next(now for now, sequence in sent if sequence == 99) < 2500
    assert sum(sequence == 0 for _, sequence in sent) >= 5
    assert len(sent) < 400
