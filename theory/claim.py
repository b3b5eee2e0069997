"""Claims: a reading of a sentence, the checks that test it, and how evidence becomes a verdict.

This module defines the vocabulary of the project.  A `Claim` is data.  Its `checks` say how it is
tested; each kind of check is run by one module (`bnproof.theory.prove`,
`bnproof.theory.exact.evaluate`, `bnproof.simulate.check`,
`bnproof.simulate.random_matrices.studies.table`, `bnproof.empirical.runner`) and yields one
`Evidence`.  Only `decide` turns evidence into a `Verdict`.  The sentences that claims read are in
`bnproof.theory.ledger`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sympy as sp

from bnproof.theory.common.modes import Mode as Mode
from bnproof.theory.common.modes import Precision as Precision
from bnproof.theory.ledger.book import places
from bnproof.theory.ledger.verdict import Verdict as Verdict
from bnproof.theory.sources import Source
from bnproof.theory.symbols import SYMBOLS, axes_of

if TYPE_CHECKING:
    from bnproof.theory.proving.derivation import DerivationResult


class Kind(StrEnum):
    """Where evidence comes from."""

    PROOF = "proof"
    DISPROOF = "disproof"
    COUNTEREXAMPLE = "counterexample"
    INSTANCES = "random instances"
    SPECTRA = "random matrices"
    EXPERIMENT = "experiment"


EXACT = frozenset({Kind.PROOF, Kind.DISPROOF, Kind.COUNTEREXAMPLE})


class Scale(StrEnum):
    """How much is computed.

    ``smoke`` takes seconds and ``quick`` minutes on two cores.  ``long`` trains for as many updates
    and on as much data as the source, where hours on two cores allow that, but smaller networks;
    ``paper`` is the source's own setting.
    """

    SMOKE = "smoke"
    QUICK = "quick"
    LONG = "long"
    PAPER = "paper"


# What checks proofs: the project's own check alone, or Coq after it.
KERNELS: Final = ("sympy", "coq")


@dataclass(frozen=True)
class Settings:
    """User options of a `verify` run.

    `device` is a concrete PyTorch device name (``cpu``, ``cuda``); `data` is the folder of the
    images or the name of an embedded data set, or None for the default; `memory` limits the bytes
    of a batch of random instances, or None for the default; `precision` and `mode` are those of
    training; `kernel` is what checks proofs, one of `KERNELS`; `variant` is the name of a change of
    an experiment's protocol, empty for none.
    """

    scale: Scale = Scale.QUICK
    device: str = "cpu"
    seed: int = 0
    data: Path | None = None
    memory: int | None = None
    precision: Precision = "float32"
    mode: Mode = "exact"
    kernel: str = "sympy"
    variant: str = ""


@dataclass(frozen=True)
class Evidence:
    """Result of one check.

    Attributes
    ----------
    kind
        Where the evidence comes from.
    holds
        True if the check finds that the statement holds, False if it fails, None if undecided or
        in miniature.
    control_differs
        Whether the control got the opposite answer.  Otherwise the evidence is void.
    summary
        One sentence for a reader.
    numbers
        Measured values by name, ready for JSON.
    provenance
        Seeds, sizes, device, data set, scale: everything needed to repeat the check.
    series
        Arrays for the figure (not written to JSON).
    reason
        Why the evidence decides nothing, if it does not.
    given
        References of the theorems that the evidence takes from elsewhere.
    setting
        The setting of an experiment in words, with what it has less than that of the source.
    miniature
        Whether an experiment is smaller, shorter or on other images than that of the source.
    seen
        What a miniature finds: True if the effect is seen, False if not, None if undecided.

    Raises
    ------
    ValueError
        If a miniature says that the statement holds or fails, or anything else that it is seen.
    """

    kind: Kind
    holds: bool | None
    control_differs: bool
    summary: str
    numbers: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    series: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    reason: str = ""
    given: tuple[str, ...] = ()
    setting: str = ""
    miniature: bool = False
    seen: bool | None = None

    def __post_init__(self) -> None:
        if (self.holds if self.miniature else self.seen) is not None:
            raise ValueError("evidence: give `seen` for a miniature, and `holds` for anything else")

    @property
    def answer(self) -> bool | None:
        """What the check finds, in miniature or not."""
        return self.seen if self.miniature else self.holds


def counted(evidence: Sequence[Evidence]) -> list[Evidence]:
    """The evidence that counts: beside an answer at the source's setting, miniatures do not."""
    full = any(item.kind is Kind.EXPERIMENT and item.holds is not None for item in evidence)
    return [item for item in evidence if not (full and item.miniature)]


