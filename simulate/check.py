"""Evaluate a claim's own relation on random networks; the one table of tolerances.

The relation is the SymPy object that was proved and is printed; it is lambdified and evaluated on
letters measured by autodiff.  The error of a comparison is scaled by the sum of the absolute
values of the terms that cancel, each letter entering with its own magnitude.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import sympy as sp
import torch
from matplotlib.figure import Figure
from torch import Tensor
from tqdm import tqdm

from simulate import networks
from simulate.networks import EPSILONS, LOSSES, Problems
from simulate.quantities import Measured, arrange, axes_of
from theory import symbols as sym
from theory.claim import Claim, Counterexample, Evidence, Kind, Networks, Scale, Settings

TOLERANCE: Final = {torch.float64: 1e-12, torch.float32: 1e-4}
PROBLEMS: Final = {Scale.SMOKE: 200, Scale.QUICK: 2_000, Scale.PAPER: 100_000}
CHUNK: Final = 2_000
SHOWN: Final = 4_000


@dataclass(frozen=True)
class Comparison:
    """Left side minus right side over the scale, and whether that breaks the relation.

    Attributes
    ----------
    excess
        ``(lhs - rhs)/scale`` (the absolute value for an equation), one number a problem: the
        largest over the entries where there are several.
    violated
        Whether `excess` is above the tolerance, (K,).
    """

    excess: Tensor
    violated: Tensor


def _terms(expr: sp.Expr) -> tuple[sp.Expr, ...]:
    return sp.Add.make_args(sp.expand(expr))


def _evaluate(expr: sp.Expr, table: dict[sp.Symbol, Tensor]) -> Tensor:
    letters = sorted(expr.free_symbols, key=str)
    result = sp.lambdify(letters, expr, modules="torch", dummify=True)(
        *(table[letter] for letter in letters)
    )
    return torch.as_tensor(result)


def compare(relation: sp.Basic, measured: Measured) -> Comparison:
    """Evaluate ``lhs = rhs`` or ``lhs <= rhs`` on every problem.

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
    # abs(term) evaluated on magnitudes: each term is a monomial, up to fixed functions.
    terms = (*_terms(relation.lhs), *_terms(relation.rhs))
    scale = torch.stack(torch.broadcast_tensors(*(_evaluate(t, sizes).abs() for t in terms))).sum(0)
    excess = difference / torch.where(scale > 0, scale, 1.0)
    excess = excess.abs() if isinstance(relation, sp.Eq) else excess
    if not torch.isfinite(excess).all():
        raise ArithmeticError(f"{relation}: a side is not finite on some problem")
    excess = excess.flatten(1).amax(1) if excess.dim() > 1 else excess
    return Comparison(excess, excess > TOLERANCE[excess.dtype])


def inside(domain: sp.Basic, measured: Measured) -> Tensor:
    """Which problems satisfy the claim's hypothesis, (K,)."""
    if domain == sp.true:
        return torch.ones_like(measured.y[:, 0], dtype=torch.bool)
    letters = sorted(domain.free_symbols, key=str)
    test = sp.lambdify(letters, domain, modules="torch", dummify=True)
    return test(*(measured.value(letter) for letter in letters))


def epsilons(domain: sp.Basic) -> tuple[float, ...]:
    """The values of eps that the domain does not exclude by itself."""
    allowed = [e for e in EPSILONS if domain.subs(sym.eps, sp.Rational(str(e))) != sp.false]
    if not allowed:
        raise ValueError(f"domain {domain} excludes every eps in {EPSILONS}")
    return tuple(allowed)


def _batches(claim: Claim, settings: Settings) -> Iterator[tuple[str, int, Problems]]:
    """Problems for each loss and batch size, in chunks that bound the memory."""
    way = claim.means_of(Networks)
    total = PROBLEMS[settings.scale]
    jobs = [
        (loss, m, start) for loss in LOSSES for m in way.sizes for start in range(0, total, CHUNK)
    ]
    for number, (loss, m, start) in enumerate(tqdm(jobs, desc=claim.id, disable=None, leave=False)):
        yield (
            loss,
            m,
            networks.draw(
                min(CHUNK, total - start),
                m,
                loss,
                seed=settings.seed * 1_000_003 + number,
                epsilons=epsilons(claim.domain),
                device=settings.device,
            ),
        )


def check(claim: Claim, settings: Settings) -> Evidence:
    """Carry out the claim's `Networks` means: its relation and its control on random networks."""
    assert claim.relation is not None
    assert claim.control is not None
    excess: list[Tensor] = []
    control: list[Tensor] = []
    drawn, by_size = 0, {}
    for _, m, problems in _batches(claim, settings):
        measured = Measured(problems)
        mask = inside(claim.domain, measured)
        drawn += len(mask)
        excess.append(compare(claim.relation, measured).excess[mask].cpu())
        control.append(compare(claim.control, measured).excess[mask].cpu())
        if mask.any():
            by_size[m] = max(by_size.get(m, -1.0), excess[-1].max().item())
    everything, of_control = torch.cat(excess), torch.cat(control)
    tolerance = TOLERANCE[everything.dtype]
    violations = int((everything > tolerance).sum())
    control_violations = int((of_control > tolerance).sum())
    holds = violations == 0
    numbers: dict[str, Any] = {
        "networks": len(everything),
        "inside the domain": len(everything) / drawn,
        "violations": violations,
        "share violated": violations / max(len(everything), 1),
        "largest scaled excess": everything.max().item(),
        "largest scaled excess by batch size": {str(m): by_size[m] for m in sorted(by_size)},
        "control violations": control_violations,
        "tolerance": tolerance,
    }
    case = claim.means_of(Counterexample)
    if case is not None:
        again = compare(claim.relation, Measured(as_problem(case, settings.device)))
        numbers["counterexample by autodiff, scaled excess"] = again.excess.item()
        holds = holds and not bool(again.violated)
    word = "holds on all" if holds else f"is violated on {violations:,} of"
    summary = (
        f"The relation {word} {len(everything):,} random networks "
        f"(largest scaled excess {everything.max().item():.1e}); "
        f"the control is violated on {control_violations:,}."
    )
    step = max(1, len(everything) // SHOWN)
    return Evidence(
        Kind.NETWORKS,
        holds if len(everything) else None,
        holds != (control_violations == 0),
        summary,
        numbers,
        {
            "seed": settings.seed,
            "scale": str(settings.scale),
            "device": settings.device,
            "dtype": "float64",
            "batch sizes": list(claim.means_of(Networks).sizes),
            "losses": list(LOSSES),
            "eps": list(epsilons(claim.domain)),
            "torch": torch.__version__,
        },
        {
            "statement": everything[::step].numpy(),
            "control": of_control[::step].numpy(),
        },
    )


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
    axes.set_ylabel("share of networks at or below")
    share = evidence.numbers["share violated"]
    finding = "holds on every network" if evidence.holds else f"fails on {share:.0%} of networks"
    axes.set_title(f"{claim.id}: {finding}")
    axes.legend(loc="upper left")
    return (
        f"Cumulative distribution of the scaled excess of left over right side on "
        f"{evidence.numbers['networks']:,} random networks: the statement {finding}; "
        f"the control is violated on {evidence.numbers['control violations']:,}."
    )
