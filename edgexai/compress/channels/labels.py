"""Labels of channels: which element of which tensor belongs to which channel, and which channels are one.

A union-find over labels in which FROZEN, the label of what must stay, is always the root of what it is united with.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgexai.graph import Graph

FROZEN = 0
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Line:
    """Along ``axis`` of a tensor lie channels with these ``labels``."""

    axis: int
    labels: Labels


class Labelling:
    """One label for each element of each computed tensor, and which labels are the same."""

    def __init__(self, graph: Graph, whole_groups: bool = False) -> None:
        self.graph = graph
        self.whole_groups = whole_groups
        self.labels: dict[int, Labels] = {}
        self.reads: dict[int, Labels] = {}
        self.parent = np.zeros(1, np.int64)
        for t in graph.inputs:
            self.labels[t] = np.zeros(graph.tensors[t].shape, np.int64)

    # --- union-find, FROZEN always the root

    def roots(self, labels: Labels) -> Labels:
        return self.parent[labels]

    def unite(self, a: Labels, b: Labels) -> None:
        pairs = np.unique(np.stack([self.roots(a).ravel(), self.roots(b).ravel()], axis=1), axis=0)
        for one, other in pairs:
            low, high = sorted((self.parent[one], self.parent[other]))
            if low != high:
                self.parent[self.parent == high] = low

    def fresh(self, count: int) -> Labels:
        start = len(self.parent)
        self.parent = np.concatenate([self.parent, np.arange(start, start + count)])
        return np.arange(start, start + count)

    def freeze(self, t: int) -> None:
        if t in self.labels:
            self.unite(self.labels[t], np.zeros_like(self.labels[t]))

    def straighten(self, t: int) -> None:
        """Unite the labels of a tensor until they lie along one axis: channels cut into heads go a head at a time."""
        labels = self.roots(self.labels[t])
        if not labels.any() or any(_is_straight(labels, a) for a in range(labels.ndim)):
            return
        varies = [a for a in range(labels.ndim) if not np.all(labels == labels.take([0], a))]
        rows = np.moveaxis(labels, varies[0], 0).reshape(labels.shape[varies[0]], -1)
        self.unite(rows, np.broadcast_to(rows[:, :1], rows.shape))

    def axis_of(self, t: int) -> tuple[int, Labels]:
        """The axis that a tensor's labels lie along, and the labels; -1 for a tensor without free channels."""
        labels = self.roots(self.labels.get(t, np.zeros(self.graph.tensors[t].shape, np.int64)))
        axis = next((a for a in range(labels.ndim) if _varies_along(labels, a)), -1)
        if axis < 0:
            self.freeze(t)
            return axis, np.zeros(1, np.int64)
        return axis, np.moveaxis(labels, axis, -1).reshape(-1, labels.shape[axis])[0]

    # --- lines

    def along(self, t: int, axis: int = -1) -> Labels:
        """The labels along an axis; frozen if they differ along another one."""
        labels = self.roots(self.labels[t])
        line = np.moveaxis(labels, axis, -1).reshape(-1, labels.shape[axis])
        if not np.all(line == line[0]):
            self.freeze(t)
        return np.asarray(line[0])

    def spread(self, t: int, line: Labels) -> None:
        """Give a tensor labels along its last axis."""
        self.labels[t] = np.broadcast_to(line, self.graph.tensors[t].shape)

    def straight(self) -> dict[int, Line]:
        """One line for each tensor that has free channels; freezes those that lie along no single axis, and those
        that are one channel altogether, of which nothing would be left."""
        while True:
            lines, crooked = {}, []
            for t, labels in self.labels.items():
                labels = self.roots(labels)
                if not labels.any():
                    continue
                axis = next((a for a in range(labels.ndim) if _varies_along(labels, a)), None)
                if axis is None:
                    crooked.append(t)
                else:
                    lines[t] = Line(axis, np.moveaxis(labels, axis, -1).reshape(-1, labels.shape[axis])[0])
            if not crooked:
                return lines
            for t in crooked:
                self.freeze(t)


def _is_straight(labels: Labels, axis: int) -> bool:
    line = np.moveaxis(labels, axis, -1).reshape(-1, labels.shape[axis])
    return bool(np.all(line == line[0]))


def _varies_along(labels: Labels, axis: int) -> bool:
    """Whether labels differ along this axis, and along no other one."""
    return bool(np.any(labels != labels.take([0], axis))) and _is_straight(labels, axis)
