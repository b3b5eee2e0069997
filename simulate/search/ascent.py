"""An adversary against an inequality: projected ascent on its violation, many restarts at once.

The relation is the SymPy object that is proved and printed.  Its sides are followed uphill by
automatic differentiation over everything that a `bnproof.simulate.search.base.SearchSpace` leaves
open; every point passed is judged against rounding, as in `bnproof.simulate.check`, and the best
ones are measured again by the samplers of that check.  A violation becomes exact data in
`bnproof.simulate.search.rationalise`.
"""

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import sympy as sp
import torch
from torch import Tensor
from tqdm import tqdm

from bnproof.simulate.relation import compare, inside
from bnproof.simulate.samplers.base import chunks
from bnproof.simulate.search import rationalise
from bnproof.simulate.search.adam import Adam
from bnproof.simulate.search.base import Params, SearchSpace
from bnproof.simulate.search.inequality import Verdicts, contest
from bnproof.theory.claim import Claim
from bnproof.theory.common.errors import UserError
from bnproof.theory.symbols import text

# Modules and the spaces in them; the first that has all symbols of a claim is searched.
SPACES: Final = (
    ("layer", "LayerSpace"),
    ("minimax", "RegressionSpace"),
    ("least_squares", "PairSpace"),
    ("earth_mover", "SampleSpace"),
    ("sgd", "BatchSpace"),
    ("normalizers", "GroupSpace"),
    ("weights", "UnitSpace"),
    ("weights", "WholeSpace"),
)
RATE: Final = (0.3, 0.01)  # step of Adam, first and last
BLENDS: Final = (1e-3, 1.0)  # how much of the terms' size the restarts add to that of the sides
EQUAL: Final = 1e-9  # ratios that differ by less are the same but for rounding
CHUNK: Final = 2_000  # restarts that run at once


@dataclass(frozen=True)
class AscentResult:
    """What K restarts found at one size.

    Attributes
    ----------
    worst, tightest
        For each restart the point of largest scaled excess and of largest ratio that it passed.
    violated
        Restarts whose worst point, measured again, breaks the relation inside the domain, (K,).
    excess, ratio
        Scaled excess there, (K,), and ratio of both sides at the tightest point, (K,); NaN where
        the restart never came inside the domain, or never had a ratio.
    """

    size: Any
    worst: Params
    tightest: Params
    violated: Tensor
    excess: Tensor
    ratio: Tensor


@dataclass(frozen=True)
class Attack:
    """Result of an attack on one claim.

    Attributes
    ----------
    configurations
        Points at which the relation was judged: ascents times steps.
    ascents
        Restarts at all sizes together.
    violations
        Restarts that ended in a violation confirmed by the samplers of `bnproof.simulate.check`.
    refutation
        The violation as exact data confirmed by `bnproof.theory.exact.evaluate.check`, or None.
    ratio
        Largest ratio of left to right side, NaN if no point had one; `case` holds its data.
    ratios
        The largest ratio of each restart.
    """

    configurations: int
    ascents: int
    violations: int
    refutation: rationalise.Refutation | None
    ratio: float
    case: dict[str, Any]
    ratios: np.ndarray = field(repr=False)


def space_of(claim: Claim) -> SearchSpace:
    """Return the space whose symbols are those of the claim; its means are not looked at.

    Raises
    ------
    UserError
        If the claim is no inequality ``<=``, or no space has all its symbols.
    """
    if not isinstance(claim.relation, sp.LessThan):
        raise UserError(f"{claim.id} is no inequality <=; an adversary has nothing to climb")
    symbols = frozenset(claim.relation.free_symbols | claim.domain.free_symbols)
    missing = symbols
    for kind in _spaces():
        if symbols <= kind.known:
            space: SearchSpace = kind(symbols, claim.domain)
            return space
        missing = min(missing, symbols - kind.known, key=len)
    names = ", ".join(sorted(map(text, missing)))
    raise UserError(f"{claim.id}: no space to search has the symbols {names}")


def _spaces() -> Iterator[Any]:
    """The classes of `SPACES`, each imported when it is asked for."""
    for module, name in SPACES:
        yield getattr(importlib.import_module(f"bnproof.simulate.search.{module}"), name)


def attack(
    claim: Claim,
    *,
    restarts: int = 400,
    steps: int = 80,
    seed: int = 0,
    device: str = "cpu",
    simplify: bool = True,
    confirm: bool = True,
    sizes: Sequence[Any] | None = None,
) -> Attack:
    """Attack one claim at every size of its space, smallest first, until it is refuted exactly.

    Parameters
    ----------
    claim
        Its relation and domain are used; its means are not looked at.
    restarts, steps
        Ascents at each size, and steps of each.
    seed
        Everything random is drawn from it, on the CPU.
    device
        Where PyTorch computes.
    simplify
        Whether a refutation is made as simple as possible, which takes most of the time.
    confirm
        Whether violations are turned into exact data at all.
    sizes
        Sizes to attack, by default all of the space (`SearchSpace.sizes`).

    Raises
    ------
    UserError
        If `restarts` or `steps` is below 1, or no space fits the claim (`space_of`).
    """
    for name, value in (("restarts", restarts), ("steps", steps)):
        if value < 1:
            raise UserError(f"{name} = {value}: give 1 or more")
    space = space_of(claim)
    climbs, refutation = [], None
    jobs = list(chunks(sizes or space.sizes, restarts, CHUNK, seed))
    progress = tqdm(jobs, desc=claim.id, unit="climb", disable=None, leave=False)
    for size, count, stream in progress:
        one = climb(claim, space, size, count, steps, stream, device)
        climbs.append(one)
        if confirm and one.violated.any():
            order = one.excess.masked_fill(~one.violated, -torch.inf).argsort(descending=True)
            bad = order[: int(one.violated.sum())].tolist()
            refutation = rationalise.refutation(claim, space, one.worst, bad, simplify=simplify)
            if refutation is not None:
                break
    progress.close()
    return _result(climbs, refutation, steps)


