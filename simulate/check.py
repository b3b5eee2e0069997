"""Run the check `RandomTest`: evaluate a claim's relation and control on random instances.

Batches that do not fit into memory are halved, which does not change the instances.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import sympy as sp
import torch
from matplotlib.figure import Figure
from torch import Tensor
from tqdm import tqdm

from bnproof.simulate import memory
from bnproof.simulate.relation import TOLERANCE, compare, inside
from bnproof.simulate.samplers.autodiff import Measured
from bnproof.simulate.samplers.base import Measurements
from bnproof.simulate.samplers.losses import quadratic
from bnproof.simulate.samplers.networks import Problems
from bnproof.simulate.samplers.table import sampler_of
from bnproof.simulate.search import tightness
from bnproof.simulate.threads import one_thread
from bnproof.theory.claim import Claim, Counterexample, Evidence, Kind, RandomTest, Scale, Settings
from bnproof.theory.common.errors import UserError

INSTANCES: Final = {Scale.SMOKE: 200, Scale.QUICK: 2_000, Scale.PAPER: 100_000}
SHOWN: Final = 4_000


@dataclass
class Sample:
    """Scaled excess of statement and control on all instances inside the domain.

    `largest` maps each size to the largest excess of the statement; `halvings` counts how often
    batches were halved because memory ran out.
    """

    statement: Tensor
    control: Tensor
    drawn: int
    largest: dict[int, float]
    halvings: int


def sample(claim: Claim, settings: Settings) -> Sample:
    """Draw instances from the claim's sampler and evaluate statement and control on them.

    Raises
    ------
    ValueError
        If no instance satisfies the domain.
    MemoryError, RuntimeError
        If a batch does not fit into memory and cannot be halved.
    """
    statement, control, drawn = [], [], 0
    largest: dict[int, float] = {}
    with memory.limited(settings.memory) as budget:
        for size, measured in _batches(claim, settings):
            for mask, true, wrong in _evaluated(claim, measured, budget):
                drawn += len(mask)
                if len(true):
                    statement.append(true)
                    control.append(wrong)
                    largest[size] = max(largest.get(size, -1.0), true.max().item())
    if not statement:
        raise ValueError(f"{claim.id}: domain: none of {drawn:,} random instances satisfies it")
    return Sample(torch.cat(statement), torch.cat(control), drawn, largest, budget.halvings)


def _evaluated(
    claim: Claim, measured: Measurements, budget: memory.Budget
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield the mask of instances inside the domain and both excesses on them, on the CPU.

    If memory runs out, the batch is halved until it fits.
    """
    assert claim.relation is not None
    assert claim.control is not None
    try:
        mask = inside(claim.domain, measured)
        excesses = [
            compare(relation, measured, mask).excess.cpu() if mask.any() else torch.empty(0)
            for relation in (claim.relation, claim.control)
        ]
    except (MemoryError, RuntimeError) as error:  # a GPU's OutOfMemoryError is a RuntimeError
        parts = measured.halves() if memory.exhausted(error) else None
        if parts is None:
            raise
    else:
        yield mask.cpu(), excesses[0], excesses[1]
        return
    # Outside the handler, whose traceback keeps the large tensors alive.
    count = measured.instances()
    del measured
    budget.halve(count)
    torch.cuda.empty_cache()
    print(
        f"bnproof: {claim.id}: out of memory with {count} instances at once; "
        f"continuing with {count // 2}",
        file=sys.stderr,
    )
    for part in parts:
        yield from _evaluated(claim, part, budget)


