"""Evaluate a claim's own relation on random instances; the one table of tolerances.

The relation is the SymPy object that was proved and is printed; it is lambdified and evaluated on
letters measured on random instances.  The error of a comparison is scaled by the sum of the
absolute values of the terms that cancel, each letter entering with its own magnitude.
"""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

import numpy as np
import sympy as sp
import torch
from matplotlib.figure import Figure
from torch import Tensor
from tqdm import tqdm

from simulate.letters import Letters, arrange, axes_of
from simulate.networks import Problems
from simulate.quantities import Measured
from theory.claim import Claim, Counterexample, Evidence, Instances, Kind, Scale, Settings

# A world is a module with `batches` and `provenance`, as `simulate.quantities` has them.
WORLDS: Final = {
    "networks": "simulate.quantities",
    "normalizers": "simulate.normalizers",
    "sgd": "simulate.sgd",
    "weights": "simulate.weights",
    "layer": "simulate.layer",
    "cross_entropy": "simulate.cross_entropy",
    "convolution": "simulate.convolution",
    "quadratics": "simulate.quadratics",
    "features": "simulate.features",
    "covariate_shift": "simulate.covariate_shift",
}
TOLERANCE: Final = {torch.float64: 1e-12, torch.float32: 1e-4}
INSTANCES: Final = {Scale.SMOKE: 200, Scale.QUICK: 2_000, Scale.PAPER: 100_000}
SHOWN: Final = 4_000


@dataclass(frozen=True)
class Comparison:
    """Left side minus right side over the scale, and whether that breaks the relation.

    Attributes
    ----------
    excess
        ``(lhs - rhs)/scale`` (the absolute value for an equation), one number an instance: the
        largest over the entries where there are several.
    violated
        Whether `excess` is above the tolerance, (K,).
    """

    excess: Tensor
    violated: Tensor


def _terms(expr: sp.Expr) -> tuple[sp.Expr, ...]:
    return tuple(sp.Add.make_args(sp.expand(expr)))


def _evaluate(expr: sp.Basic, table: dict[sp.Symbol, Tensor]) -> Tensor:
    letters = sorted(expr.free_symbols, key=str)
    function = sp.lambdify(letters, expr, modules="torch", dummify=True)
    return torch.as_tensor(function(*(table[letter] for letter in letters)))


def compare(relation: sp.Basic, measured: Letters, mask: Tensor | None = None) -> Comparison:
    """Evaluate ``lhs = rhs`` or ``lhs <= rhs`` on every instance, or on those of `mask`.

    Raises
    ------
    TypeError
        If `relation` is neither an equation nor a weak inequality ``<=``.
    ArithmeticError
        If a side is not finite somewhere: no verdict is drawn from that.
    """
    if not isinstance(relation, sp.Eq | sp.LessThan):
        raise TypeError(f"only = and <= can be checked, not {type(relation).__name__}")
    letters = relation.free_symbols
    axes = axes_of(letters)
    values = {a: arrange(measured.value(a), a, axes) for a in letters}
    sizes = {a: arrange(measured.magnitude(a), a, axes) for a in letters}
    difference = _evaluate(relation.lhs, values) - _evaluate(relation.rhs, values)
    # |term| evaluated on magnitudes: each term is a monomial, up to fixed functions.
    terms = (*_terms(relation.lhs), *_terms(relation.rhs))
    scale = torch.stack(torch.broadcast_tensors(*(_evaluate(t, sizes).abs() for t in terms))).sum(0)
    excess = difference / torch.where(scale > 0, scale, 1.0)
    excess = excess.abs() if isinstance(relation, sp.Eq) else excess
    excess = excess.flatten(1).amax(1) if excess.dim() > 1 else excess
    excess = excess if mask is None else excess[mask]
    if not torch.isfinite(excess).all():
        raise ArithmeticError(f"{relation}: a side is not finite on some instance")
    return Comparison(excess, excess > TOLERANCE[excess.dtype])


def inside(domain: sp.Basic, measured: Letters) -> Tensor:
    """Which instances satisfy the claim's hypothesis, (K,)."""
    some = next(iter(measured.VALUES))
    if domain == sp.true:
        return torch.ones(len(measured.value(some)), dtype=torch.bool)
    table = {letter: measured.value(letter) for letter in domain.free_symbols}
    return _evaluate(domain, table)


@dataclass(frozen=True)
class Sample:
    """Scaled excess of statement and control over all instances of the domain."""

    statement: Tensor
    control: Tensor
    drawn: int
    largest: dict[int, float]


def sample(claim: Claim, settings: Settings) -> Sample:
    """Draw the claim's world and evaluate statement and control on it."""
    assert claim.relation is not None
    assert claim.control is not None
    statement, control, drawn = [], [], 0
    largest: dict[int, float] = {}
    for size, measured in _batches(claim, settings):
        mask = inside(claim.domain, measured)
        drawn += len(mask)
        if mask.any():
            statement.append(compare(claim.relation, measured, mask).excess.cpu())
            control.append(compare(claim.control, measured, mask).excess.cpu())
            largest[size] = max(largest.get(size, -1.0), statement[-1].max().item())
    if not statement:
        raise ValueError(f"{claim.id}: domain: none of {drawn:,} random instances satisfies it")
    return Sample(torch.cat(statement), torch.cat(control), drawn, largest)


