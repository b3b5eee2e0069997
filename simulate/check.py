"""Run the check `RandomTest`: evaluate a claim's relation and control on random instances.

To the sizes that a claim names, random ones are added (`sizes`): an author does not choose the
cases.  What a proof of the claim assumes is evaluated on the same instances
(`bnproof.simulate.audit`).  Instances on which both sides of an inequality are 0 confirm nothing.

Batches that do not fit into memory are halved, which does not change the instances.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import sympy as sp
import torch
from matplotlib.figure import Figure
from torch import Tensor
from tqdm import tqdm

from bnproof.simulate import memory
from bnproof.simulate.audit import Audit
from bnproof.simulate.relation import TOLERANCE, Comparison, compare, inside
from bnproof.simulate.samplers.autodiff import Measured
from bnproof.simulate.samplers.base import Measurements, OutsideError
from bnproof.simulate.samplers.definitions.losses import quadratic
from bnproof.simulate.samplers.networks import Problems
from bnproof.simulate.samplers.table import sampler_of
from bnproof.simulate.search import tightness
from bnproof.simulate.threads import one_thread
from bnproof.theory.claim import Claim, Counterexample, Evidence, Kind, RandomTest, Scale, Settings
from bnproof.theory.common.errors import UserError
from bnproof.theory.prove import certificate_of
from bnproof.theory.symbols import text

INSTANCES: Final = {Scale.SMOKE: 200, Scale.QUICK: 2_000, Scale.LONG: 100_000, Scale.PAPER: 100_000}
SHOWN: Final = 4_000
LEAST: Final = 20  # instances that a statement needs on which not both sides are 0
# Random sizes added to those of a claim.
MORE: Final = {Scale.SMOKE: 1, Scale.QUICK: 3, Scale.LONG: 3, Scale.PAPER: 3}
NOTHING: Final = Comparison(torch.empty(0), torch.empty(0), torch.empty(0))


@dataclass
class Sample:
    """Scaled excess of statement and control on all instances inside the domain.

    `largest` maps each size to the largest excess of the statement; `trivial` counts instances on
    which both sides are 0; `halvings` counts how often batches were halved because memory ran out;
    `audit` is that of the claim's proof, if it has one.
    """

    statement: Tensor
    control: Tensor
    drawn: int
    largest: dict[int, float]
    trivial: int
    halvings: int
    audit: Audit | None


def sample(claim: Claim, settings: Settings) -> Sample:
    """Draw instances from the claim's sampler and evaluate statement and control on them.

    Raises
    ------
    OutsideError
        If no instance satisfies the domain.
    MemoryError, RuntimeError
        If a batch does not fit into memory and cannot be halved.
    """
    statement, control, drawn, trivial = [], [], 0, 0
    largest: dict[int, float] = {}
    certificate = certificate_of(claim)
    audit = None if certificate is None else Audit(certificate)
    with memory.limited(settings.memory) as budget:
        for size, measured in _batches(claim, settings):
            _refuse_unmeasured(claim, measured)
            for mask, true, wrong in _evaluated(claim, measured, budget, audit):
                drawn += len(mask)
                if len(true.excess):
                    excess = true.excess.cpu()
                    statement.append(excess)
                    control.append(wrong.excess.cpu())
                    trivial += int(true.trivial.sum())
                    largest[size] = max(largest.get(size, -1.0), excess.max().item())
    if not statement:
        raise OutsideError(
            f"none of {drawn:,} random instances lies in the domain: it is empty, of measure zero, "
            "or out of the sampler's reach"
        )
    both = torch.cat(statement), torch.cat(control)
    return Sample(*both, drawn, largest, trivial, budget.halvings, audit)


def _symbols(claim: Claim) -> set[sp.Symbol]:
    """Symbols of a claim's statement, control and domain."""
    parts = (claim.relation, claim.control, claim.domain)
    return set().union(*(part.free_symbols for part in parts if part is not None))


def _refuse_unmeasured(claim: Claim, measured: Measurements) -> None:
    """Raise `OutsideError` if a symbol of the claim is not measured."""
    missing = sorted(text(symbol) for symbol in _symbols(claim) if not measured.measures(symbol))
    if missing:
        raise OutsideError(f"the sampler does not measure {', '.join(missing)}")