@one_thread()
def check(claim: Claim, settings: Settings) -> Evidence:
    """Evaluate a claim's relation and its control on random instances."""
    excess = sample(claim, settings)
    tolerance = TOLERANCE[excess.statement.dtype]
    count = len(excess.statement)
    violations = int((excess.statement > tolerance).sum())
    control_violations = int((excess.control > tolerance).sum())
    numbers: dict[str, object] = {
        "instances": count,
        "share inside the domain": count / excess.drawn,
        "violations": violations,
        "share violated": violations / count,
        "largest scaled excess": excess.statement.max().item(),
        "smallest scaled excess": excess.statement.min().item(),
        "largest scaled excess by size": {str(m): v for m, v in sorted(excess.largest.items())},
        "control violations": control_violations,
        "tolerance": tolerance,
    }
    if excess.halvings:
        numbers["memory ran out, batches halved"] = excess.halvings
    holds = violations == 0
    case = claim.check_of(Counterexample)
    if case is not None:
        again = compare(claim.relation, Measured(as_problem(case, settings.device)))
        numbers["counterexample by autodiff, scaled excess"] = again.excess.item()
        holds = holds and not bool(again.violated)
    step = max(1, count // SHOWN)
    series = {
        "statement": excess.statement[::step].numpy(),
        "control": excess.control[::step].numpy(),
    }
    with memory.limited(settings.memory):
        tight = _tightness(claim, settings)
    if tight is not None:
        numbers |= tight.numbers
        series |= tight.series
        holds = holds and not tight.numbers[tightness.ATTACKED]
    word = "holds on all" if violations == 0 else f"is violated on {violations:,} of"
    summary = (
        f"The relation {word} {count:,} random instances (largest scaled excess "
        f"{excess.statement.max().item():.1e}); the control is violated on {control_violations:,}."
    )
    if tight is not None:
        tried = numbers["configurations tried by the adversary"]
        summary += f" Ratio of the sides in {tried:,} attacked: {tight.words}."
    return Evidence(
        Kind.INSTANCES,
        holds,
        holds != (control_violations == 0),
        summary,
        numbers,
        _provenance(claim, settings),
        series,
    )


def _tightness(claim: Claim, settings: Settings) -> tightness.Summary | None:
    """Result of attacking an inequality; None for equations and symbols without a search space."""
    if not isinstance(claim.relation, sp.LessThan):
        return None
    try:
        return tightness.summary(claim, settings)
    except UserError:  # a user-defined claim with symbols that no search space has
        return None


def _batches(claim: Claim, settings: Settings) -> Iterator[tuple[int, Measurements]]:
    spec = claim.check_of(RandomTest)
    total = INSTANCES[settings.scale]
    batches = sampler_of(spec).batches(spec, claim.domain, total, settings.seed, settings.device)
    return iter(tqdm(batches, desc=claim.id, unit="batch", disable=None, leave=False))


def _provenance(claim: Claim, settings: Settings) -> dict[str, object]:
    spec = claim.check_of(RandomTest)
    return {
        "sampler": spec.sampler,
        **sampler_of(spec).provenance(spec, claim.domain),
        "seed": settings.seed,
        "scale": str(settings.scale),
        "device": settings.device,
        "memory": memory.spoken(settings.memory or memory.DEFAULT),
        "torch": torch.__version__,
    }


def as_problem(case: Counterexample, device: str = "cpu") -> Problems:
    """Convert a counterexample to a batch of one problem, in float64."""

    def tensor(values: object) -> Tensor:
        return torch.tensor(np.array(values, dtype=float), device=device)

    y, b = tensor([case.y]), tensor([case.b])
    A = tensor(case.A) if case.A else torch.zeros(len(case.y), len(case.y)).to(y)
    gamma, beta, eps = (tensor([[value]]) for value in (case.gamma, case.beta, case.eps))
    return Problems(y, gamma, beta, eps, quadratic(A, b))


def draw(figure: Figure, claim: Claim, evidence: Evidence) -> str:
    """Plot the distribution of the scaled excess of both relations; returns the alt text."""
    ratios = {
        name: evidence.series[name]
        for name in (tightness.RANDOMLY, tightness.BY_ADVERSARY)
        if name in evidence.series
    }
    if ratios:
        figure.set_figheight(1.8 * figure.get_figheight())
    axes, *below = figure.subplots(2 if ratios else 1, 1, squeeze=False)[:, 0]
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
    finding = f"fails on {share:.0%} of instances" if share else "holds on every instance"
    axes.set_title(f"{claim.id}: {finding}")
    axes.legend(loc="upper left")
    alt_text = (
        f"Cumulative distribution of the scaled excess of left over right side on "
        f"{evidence.numbers['instances']:,} random instances: the statement {finding}; "
        f"the control is violated on {evidence.numbers['control violations']:,}."
    )
    if ratios:
        alt_text += " " + tightness.panel(below[0], evidence.numbers, ratios)
        below[0].set_title(tightness.finding(evidence.numbers))
    return alt_text
