"""A claim: a statement as printed, the means to decide it, and how evidence becomes a verdict.

The whole vocabulary of the project stands here.  A `Claim` is data.  Its `means` say how it can be
decided; each kind of means is carried out by one module (`bnproof.theory.prove`,
`bnproof.theory.exact.evaluate`, `bnproof.simulate.check`,
`bnproof.simulate.random_matrices.studies.table`, `bnproof.empirical.runner`) and yields one
`Evidence`.  `decide` turns evidence into a `Verdict`: nothing else does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sympy as sp

from bnproof.theory.sources import Source

if TYPE_CHECKING:
    from bnproof.theory.proving.derivation import DerivationResult


class Verdict(StrEnum):
    """What the evidence says of a statement."""

    PROVED = "proved"
    REFUTED = "refuted"
    SUPPORTED = "supported"
    UNSUPPORTED = "unsupported"
    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    UNDECIDED = "undecided"


class Kind(StrEnum):
    """Where evidence comes from."""

    PROOF = "proof"
    COUNTEREXAMPLE = "counterexample"
    INSTANCES = "random instances"
    SPECTRA = "random matrices"
    EXPERIMENT = "experiment"


EXACT = frozenset({Kind.PROOF, Kind.COUNTEREXAMPLE})


class Scale(StrEnum):
    """How much is computed: seconds, minutes on two cores, or the source's own setting."""

    SMOKE = "smoke"
    QUICK = "quick"
    PAPER = "paper"


# What checks proofs: the project's own check alone, or Coq after it.
KERNELS: Final = ("sympy", "coq")


@dataclass(frozen=True)
class Settings:
    """What the user chose for a run of `verify`.

    `device` is a concrete PyTorch device name (``cpu``, ``cuda``); `data` a folder that holds
    CIFAR-10, or None for the embedded data; `memory` the bytes that a batch of random instances
    may take, or None for the default; `kernel` what checks proofs, one of `KERNELS`.
    """

    scale: Scale = Scale.QUICK
    device: str = "cpu"
    seed: int = 0
    data: Path | None = None
    memory: int | None = None
    kernel: str = "sympy"


@dataclass(frozen=True)
class Evidence:
    """What one means found.

    Attributes
    ----------
    kind
        Which means it was.
    holds
        True if the statement holds by this means, False if it fails, None if it cannot tell.
    control_differs
        Whether the control got the opposite answer.  Evidence whose control did not is void.
    summary
        One sentence for a reader.
    numbers
        What was measured, by name, ready for JSON.
    provenance
        Seeds, sizes, device, data set, scale: what is needed to repeat it.
    series
        Arrays for the figure (not written to JSON).
    """

    kind: Kind
    holds: bool | None
    control_differs: bool
    summary: str
    numbers: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    series: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


def decide(evidence: Sequence[Evidence]) -> Verdict:
    """Return the verdict that the evidence supports.

    A control that did not get the opposite answer, means that contradict one another, or no
    answer at all leave the claim undecided.  Otherwise the strongest kind names the verdict.
    An experiment on images decides ``reproduced`` whatever else is known.
    """
    answers = {item.holds for item in evidence if item.holds is not None}
    if len(answers) != 1 or not all(item.control_differs for item in evidence):
        return Verdict.UNDECIDED
    holds = answers.pop()
    kinds = {item.kind for item in evidence if item.holds is not None}
    if Kind.EXPERIMENT in kinds:
        return Verdict.REPRODUCED if holds else Verdict.NOT_REPRODUCED
    if kinds & EXACT:
        return Verdict.PROVED if holds else Verdict.REFUTED
    return Verdict.SUPPORTED if holds else Verdict.UNSUPPORTED


@dataclass(frozen=True)
class Proof:
    """Means: a machine-checked derivation, carried out by `bnproof.theory.prove.check`.

    `prove` is given for the claim's relation; for a claim that is refuted it proves the claim's
    control instead, which is then the corrected statement (`of_control`).  `attained` is exact
    data at which an inequality is an equality with sides that are not 0, or an `ExactCase` whose
    symbols depend on `bnproof.theory.exact.evaluate.n`: a family along which the ratio of the sides
    goes to 1. Either way the inequality cannot be improved by a factor.
    """

    prove: Callable[[], "DerivationResult"]
    of_control: bool = False
    attained: "Counterexample | ExactCase | None" = None


@dataclass(frozen=True)
class Disproof:
    """Means: a derivation that both sides of the relation, an equation, differ for every case.

    Carried out by `bnproof.theory.prove.check_disproof`; the control is the equation that holds.
    """

    prove: Callable[[], "DerivationResult"]


