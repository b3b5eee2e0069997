"""Normalisers of tensors, from primitives: which entries form a group, and what it is divided by.

A tensor has the shape (K, B, C, T): K problems, B samples, C channels, T positions.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from torch import Tensor

from bnproof.theory.normalizers import groups as sym
from bnproof.theory.normalizers.table import NORMALIZERS, Axis, Normalizer


@dataclass(frozen=True)
class Layout:
    """Which entries of (B, C, T) form a group, for a group of m entries.

    Attributes
    ----------
    shape
        (B, C, T) for a group size m.
    group
        Rearranges a tensor (K, B, C, T) to (K, groups, m), given m.
    """

    shape: Callable[[int], tuple[int, int, int]]
    group: Callable[[Tensor, int], Tensor]


def _samples(x: Tensor, size: int) -> Tensor:
    return x.reshape(len(x), -1, size)


def _channels(x: Tensor, size: int) -> Tensor:
    return x.transpose(1, 2).reshape(len(x), -1, size)


BATCH: Final = Layout(lambda size: (size, 2, 1), _channels)
FEATURES: Final = Layout(lambda size: (3, size, 1), _samples)
CHANNEL_GROUPS: Final = Layout(lambda size: (3, 2 * size, 1), _samples)
SPACE: Final = Layout(lambda size: (3, 2, size), _samples)


@dataclass(frozen=True)
class Kind:
    """A normaliser for tensors: layout, centring, exponent, and place of eps."""

    layout: Layout = BATCH
    centred: bool = True
    scale_centred: bool = True
    power: float = 2.0
    eps_at: str = ""  # "inside" the root, "outside", or nowhere
    total: bool = False  # sum of powers instead of their mean

    def scale(self, u: Tensor, constant: Tensor) -> Tensor:
        """S of each group (..., m), keeping the last axis."""
        x = u - u.mean(-1, keepdim=True) if self.scale_centred else u
        # The square of the power mean, whose root may have no derivative at 0, comes first.
        exponent = 2.0 if self.eps_at == "inside" else 1.0
        if math.isinf(self.power):
            mean = x.abs().amax(-1, keepdim=True) ** exponent
        else:
            powers = x.abs() ** self.power
            average = powers.sum(-1, keepdim=True) if self.total else powers.mean(-1, keepdim=True)
            mean = average ** (exponent / self.power)
        if self.eps_at == "inside":
            return (mean + constant).sqrt()
        return mean + constant if self.eps_at == "outside" else mean

    def normalise(self, u: Tensor, constant: Tensor) -> Tensor:
        """Numerator over scale for each group (..., m)."""
        top = u - u.mean(-1, keepdim=True) if self.centred else u
        return top / self.scale(u, constant)


POWERS: Final = {"1": 1.0, "3/2": 1.5, "2": 2.0, "4": 4.0, "inf": math.inf}
LAYOUTS: Final = {
    Axis.UNIT: BATCH,
    Axis.FEATURES: FEATURES,
    Axis.CHANNELS: CHANNEL_GROUPS,
    Axis.SPACE: SPACE,
    Axis.WEIGHTS: FEATURES,
}


def _kinds() -> Iterator[tuple[str, Kind]]:
    """The normalisers of the table; families, with the symbol p, for the powers `POWERS`."""
    families = [replace(entry, name="") for entry in NORMALIZERS if entry.power == sym.p]
    for entry in NORMALIZERS:
        if entry.power == sym.p:
            powers = {entry.name.replace("l_p", f"l_{q}"): power for q, power in POWERS.items()}
        elif replace(entry, name="", power=sym.p) in families:
            continue  # the family stands for it
        else:
            powers = {entry.name: float(entry.power)}
        for name, power in powers.items():
            yield name, kind(entry, power)


def kind(entry: Normalizer, power: float) -> Kind:
    """The normaliser of an entry of the table, for one value of its exponent."""
    return Kind(
        *(LAYOUTS[entry.axis], entry.centred, entry.scale_centred),
        *(power, entry.eps_at, entry.total),
    )


KINDS: Final = dict(_kinds())
