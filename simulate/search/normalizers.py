"""Search space of groups through a normaliser: activations u, gradient f at the output, eps.

The symbols of one group depend on the loss only through its gradient f at the normalised group, so
``L = <f,n>`` is the general case.  The axis only decides which entries form a group.
"""

import math
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Final

import sympy as sp
import torch
from torch import Tensor

from bnproof.simulate.samplers.base import Measurements, dot
from bnproof.simulate.samplers.definitions.normalizers import FEATURES, KINDS, Kind
from bnproof.simulate.samplers.normalizers import Measured, Problems, admitted
from bnproof.simulate.search.base import (
    Boxed,
    Exact,
    Params,
    Point,
    normal,
    spoken,
    written,
)
from bnproof.theory.claim import ExactCase
from bnproof.theory.exact import normalizers as exact_normalizers
from bnproof.theory.normalizers.table import NORMALIZERS

LEAST: Final = 1 / 8  # bound on the scale of a group; smaller values only change units
SAMPLES: Final = 3  # as in the layout `FEATURES` of the sampler
NAMES: Final = tuple(KINDS)
SIZES: Final = (2, 3, 5)  # entries of a group


def _name(params: Params | Point) -> str:
    return NAMES[int(params["kind"].reshape(-1)[0])]


class GroupSpace(Boxed):
    """Groups through each normaliser that the domain allows.

    Exact data go to `bnproof.theory.exact.normalizers.group`.
    """

    known = frozenset(Measured.VALUES)
    fixed = frozenset({"kind"})

    def __init__(self, symbols: frozenset[sp.Symbol], domain: sp.Basic) -> None:
        super().__init__(symbols, domain)
        self.free: dict[str, bool] = {}
        names: dict[Kind, str] = {}
        for name, values in admitted(domain).items():
            free = max(values) > 0
            kind = replace(KINDS[name], layout=FEATURES)
            names.setdefault(kind if free else replace(kind, eps_at=""), name)
            self.free[name] = free
        # Normalisers that differ only in their axis, or in the place of eps = 0, are searched once.
        distinct = list(names.values())
        self.sizes = tuple((name, size) for size in SIZES for name in distinct)
        # Exponents other than 2 are harder.
        chosen = next((name for name in distinct if KINDS[name].power == 1), distinct[0])
        self.usual = (chosen, SIZES[-1])

    def random(self, count: int, size: tuple[str, int], generator: torch.Generator) -> Params:
        """Gaussian groups with random means, Gaussian gradients, log-normal eps."""
        draw = normal(count, generator)
        name, entries = size
        return {
            "u": draw(entries) + draw(1),
            "f": draw(entries),
            "eps": draw(1).exp() * self.free[name],
            "kind": torch.full((count, 1), NAMES.index(name), dtype=torch.float64),
        }

    def project(self, params: Params) -> None:
        """Keep entries in the box, eps in the domain, and the scale of u away from 0."""
        super().project(params)
        name, u = _name(params), params["u"]
        kind = KINDS[name]
        params["eps"].clamp_(0.0, math.inf if self.free[name] else 0.0)
        mean = u.mean(-1, keepdim=True) if kind.centred or kind.scale_centred else 0 * u[:, :1]
        size = (u - mean).square().mean(-1, keepdim=True).sqrt()
        u.copy_(mean + (u - mean) * (LEAST / size.clamp(min=1e-300)).clamp(min=1))

    def posed(self, params: Params) -> Tensor:
        """Groups with a positive scale."""
        return KINDS[_name(params)].scale(params["u"].detach(), params["eps"].detach())[:, 0] > 0

    def measured(self, params: Params, *, graph: bool = False) -> Measurements:
        """Symbols as the sampler ``normalizers`` measures them, as features of equal samples."""
        u, f = params["u"], params["f"]
        x = u[:, None, :, None].expand(-1, SAMPLES, -1, -1)
        gamma = torch.ones_like(u)[:, None, :, None]
        kind = replace(KINDS[_name(params)], layout=FEATURES)
        problems = Problems(kind, u.shape[-1], x, gamma, params["eps"], lambda z: dot(f, z))
        return Measured(problems, graph=graph)

    def repaired(self, point: Point) -> Point | None:
        """The point itself, or None if its scale is 0 or eps is outside the domain."""
        u, constant, kind = point["u"], point["eps"].item(), KINDS[_name(point)]
        zero = len(set(u)) == 1 if kind.centred or kind.scale_centred else not u.any()
        legal = constant >= 0 if self.free[_name(point)] else constant == 0
        return None if zero or not legal else point

    def exact(self, point: Point) -> Exact:
        """An `ExactCase` of `bnproof.theory.exact.normalizers.group`."""
        name, (u, f), constant = _name(point), (point["u"], point["f"]), point["eps"].item()
        options: dict[str, Fraction | sp.Rational] = {}
        words = f"{name}, u = {spoken(u)}, f = {spoken(f)}, eps = {constant}"
        if constant:
            options["eps"] = constant
        if name not in {kind.name for kind in NORMALIZERS}:
            options["power"] = sp.Rational(KINDS[name].power)
            name = name.replace(name.split()[0], "l_p")
        values = partial(exact_normalizers.group, name, u.tolist(), f.tolist(), **options)
        more = "".join(f', {key}="{value}"' for key, value in options.items())
        call = f'partial(exact_normalizers.group, "{name}", {written(u)}, {written(f)}{more})'
        return Exact(ExactCase(words, values), words, f'ExactCase(\n    "{words}",\n    {call},\n)')
