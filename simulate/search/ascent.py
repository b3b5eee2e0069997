"""Attack a statement by projected gradient ascent on its violation, with many restarts.

The relation is the SymPy object that is proved and printed.  The ascent uses automatic
differentiation in all free data of a `bnproof.simulate.search.base.SearchSpace`; every point is
judged with rounding errors taken into account, as in `bnproof.simulate.check`, and the best points
are measured again by the samplers of that check.  `bnproof.simulate.search.rationalise` turns a
violation into exact data.
"""

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import sympy as sp
import torch
from torch import Tensor
from tqdm import tqdm

from bnproof.simulate.relation import compare, inside
from bnproof.simulate.samplers.base import OutsideError, chunks
from bnproof.simulate.search import rationalise
from bnproof.simulate.search.adam import Adam
from bnproof.simulate.search.base import Params, SearchSpace, Size
from bnproof.simulate.search.statement import Verdicts, compiled
from bnproof.theory.claim import Claim
from bnproof.theory.common.errors import UserError
from bnproof.theory.symbols import in_primitives, text

# Modules and their search spaces; the first one that has all symbols of a claim is used.
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
RATE: Final = (0.3, 0.01)  # learning rate of Adam, first and last
BLENDS: Final = (1e-3, 1.0)  # range of the weight c of the terms in the height, over restarts
EQUAL: Final = 1e-9  # ratios that differ by less are equal up to rounding
CHUNK: Final = 2_000  # restarts that run at once
MOST: Final = 10_000_000  # restarts at each size, and steps


