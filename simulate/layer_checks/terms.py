"""Sums of the absolute values of the terms that cancel: the unit of a derivative's rounding error.

Each formula is that of `bnproof.theory.normalizers.groups` with every minus turned into a plus and
every number into its absolute value.  It serves as a scale only; values come from automatic
differentiation.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from bnproof.simulate.layer_checks.spec import NormalizerSpec


@dataclass(frozen=True)
class GroupTerms:
    """Terms of a normaliser at a tensor x, in the form (groups, m); directions stand in front."""

    spec: NormalizerSpec
    x: Tensor
    constant: float | None = None

    @cached_property
    def u(self) -> Tensor:
        """The groups."""
        return self.spec.axis.fold(self.x.detach())

    @cached_property
    def S(self) -> Tensor:
        """The scale, (groups, 1)."""
        given = self.spec.constant(self.x.dtype) if self.constant is None else self.constant
        return self.spec.scale(self.u, given)

    def centred(self, size: Tensor) -> Tensor:
        """Terms of a vector less its mean, for a vector of that size."""
        kind = self.spec.kind
        cancels = kind.centred or kind.scale_centred
        return size + size.mean(-1, keepdim=True) if cancels else size

    @cached_property
    def n(self) -> Tensor:
        """Terms of the normalised group."""
        return self.centred(self.u.abs()) / self.S

    @cached_property
    def slope(self) -> Tensor:
        """Terms of ``m S'``: |x/S|^(p-1)."""
        power, m = self.spec.kind.power, self.u.shape[-1]
        total = m if self.spec.kind.total else 1
        if math.isinf(power):
            largest = self.u.abs().argmax(-1)
            return torch.nn.functional.one_hot(largest, m).to(self.u) * m
        return total * self.n ** (power - 1)

    @cached_property
    def bend(self) -> Tensor:
        """Terms of the diagonal of ``m S S''``: (p-1)|x/S|^(p-2)."""
        power = self.spec.kind.power
        if math.isinf(power) or power == 1:
            return torch.zeros_like(self.n)
        x = self.u - self.u.mean(-1, keepdim=True) if self.spec.kind.scale_centred else self.u
        return (power - 1) * (x / self.S).abs() ** (power - 2)

    def along_scale(self, h: Tensor) -> Tensor:
        """Terms of ``<w,h>`` for groups of directions h."""
        return (self.slope * self.centred(h.abs())).mean(-1, keepdim=True)

    def first(self, h: Tensor) -> Tensor:
        """Terms of ``Dn[h]``."""
        return (self.centred(h.abs()) + self.along_scale(h) * self.n) / self.S

    def second(self, h: Tensor, k: Tensor) -> Tensor:
        """Terms of ``D2n[h, k]``."""
        Ah, Ak = self.centred(h.abs()), self.centred(k.abs())
        wh, wk = self.along_scale(h), self.along_scale(k)
        power = self.spec.kind.power
        along = abs(power - 1) * wh * wk if math.isfinite(power) else 0.0
        W = (self.bend * Ah * Ak).mean(-1, keepdim=True) + along
        return (wk * Ah + wh * Ak + (2 * wh * wk + W) * self.n) / self.S**2


def output_terms(
    spec: NormalizerSpec, x: Tensor, state: dict[str, Tensor], constant: float | None = None
) -> Tensor:
    """Terms of the output z, of the shape of x."""
    n = spec.axis.unfold(GroupTerms(spec, x, constant).n, x.shape)
    return (spec.gamma(state, x).abs() * n + spec.beta(state, x).abs()).detach()


def gradient_terms(
    spec: NormalizerSpec,
    x: Tensor,
    state: dict[str, Tensor],
    g: Tensor,
    constant: float | None = None,
) -> Tensor:
    """Terms of the gradient at x for a gradient of entries at most g at z, of the shape of x."""
    terms = GroupTerms(spec, x, constant)
    f = spec.axis.fold(g.abs() * spec.gamma(state, x).detach().abs())
    w = (terms.slope + terms.slope.mean(-1, keepdim=True)) * (f * terms.n).mean(-1, keepdim=True)
    return spec.axis.unfold((terms.centred(f) + w) / terms.S, x.shape)