def _evaluated(
    claim: Claim, measured: Measurements, budget: memory.Budget, audit: Audit | None
) -> Iterator[tuple[Tensor, Comparison, Comparison]]:
    """Yield the mask of instances inside the domain and both comparisons on them.

    If memory runs out, the batch is halved until it fits.
    """
    assert claim.relation is not None
    assert claim.control is not None
    try:
        mask = inside(claim.domain, measured)
        true, wrong = (
            compare(relation, measured, mask) if mask.any() else NOTHING
            for relation in (claim.relation, claim.control)
        )
        if audit is not None:
            audit.add(measured, mask)
    except (MemoryError, RuntimeError) as error:  # a GPU's OutOfMemoryError is a RuntimeError
        parts = measured.halves() if memory.exhausted(error) else None
        if parts is None:
            raise
    else:
        yield mask, true, wrong
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
        yield from _evaluated(claim, part, budget, audit)


@one_thread()
def check(claim: Claim, settings: Settings) -> Evidence:
    """Evaluate a claim's relation and its control on random instances."""
    try:
        excess = sample(claim, settings)
    except OutsideError as error:
        return Evidence(
            Kind.INSTANCES, None, False, f"Nothing was evaluated: {error}.", reason=str(error)
        )
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
        "instances with both sides 0": excess.trivial,
        "tolerance": tolerance,
    }
    if excess.halvings:
        numbers["memory ran out, batches halved"] = excess.halvings
    holds: bool | None = violations == 0
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
    if excess.audit is not None:
        numbers["largest scaled excess of what the proof assumes"] = max(
            excess.audit.largest.values(), default=None
        )
    reason = excess.audit.reason() if excess.audit is not None else ""
    # An equation with 0 on one side is about zeros; any other statement needs real instances.
    assert claim.relation is not None
    telling = count if 0 in claim.relation.args else count - excess.trivial
    if holds and not reason and telling < LEAST:
        reason = (
            f"both sides are 0 on {excess.trivial:,} of the {count:,} instances in the domain: "
            f"fewer than {LEAST} confirm the statement"
        )
    word = "holds on all" if violations == 0 else f"is violated on {violations:,} of"
    summary = (
        f"The relation {word} {count:,} random instances (largest scaled excess "
        f"{excess.statement.max().item():.1e}); the control is violated on {control_violations:,}."
    )
    if excess.trivial and isinstance(claim.relation, sp.LessThan):
        summary += f" Both sides are 0 on {excess.trivial:,} instances, which confirm nothing."
    if tight is not None:
        tried = numbers["configurations tried by the adversary"]
        what = "In" if isinstance(claim.relation, sp.Eq) else "Ratio of the sides in"
        summary += f" {what} {tried:,} attacked: {tight.words}."
    else:
        summary += " No search space has its symbols: nothing was attacked."
    return Evidence(
        Kind.INSTANCES,
        None if reason else holds,
        not reason and holds != (control_violations == 0),
        summary,
        numbers,
        _provenance(claim, settings),
        series,
        reason,
    )


def _tightness(claim: Claim, settings: Settings) -> tightness.Summary | None:
    """Result of attacking the statement; None where no search space has its symbols."""
    try:
        return tightness.summary(claim, settings)
    except UserError:
        return None


def _batches(claim: Claim, settings: Settings) -> Iterator[tuple[int, Measurements]]:
    spec = sized(claim, settings)
    total = INSTANCES[settings.scale]
    batches = sampler_of(spec).batches(spec, claim.domain, total, settings.seed, settings.device)
    return iter(tqdm(batches, desc=claim.id, unit="batch", disable=None, leave=False))


def sized(claim: Claim, settings: Settings) -> RandomTest:
    """The claim's `RandomTest` with up to `MORE` other sizes of those that its sampler can draw."""
    spec = claim.check_of(RandomTest)
    sampler, symbols = sampler_of(spec), _symbols(claim)
    named = sampler.sizes(spec) if hasattr(sampler, "sizes") else spec.sizes
    possible = [size for size in sampler.possible(symbols) if size not in named]
    beyond = [size for size in possible if size > max(named, default=0)]
    more: set[int] = set()
    number = MORE[settings.scale]
    source = np.random.default_rng([settings.seed, number])
    # The first is larger than those that the claim names, if one is possible; all log-uniform.
    for choice in (beyond or possible, *[possible] * (number - 1)):
        if choice:
            weights = 1 / np.array(choice, dtype=float)
            more.add(int(source.choice(choice, p=weights / weights.sum())))
    return replace(spec, sizes=(*named, *sorted(more)))


def _provenance(claim: Claim, settings: Settings) -> dict[str, object]:
    spec = sized(claim, settings)
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