@dataclass(frozen=True)
class AscentResult:
    """Result of K restarts at one size.

    Attributes
    ----------
    worst, tightest
        For each restart, the visited points of largest scaled excess and of largest ratio.
    violated
        Restarts whose worst point, measured again, violates the relation in the domain, (K,).
    excess, ratio
        Scaled excess at the worst point and ratio of the sides at the tightest point, (K,) each;
        NaN if the restart never was inside the domain or never had a ratio.
    """

    size: Size
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
        Restarts, summed over all sizes.
    reached
        Restarts that were inside the domain at some point; if there is none, nothing was searched.
    violations
        Restarts that ended in a violation confirmed by the samplers of `bnproof.simulate.check`.
    refutation
        Exact data for the violation, confirmed by `bnproof.theory.exact.evaluate.check`, or None.
    equation
        Whether an equation was attacked.
    excess
        Largest scaled excess (of an equation: difference) inside the domain, NaN if there is none.
    ratio
        Largest ratio of left to right side, NaN if no point had one; an equation has none.
    case
        Data of the largest ratio, or of an equation's largest difference.
    ratios
        The largest ratio of each restart.
    """

    configurations: int
    ascents: int
    reached: int
    violations: int
    refutation: rationalise.Refutation | None
    equation: bool
    excess: float
    ratio: float
    case: dict[str, list[object]]
    ratios: np.ndarray = field(repr=False)


def space_of(claim: Claim) -> SearchSpace:
    """Return the search space that has all symbols of the claim; its checks are ignored.

    Raises
    ------
    UserError
        If the claim has no equation or inequality ``<=``, or no space has all its symbols.
    """
    if not isinstance(claim.relation, sp.LessThan | sp.Eq):
        raise UserError(
            f"{claim.id} has neither an equation nor an inequality <=, so it cannot be attacked; "
            "`bnproof attack` without an ID lists the claims that can"
        )
    symbols = frozenset(claim.relation.free_symbols | claim.domain.free_symbols)
    missing = symbols
    for kind in _spaces():
        # A derived symbol that a space does not measure is evaluated from its expression.
        parts = [
            {symbol} if symbol in kind.known else in_primitives(symbol).free_symbols
            for symbol in symbols
        ]
        needed = frozenset[sp.Symbol]().union(*parts)
        if needed <= kind.known:
            return kind(needed, claim.domain)
        missing = min(missing, needed - kind.known, key=len)
    names = ", ".join(sorted(map(text, missing)))
    raise UserError(f"{claim.id}: no search space has the symbols {names}")


def can_attack(claim: Claim) -> bool:
    """Whether a search space has all symbols of the claim."""
    try:
        space_of(claim)
    except (UserError, OutsideError):
        return False
    return True


def _spaces() -> Iterator[type[SearchSpace]]:
    """The classes of `SPACES`, each imported on first use."""
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
    sizes: Sequence[Size] | None = None,
) -> Attack:
    """Attack a claim at every size of its search space, smallest first, until it is refuted.

    Parameters
    ----------
    claim
        Its relation and domain are used; its checks are ignored.
    restarts, steps
        Ascents at each size, and steps of each.
    seed
        Seed of all random numbers, which are drawn on the CPU.
    device
        PyTorch device to compute on.
    simplify
        Whether to simplify a refutation, which takes most of the time.
    confirm
        Whether to turn violations into exact data.
    sizes
        Sizes to attack, by default all of `SearchSpace.sizes`.

    Raises
    ------
    UserError
        If `restarts` or `steps` is not from 1 to `MOST`, or no space fits the claim (`space_of`).
    """
    for name, value in (("restarts", restarts), ("steps", steps)):
        if value < 1:
            raise UserError(f"{name} = {value}: give 1 or more")
        if value > MOST:
            raise UserError(f"{name} = {value}: give {MOST:,} or less")
    space = space_of(claim)
    results, refutation = [], None
    jobs = list(chunks(sizes or space.sizes, restarts, CHUNK, seed))
    progress = tqdm(jobs, desc=claim.id, unit="climb", disable=None, leave=False)
    for size, count, stream in progress:
        result = climb(claim, space, size, count, steps, stream, device)
        results.append(result)
        if confirm and result.violated.any():
            order = result.excess.masked_fill(~result.violated, -torch.inf).argsort(descending=True)
            bad = order[: int(result.violated.sum())].tolist()
            refutation = rationalise.refutation(claim, space, result.worst, bad, simplify=simplify)
            if refutation is not None:
                break
    progress.close()
    equation = isinstance(claim.relation, sp.Eq)
    return _summary(results, refutation, steps, equation=equation)


def _summary(
    results: list[AscentResult],
    refutation: rationalise.Refutation | None,
    steps: int,
    *,
    equation: bool,
) -> Attack:
    ratios = torch.cat([result.ratio.cpu() for result in results]).numpy()
    excess, worst = _largest([(result.excess, result.worst) for result in results])
    ratio, tightest = _largest([(result.ratio, result.tightest) for result in results])
    return Attack(
        configurations=len(ratios) * steps,
        ascents=len(ratios),
        reached=sum(int(torch.isfinite(result.excess).sum()) for result in results),
        violations=sum(int(result.violated.sum()) for result in results),
        refutation=refutation,
        equation=equation,
        excess=excess,
        ratio=ratio,
        case=worst if equation else tightest,
        ratios=ratios[np.isfinite(ratios)],
    )


def _largest(results: Sequence[tuple[Tensor, Params]]) -> tuple[float, dict[str, list[object]]]:
    """The largest number and its data, the smallest of equally large ones; NaN if all are."""
    best = [values.nan_to_num(-torch.inf).max().item() for values, _ in results]
    if max(best) == -torch.inf:
        return float("nan"), {}
    values, points = results[next(i for i, one in enumerate(best) if one >= max(best) - EQUAL)]
    index = int(values.nan_to_num(-torch.inf).argmax())
    return values[index].item(), {name: tensor[index].tolist() for name, tensor in points.items()}


def climb(
    claim: Claim,
    space: SearchSpace,
    size: Size,
    restarts: int,
    steps: int,
    seed: int,
    device: str = "cpu",
) -> AscentResult:
    """Run `restarts` ascents of `steps` steps at one size.

    The height is ``(lhs - rhs)/(|lhs| + |rhs| + c*terms)`` minus the distance to the domain, with
    ``|lhs - rhs|`` for an equation.  Inside the domain it is positive where the relation fails; it
    is invariant under scaling of the loss.  With c near 0 it increases with the ratio of the sides;
    with c near 1 it has a slope even if they have opposite signs.  Each restart has its own value
    of c.
    """
    judge = compiled(claim.relation, claim.domain)
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
        model = space.measured(params, graph=True)
        sides = judge.sides(model)
        best.keep(params, judge.judge(model, sides), space.posed(params))
        height = sides.height(blend) - judge.outside(model)
        slopes = torch.autograd.grad(height.sum(), list(params.values()), allow_unused=True)
        for tensor, slope in zip(params.values(), slopes, strict=True):
            # At a kink or a pole there is no slope, and the restart stays where it is.
            tensor.grad = None if slope is None else slope.nan_to_num(0.0, 0.0, 0.0)
        ascent.step(rate)
        with torch.no_grad():
            space.project(params)
    return _measured(claim, space, size, best)


class _Best:
    """The visited points of largest excess and of largest ratio for each restart."""

    def __init__(self, params: Params) -> None:
        self.points = {
            name: {key: tensor.detach().clone() for key, tensor in params.items()}
            for name in ("worst", "tightest")
        }
        start = torch.full_like(next(iter(params.values())).detach().flatten(1)[:, 0], -torch.inf)
        self.value = {name: start.clone() for name in self.points}

    def keep(self, params: Params, verdicts: Verdicts, posed: Tensor) -> None:
        """Update the best points with those of this step."""
        for name, value in (("worst", verdicts.excess), ("tightest", verdicts.ratio)):
            better = posed & verdicts.inside & (value > self.value[name])  # False for NaN
            self.value[name] = torch.where(better, value, self.value[name])
            for key, tensor in params.items():
                wide = better.reshape(-1, *[1] * (tensor.dim() - 1))
                self.points[name][key] = torch.where(wide, tensor.detach(), self.points[name][key])


def _measured(claim: Claim, space: SearchSpace, size: Size, best: _Best) -> AscentResult:
    """Measure the best points again with the samplers of `bnproof.simulate.check`."""
    judge = compiled(claim.relation, claim.domain)
    there = best.value["worst"] > -torch.inf
    violated = torch.zeros_like(there)
    excess, ratio = (torch.full_like(value, torch.nan) for value in best.value.values())
    if there.any():
        measured = space.measured(_some(best.points["worst"], there))
        within = inside(claim.domain, measured).to(there.device)
        compared = compare(claim.relation, measured)
        violated[there] = compared.violated & within
        excess[there] = torch.where(within, compared.excess, torch.nan)
    tight = best.value["tightest"] > -torch.inf
    if tight.any():
        measured = space.measured(_some(best.points["tightest"], tight))
        verdicts = judge.judge(measured, judge.sides(measured))
        ratio[tight] = torch.where(verdicts.inside, verdicts.ratio, torch.nan)
    return AscentResult(
        size, best.points["worst"], best.points["tightest"], violated, excess, ratio
    )


def _some(params: Params, which: Tensor) -> Params:
    return {name: tensor[which] for name, tensor in params.items()}
