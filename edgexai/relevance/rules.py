"""The rules of layer-wise relevance propagation for linear layers, in one form.

A layer's relevance R goes to its inputs in *shares*. One share has a denominator z, the sum of what its *parts*
let through, and gives input i of each part

    R_i = factor · x_i · Σ_j w_ij · R_j / (z_j + sign(z_j) · stabilizer)

so that a rule says only which inputs, weights and biases its parts take. Conventions are zennit's (Anders et al.,
arXiv:2106.13200): sign(0) = +1, the bias belongs to the denominator, negative inputs are treated too.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from edgexai.checks import finite_number
from edgexai.errors import ConfigError

Array = NDArray[Any]
TINY = 1e-20
"""Keeps a denominator from zero, and has no units: no map is as small as this."""
Modify = Callable[[Array], Array]


def same(w: Array) -> Array:
    """The weights as they are."""
    return w


def positive(w: Array) -> Array:
    """Their positive part; int8 stays int8."""
    return np.maximum(w, np.zeros((), w.dtype))


def negative(w: Array) -> Array:
    """Their negative part; int8 stays int8."""
    return np.minimum(w, np.zeros((), w.dtype))


def none(b: Array) -> Array:
    """No bias."""
    return np.zeros_like(b)


@dataclass(frozen=True)
class Part:
    """Which inputs meet which weights: all of ``x``, its positive or negative side, or one constant everywhere."""

    x: Literal["all", "positive", "negative"] | float
    weight: Modify = same
    bias: Modify = same
    sign: int = 1


@dataclass(frozen=True)
class Share:
    """Parts with one denominator; ``sign`` of it if that is certain, ``where`` outputs of that sign take part."""

    parts: tuple[Part, ...]
    factor: float = 1.0
    sign: Literal[-1, 0, 1] = 0
    where: Literal[-1, 0, 1] = 0


NUMBERS = {"stabilizer": 0, "bias": 0, "alpha": 0, "beta": 0, "gamma": 0, "low": None, "high": None}
"""Parameters of rules, and their least values."""


@dataclass(frozen=True)
class Rule:
    """Base of the rules; ``stabilizer`` keeps denominators from zero."""

    stabilizer: float = 1e-6
    homogeneous: ClassVar[bool] = True
    """Whether scaling the weights scales numerator and denominator alike."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name in NUMBERS:
                finite_number(f"{field.name} of {type(self).__name__}", getattr(self, field.name), NUMBERS[field.name])

    def shares(self) -> tuple[Share, ...]:
        """The parts that the rule adds up; ConfigError if a rule of one's own does not say them."""
        raise ConfigError(f"the rule {type(self).__name__} does not say its shares; give it a method shares()")


@dataclass(frozen=True)
class Epsilon(Rule):
    """LRP-ε: shares in proportion to x·w (Bach et al. 2015, eq. 58)."""

    def shares(self) -> tuple[Share, ...]:
        return (Share((Part("all"),)),)


@dataclass(frozen=True)
class Norm(Epsilon):
    """By share of the sum, as ADD, MEAN, resizing and average pools do unless a composite says otherwise."""


@dataclass(frozen=True)
class NormPlus(Norm):
    """By share of what has the sign of the sum: z⁺ for sums of maps. The shares lie between 0 and 1."""


@dataclass(frozen=True)
class Pass(Rule):
    """Relevance goes through unchanged; for operators with one input of the output's shape."""


@dataclass(frozen=True)
class ZPlus(Rule):
    """LRP-z⁺: only what speaks for the output (Montavon et al. 2017, eq. 17).

    Without ``bias`` the shares of the inputs lie between 0 and 1 and add up to 1: what a bias adds, the inputs that
    speak for the output take, and nothing is lost but where no input speaks for it.
    """

    bias: float = 1.0

    def shares(self) -> tuple[Share, ...]:
        of_bias = positive if self.bias else none
        return (Share((Part("positive", positive, of_bias), Part("negative", negative, none)), sign=1),)


@dataclass(frozen=True)
class AlphaBeta(Rule):
    """LRP-αβ: what speaks for the output by α, what speaks against it by -β, α - β = 1 (Bach et al. 2015, eq. 60)."""

    alpha: float = 2.0
    beta: float = 1.0

    def shares(self) -> tuple[Share, ...]:
        speaks_for = (Part("positive", positive, positive), Part("negative", negative, none))
        against = (Part("positive", negative, negative), Part("negative", positive, none))
        return Share(speaks_for, self.alpha, sign=1), Share(against, -self.beta, sign=-1)


@dataclass(frozen=True)
class Gamma(Rule):
    """LRP-γ: favours what has the sign of the output (Montavon et al. 2019; signed form of Andéol et al. 2021)."""

    gamma: float = 0.25

    def shares(self) -> tuple[Share, ...]:
        def up(w: Array) -> Array:
            return np.asarray(w + np.float32(self.gamma) * positive(w), np.float32)

        def down(w: Array) -> Array:
            return np.asarray(w + np.float32(self.gamma) * negative(w), np.float32)

        above = (Part("positive", up, up), Part("negative", down, none))
        below = (Part("positive", down, down), Part("negative", up, none))
        return Share(above, where=1), Share(below, where=-1)


@dataclass(frozen=True)
class Flat(Rule):
    """The flat rule: every input of the window alike, whatever it holds (Lapuschkin et al. 2017)."""

    def shares(self) -> tuple[Share, ...]:
        return (Share((Part(1.0, np.ones_like, none),), sign=1),)


@dataclass(frozen=True)
class WSquare(Rule):
    """LRP-w²: in proportion to the squared weight (Montavon et al. 2017, eq. 12)."""

    homogeneous: ClassVar[bool] = False

    def shares(self) -> tuple[Share, ...]:
        def square(w: Array) -> Array:
            return np.square(w.astype(np.float32))

        return (Share((Part(1.0, square, square),), sign=1),)


@dataclass(frozen=True)
class ZBox(Rule):
    """LRP-zᴮ: for inputs between ``low`` and ``high``, as pixels are (Montavon et al. 2017, eq. 16)."""

    low: float = 0.0
    high: float = 1.0

    def shares(self) -> tuple[Share, ...]:
        parts = (Part("all"), Part(self.low, positive, positive, -1), Part(self.high, negative, negative, -1))
        return (Share(parts, sign=1),)