def decide(evidence: Sequence[Evidence]) -> Verdict:
    """Return the verdict that the evidence supports.

    The claim stays undecided if a control did not get the opposite answer, if checks contradict
    each other, or if none has an answer.  Otherwise the strongest kind of evidence names the
    verdict.  An experiment on images names it whatever the other checks are: ``reproduced`` or
    ``not reproduced`` at the setting of the source, ``seen`` or ``not seen in miniature`` below it.
    """
    items = counted(evidence)
    answers = {item.answer for item in items if item.answer is not None}
    if len(answers) != 1 or not all(item.control_differs for item in items):
        return Verdict.UNDECIDED
    holds = answers.pop()
    answered = [item for item in items if item.answer is not None]
    kinds = {item.kind for item in answered}
    if any(item.miniature for item in answered):
        return Verdict.SEEN if holds else Verdict.NOT_SEEN
    if Kind.EXPERIMENT in kinds:
        return Verdict.REPRODUCED if holds else Verdict.NOT_REPRODUCED
    if kinds & EXACT:
        return Verdict.PROVED if holds else Verdict.REFUTED
    return Verdict.SUPPORTED if holds else Verdict.UNSUPPORTED


def why_undecided(evidence: Sequence[Evidence]) -> str:
    """Say what keeps `decide` from a verdict, in one sentence; empty if it has one."""
    if decide(evidence) is not Verdict.UNDECIDED:
        return ""
    evidence = counted(evidence)
    reasons = [f"{item.kind}: {item.reason}" for item in evidence if item.reason]
    reasons += [
        f"{item.kind}: the control gets the same answer as the statement"
        for item in evidence
        if not item.control_differs and not item.reason
    ]
    for answer in (True, False):
        kinds = [str(item.kind) for item in evidence if item.answer is answer]
        if kinds and not reasons and any(item.answer is (not answer) for item in evidence):
            others = [str(item.kind) for item in evidence if item.answer is (not answer)]
            verb = "holds" if answer else "fails"
            reasons.append(f"it {verb} by {', '.join(kinds)}, and not by {', '.join(others)}")
    return "; ".join(reasons) or "no check has an answer"


def given(evidence: Sequence[Evidence]) -> tuple[str, ...]:
    """The theorems from elsewhere on which the verdict rests, each once."""
    if decide(evidence) not in (Verdict.PROVED, Verdict.REFUTED):
        return ()
    answers = [item for item in evidence if item.kind in EXACT and item.holds is not None]
    return tuple(dict.fromkeys(theorem for item in answers for theorem in item.given))


@dataclass(frozen=True)
class Proof:
    """Check: a machine-checked derivation, run by `bnproof.theory.prove.check`.

    `docs/proofs.md` says what a proof may rest on.  `prove` derives the claim's relation.  With
    `of_control` it derives the control instead, which is then the corrected form of a refuted
    statement.  `attained` shows that the constant of an inequality is best possible: exact data at
    which both sides are equal and nonzero, or an `ExactCase` in `bnproof.theory.exact.evaluate.n`,
    a family along which the ratio of the sides tends to 1.
    """

    prove: Callable[[], "DerivationResult"]
    of_control: bool = False
    attained: "Counterexample | ExactCase | None" = None


@dataclass(frozen=True)
class Disproof:
    """Check: a derivation that the two sides of an equation differ in every case.

    Run by `bnproof.theory.prove.check_disproof`; the control is the equation that holds.
    """

    prove: Callable[[], "DerivationResult"]


@dataclass(frozen=True)
class Counterexample:
    """Check: exact rational data that violate the relation, evaluated by `evaluate.check`.

    The loss is ``L(z) = z'Az/2 + b'z``.  ``sigma**2 + eps`` must be the square of a rational, so
    that the layer can be evaluated in rational arithmetic.
    """

    y: tuple[Fraction, ...]
    b: tuple[Fraction, ...]
    A: tuple[tuple[Fraction, ...], ...] = ()
    gamma: Fraction = Fraction(1)
    beta: Fraction = Fraction(0)
    eps: Fraction = Fraction(0)

    @classmethod
    def of(cls, y: Sequence[Any], b: Sequence[Any], **rest: Any) -> "Counterexample":
        """Build from integers, fractions or strings such as ``"3/4"``."""
        if "A" in rest:
            rest["A"] = tuple(tuple(map(Fraction, row)) for row in rest["A"])
        for name in {"gamma", "beta", "eps"} & set(rest):
            rest[name] = Fraction(rest[name])
        return cls(y=tuple(map(Fraction, y)), b=tuple(map(Fraction, b)), **rest)


@dataclass(frozen=True)
class ExactCase:
    """Check: an exact counterexample of any kind, evaluated by `evaluate.check`.

    `values` computes the symbols of the relation from raw data, in `fractions.Fraction` or exact
    SymPy numbers, without any derived formula; `words` describes the data.
    """

    words: str
    values: Callable[[], Mapping[sp.Symbol, sp.Expr]]