def check(claim: Claim, settings: Settings) -> Evidence:
    """Carry out the claim's `Instances` means: its relation and its control on random instances."""
    found = sample(claim, settings)
    tolerance = TOLERANCE[found.statement.dtype]
    count = len(found.statement)
    violations = int((found.statement > tolerance).sum())
    control_violations = int((found.control > tolerance).sum())
    numbers: dict[str, Any] = {
        "instances": count,
        "share inside the domain": count / found.drawn,
        "violations": violations,
        "share violated": violations / count,
        "largest scaled excess": found.statement.max().item(),
        "smallest scaled excess": found.statement.min().item(),
        "largest scaled excess by size": {str(m): v for m, v in sorted(found.largest.items())},
        "control violations": control_violations,
        "tolerance": tolerance,
    }
    holds = violations == 0
    case = claim.means_of(Counterexample)
    if case is not None:
        again = compare(claim.relation, Measured(as_problem(case, settings.device)))
        numbers["counterexample by autodiff, scaled excess"] = again.excess.item()
        holds = holds and not bool(again.violated)
    word = "holds on all" if holds else f"is violated on {violations:,} of"
    summary = (
        f"The relation {word} {count:,} random instances (largest scaled excess "
        f"{found.statement.max().item():.1e}); the control is violated on {control_violations:,}."
    )
    step = max(1, count // SHOWN)
    return Evidence(
        Kind.INSTANCES,
        holds,
        holds != (control_violations == 0),
        summary,
        numbers,
        _provenance(claim, settings),
        {"statement": found.statement[::step].numpy(), "control": found.control[::step].numpy()},
    )


def _world(way: Instances) -> ModuleType:
    if way.world not in WORLDS:
        raise ValueError(f"means: unknown world {way.world!r}; known: {', '.join(WORLDS)}")
    return importlib.import_module(WORLDS[way.world])


def _batches(claim: Claim, settings: Settings) -> Iterator[tuple[int, Letters]]:
    way = claim.means_of(Instances)
    total = INSTANCES[settings.scale]
    batches = _world(way).batches(way, claim.domain, total, settings.seed, settings.device)
    return iter(tqdm(batches, desc=claim.id, unit="batch", disable=None, leave=False))


def _provenance(claim: Claim, settings: Settings) -> dict[str, Any]:
    way = claim.means_of(Instances)
    return {
        "world": way.world,
        **_world(way).provenance(way, claim.domain),
        "seed": settings.seed,
        "scale": str(settings.scale),
        "device": settings.device,
        "torch": torch.__version__,
    }


def as_problem(case: Counterexample, device: str = "cpu") -> Problems:
    """A counterexample as a batch of one problem, in float64."""

    def tensor(values: Any) -> Tensor:
        return torch.tensor(np.array(values, dtype=float), device=device)

    y, b = tensor([case.y]), tensor([case.b])
    A = tensor(case.A) if case.A else torch.zeros(len(case.y), len(case.y)).to(y)

    def loss(z: Tensor) -> Tensor:
        return ((z @ A) * z).sum(-1) / 2 + (b * z).sum(-1)

    gamma, beta, eps = (tensor([[value]]) for value in (case.gamma, case.beta, case.eps))
    return Problems(y, gamma, beta, eps, loss)


def draw(figure: Figure, claim: Claim, evidence: Evidence) -> str:
    """Distribution of the scaled excess for statement and control; returns the text alternative."""
    axes = figure.subplots()
    styles = {"statement": ("-", "C0"), "control": ("--", "C1")}
    for name, (line, colour) in styles.items():
        values = np.sort(evidence.series[name])
        share = np.arange(1, len(values) + 1) / len(values)
        axes.step(values, share, line, color=colour, where="post", label=name)
    axes.axvspan(evidence.numbers["tolerance"], 1, color="0.9", label="violated")
    axes.set_xscale("symlog", linthresh=1e-6)
    axes.set_xlim(-1, 1)
    axes.set_xticks([-1, -1e-3, 0, 1e-3, 1])
    axes.set_xlabel("(left side - right side) / sum of absolute terms, no unit")
    axes.set_ylabel("share of instances at or below")
    share = evidence.numbers["share violated"]
    finding = "holds on every instance" if evidence.holds else f"fails on {share:.0%} of instances"
    axes.set_title(f"{claim.id}: {finding}")
    axes.legend(loc="upper left")
    return (
        f"Cumulative distribution of the scaled excess of left over right side on "
        f"{evidence.numbers['instances']:,} random instances: the statement {finding}; "
        f"the control is violated on {evidence.numbers['control violations']:,}."
    )