@dataclass(frozen=True)
class Counterexample:
    """Means: exact rational data that violate the relation, re-evaluated by `evaluate.check`.

    The loss is ``L(z) = z'Az/2 + b'z``.  ``sigma**2 + eps`` must be the square of a rational, so
    that the whole layer is evaluated in rational arithmetic.
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
    """Means: an exact counterexample of any kind, carried out by `evaluate.check`.

    `symbols` computes the symbols of the relation straight from raw data, in
    `fractions.Fraction` or exact SymPy numbers, and uses no derived formula; `words` describe the
    data.
    """

    words: str
    values: Callable[[], Mapping[sp.Symbol, sp.Expr]]


@dataclass(frozen=True)
class RandomTest:
    """Means: the relation on random instances, carried out by `bnproof.simulate.check`.

    `sampler` names a family of random instances in `bnproof.simulate.samplers.table.SAMPLERS`, by
    default random single-BN-layer networks measured by autodiff; `sizes` are the batch sizes m that
    are drawn.
    """

    sizes: tuple[int, ...] = (2, 3, 8, 64)
    sampler: str = "networks"


@dataclass(frozen=True, kw_only=True)
class SpectrumTest:
    """Means: random matrices, carried out by `bnproof.simulate.random_matrices.studies.table`.

    `study` names what is measured, in `bnproof.simulate.random_matrices.studies.table.STUDIES`.
    `statement` and `control` name two answers that the study can test: that of the claim, and one
    that must get the opposite result.  `factors` are the numbers M of factors of the products.
    """

    study: str
    statement: str
    control: str
    factors: tuple[int, ...] = (1, 2, 3)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One statement of one source, with the means to decide it.

    Attributes
    ----------
    id
        Name of the file, of the test, of the anchor in the report.
    title
        The statement in one plain sentence.
    sources
        Where it is printed.
    statement
        LaTeX, as printed there.
    expected
        The verdict that the evidence is expected to give; a difference fails `verify`.
    means
        How it is decided.
    relation
        The statement as a SymPy relation over `bnproof.theory.symbols`: the object that is proved,
        printed and evaluated on random networks.
    domain
        Condition under which it is claimed (SymPy Boolean over the same symbols).
    control
        A relation that must get the opposite answer: a wrong variant of a true statement, the
        right variant of a false one.  An experiment brings its own control.
    remark
        What a reader should know: misprints, conventions, when equality holds.
    corrects
        Id of the claim that this one corrects.
    """

    id: str
    title: str
    sources: tuple[Source, ...]
    statement: str
    expected: Verdict
    checks: tuple[Any, ...]
    relation: sp.Basic | None = None
    domain: sp.Basic = sp.true
    control: sp.Basic | None = None
    remark: str = ""
    corrects: str | None = None

    def __post_init__(self) -> None:
        if not self.sources:
            raise ValueError(f"{self.id}: sources: a claim needs at least one source")
        if not self.checks:
            raise ValueError(f"{self.id}: checks: a claim needs at least one means to decide it")
        needs_control = any(
            isinstance(spec, Proof | Disproof | Counterexample | ExactCase | RandomTest)
            for spec in self.checks
        )
        if needs_control and (self.relation is None or self.control is None):
            raise ValueError(f"{self.id}: control: a relation and a control must both be given")
        self._validate_checks()

    def _validate_checks(self) -> None:
        """Refuse means whose check could not do its work."""
        exact = self.check_of(Counterexample) is not None and self.check_of(ExactCase) is not None
        if exact or len({type(spec) for spec in self.checks}) < len(self.checks):
            raise ValueError(
                f"{self.id}: checks: one of a kind, and one exact case, is carried out"
            )
        if self.check_of(Disproof) and not isinstance(self.relation, sp.Eq):
            raise ValueError(
                f"{self.id}: checks: Disproof is for an equation, which sides that differ break"
            )
        spec = self.check_of(Proof)
        wrong = spec and (self.relation if spec.of_control else self.control)
        others = (self.check_of(kind) for kind in (Counterexample, ExactCase, RandomTest))
        if isinstance(wrong, sp.LessThan) and not any(others):
            # That a slack proves one inequality says nothing of another.
            raise ValueError(
                f"{self.id}: checks: an inequality as control needs RandomTest or an exact case, "
                "which can refute it"
            )

    def check_of(self, kind: type) -> Any:
        """Return the first of the means that is of type `kind`, or None."""
        return next((spec for spec in self.checks if isinstance(spec, kind)), None)