def _result(
    climbs: list[AscentResult], refutation: rationalise.Refutation | None, steps: int
) -> Attack:
    ratios = torch.cat([one.ratio.cpu() for one in climbs]).numpy()
    best = [one.ratio.nan_to_num(-torch.inf).max().item() for one in climbs]
    # Of cases that are equally tight the smallest is shown.
    near = (one for one, ratio in zip(climbs, best, strict=True) if ratio >= max(best) - EQUAL)
    tight = next(near)
    index = int(tight.ratio.nan_to_num(-torch.inf).argmax())
    known = bool(torch.isfinite(tight.ratio[index]))
    data = {name: tensor[index].tolist() for name, tensor in tight.tightest.items()}
    return Attack(
        configurations=len(ratios) * steps,
        ascents=len(ratios),
        violations=sum(int(one.violated.sum()) for one in climbs),
        refutation=refutation,
        ratio=tight.ratio[index].item() if known else float("nan"),
        case=data if known else {},
        ratios=ratios[np.isfinite(ratios)],
    )


def climb(
    claim: Claim,
    space: SearchSpace,
    size: Any,
    restarts: int,
    steps: int,
    seed: int,
    device: str = "cpu",
) -> AscentResult:
    """Run `restarts` ascents of `steps` steps at one size.

    The height is ``(lhs - rhs)/(|lhs| + |rhs| + c*terms)`` less the distance to the domain.  It
    is above 0 exactly where the relation fails, and does not change with the unit of the loss.
    With c near 0 it grows with the ratio of the sides; with c near 1 it has a slope even where
    they have opposite signs.  Restarts share the values of c out.
    """
    judge = contest(claim.relation, claim.domain)
    generator = torch.Generator().manual_seed(seed)
    drawn = space.random(restarts, size, generator)
    params = {name: tensor.to(device) for name, tensor in drawn.items()}
    space.project(params)
    for tensor in params.values():
        tensor.requires_grad_()
    low, high = np.log10(BLENDS)
    blend = torch.logspace(low, high, restarts, dtype=torch.float64, device=device)
    best = _Best(params)
    ascent = Adam(params.values())
    for step in range(steps):
        rate = RATE[0] * (RATE[1] / RATE[0]) ** (step / max(1, steps - 1))
        model = space.model(params)
        sides = judge.sides(model)
        found = judge.judge(model, sides)
        best.keep(params, found, space.posed(params))
        height = sides.height(blend) - judge.outside(model)
        slopes = torch.autograd.grad(height.sum(), list(params.values()), allow_unused=True)
        for tensor, slope in zip(params.values(), slopes, strict=True):
            # At a kink or a pole there is no slope: that restart stays where it is.
            tensor.grad = None if slope is None else slope.nan_to_num(0.0, 0.0, 0.0)
        ascent.step(rate)
        with torch.no_grad():
            space.project(params)
    return _measured(claim, space, size, best)


class _Best:
    """The points of largest excess and of largest ratio that each restart passed."""

    def __init__(self, params: Params) -> None:
        self.points = {
            name: {key: tensor.detach().clone() for key, tensor in params.items()}
            for name in ("worst", "tightest")
        }
        start = torch.full_like(next(iter(params.values())).detach().flatten(1)[:, 0], -torch.inf)
        self.value = {name: start.clone() for name in self.points}

    def keep(self, params: Params, found: Verdicts, posed: Tensor) -> None:
        """Compare the points of this step with the best so far."""
        for name, value in (("worst", found.excess), ("tightest", found.ratio)):
            better = posed & found.inside & (value > self.value[name])  # False for NaN
            self.value[name] = torch.where(better, value, self.value[name])
            for key, tensor in params.items():
                wide = better.reshape(-1, *[1] * (tensor.dim() - 1))
                self.points[name][key] = torch.where(wide, tensor.detach(), self.points[name][key])


def _measured(claim: Claim, space: SearchSpace, size: Any, best: _Best) -> AscentResult:
    """Measure the best points again, by the samplers of the general check."""
    judge = contest(claim.relation, claim.domain)
    there = best.value["worst"] > -torch.inf
    violated = torch.zeros_like(there)
    excess, ratio = (torch.full_like(value, torch.nan) for value in best.value.values())
    if there.any():
        measured = space.recorded(_some(best.points["worst"], there))
        within = inside(claim.domain, measured).to(there.device)
        compared = compare(claim.relation, measured)
        violated[there] = compared.violated & within
        excess[there] = torch.where(within, compared.excess, torch.nan)
    tight = best.value["tightest"] > -torch.inf
    if tight.any():
        measured = space.recorded(_some(best.points["tightest"], tight))
        found = judge.judge(measured, judge.sides(measured))
        ratio[tight] = torch.where(found.inside, found.ratio, torch.nan)
    return AscentResult(
        size, best.points["worst"], best.points["tightest"], violated, excess, ratio
    )


def _some(params: Params, which: Tensor) -> Params:
    return {name: tensor[which] for name, tensor in params.items()}