@dataclass(frozen=True)
class RandomTest:
    """Check: the relation on random instances, run by `bnproof.simulate.check`.

    `sampler` names an entry of `bnproof.simulate.samplers.table.SAMPLERS`; the default draws
    random networks with one BN layer and measures them by automatic differentiation.  `sizes` are
    the batch sizes m to draw; the check adds random ones (`bnproof.simulate.check`).
    """

    sizes: tuple[int, ...] = (2, 3, 8, 64)
    sampler: str = "networks"

    def __post_init__(self) -> None:
        several = isinstance(self.sizes, Sequence) and self.sizes
        if not several or not all(type(size) is int and size > 0 for size in self.sizes):
            raise ValueError(
                f"checks: RandomTest: sizes = {self.sizes!r}: "
                "give whole numbers, 1 or larger, as a tuple"
            )


@dataclass(frozen=True, kw_only=True)
class SpectrumTest:
    """Check: random matrices, run by `bnproof.simulate.random_matrices.studies.table`.

    `study` names an entry of `bnproof.simulate.random_matrices.studies.table.STUDIES`.
    `statement` and `control` name two hypotheses that the study can test: the claim's, and one
    that must get the opposite result.  `factors` are the numbers M of factors in the products.
    """

    study: str
    statement: str
    control: str
    factors: tuple[int, ...] = (1, 2, 3)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A reading of a sentence, or a statement of one's own, with the checks that decide it.

    Attributes
    ----------
    id
        Name of the file, of the test, and of the anchor in the report.
    title
        The statement in one plain sentence.
    expected
        The expected verdict; `verify` fails if the evidence gives another.
    checks
        How it is tested.
    sources
        Where it comes from.  For a claim that `bnproof.theory.ledger` lists as a reading of a
        sentence, the places where that is printed; it gives none itself.
    statement
        How it is read: a formula in LaTeX, if there is one.
    relation
        The statement as a SymPy relation over `bnproof.theory.symbols`: the object that is proved,
        printed and evaluated on random networks.
    domain
        Condition under which it is claimed (SymPy Boolean over the same symbols).
    control
        A relation that must get the opposite answer: a wrong variant of a true statement, or the
        correct variant of a false one.  An experiment brings its own control.
    remark
        What a reader should know: misprints, conventions, when equality holds.

    Raises
    ------
    ValueError
        If it reads no sentence and has no source, a check or a needed control is missing, or the
        checks do not fit the relation.
    """

    id: str
    title: str
    expected: Verdict
    checks: tuple[Any, ...]
    sources: tuple[Source, ...] = ()
    statement: str = ""
    relation: sp.Basic | None = None
    domain: sp.Basic = sp.true
    control: sp.Basic | None = None
    remark: str = ""

    def __post_init__(self) -> None:
        if not self.sources:
            object.__setattr__(self, "sources", places(self.id))
        if not self.sources:
            raise ValueError(
                f"{self.id}: sources: it reads no sentence of theory/ledger/documents; "
                "list it there, or give a source"
            )
        if not self.checks:
            raise ValueError(f"{self.id}: checks: a claim needs at least one check")
        needs_control = any(
            isinstance(spec, Proof | Disproof | Counterexample | ExactCase | RandomTest)
            for spec in self.checks
        )
        if needs_control and (self.relation is None or self.control is None):
            raise ValueError(f"{self.id}: control: these checks need both a relation and a control")
        # What is no SymPy object is reported with the other fields, by `loading.flaw_of`.
        used = self.domain.free_symbols if isinstance(self.domain, sp.Basic) else set()
        indexed = sorted(str(part) for part in used & SYMBOLS.keys() if axes_of([part]))
        if indexed:
            raise ValueError(
                f"{self.id}: domain: {', '.join(indexed)} has an index; a domain is about numbers"
            )
        self._validate_checks()

    def _validate_checks(self) -> None:
        """Reject combinations of checks that could not decide anything."""
        exact = self.check_of(Counterexample) is not None and self.check_of(ExactCase) is not None
        if exact or len({type(spec) for spec in self.checks}) < len(self.checks):
            raise ValueError(
                f"{self.id}: checks: give at most one check of each kind, and one exact case"
            )
        if self.check_of(Disproof) and not isinstance(self.relation, sp.Eq):
            raise ValueError(
                f"{self.id}: checks: Disproof needs an equation; write the relation as sp.Eq"
            )
        exactly = [
            kind.__name__
            for kind in (Proof, Disproof, Counterexample, ExactCase)
            if self.check_of(kind)
        ]
        if exactly and not self.check_of(RandomTest):
            raise ValueError(
                f"{self.id}: checks: {' and '.join(exactly)} needs an independent path beside it; "
                "add a RandomTest, which measures every symbol from raw data"
            )

    def check_of(self, kind: type) -> Any:
        """Return the check of type `kind`, or None."""
        return next((spec for spec in self.checks if isinstance(spec, kind)), None)
