"""Derivations checked step by step by SymPy, and whether a derivation proves a relation."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

import sympy as sp

from bnproof.theory import symbols as sym
from bnproof.theory.proving.certificate import Certificate, Term
from bnproof.theory.proving.gram import Vector, is_zero
from bnproof.theory.proving.lemmas import LEMMAS
from bnproof.theory.symbols import latex, text

# Label of each kind of step; steps that SymPy checks need none.
KINDS: Final = {
    "checked": "",
    "given": "stated",
    "cited": "cited from elsewhere",
    "defined": "definition",
}


class ProofError(Exception):
    """A step that SymPy does not confirm; the message names the step and the residual."""


@dataclass(frozen=True)
class Step:
    """One line of a derivation: words and, if there is one, the equation that was checked."""

    words: str
    latex: str = ""
    text: str = ""
    kind: str = "checked"  # one of `KINDS`

    def caption(self) -> str:
        """The words, followed by the kind of step in brackets unless SymPy checked it."""
        return f"{self.words} ({KINDS[self.kind]})" if KINDS[self.kind] else self.words


@dataclass(frozen=True)
class DerivationResult:
    """A finished derivation.

    Attributes
    ----------
    steps
        The lines of the derivation, in order.
    values
        Derived expressions of the relation's symbols in basic symbols.
    slack
        For an inequality: terms whose sum is right side minus left side.
    rests_on
        Cited theorems that the derivation uses, those of its lemmas included.
    """

    steps: tuple[Step, ...]
    values: Mapping[sp.Symbol, sp.Expr]
    slack: tuple[Term, ...] = ()
    rests_on: tuple[str, ...] = ()

    def counts(self) -> dict[str, int]:
        """How many steps there are of each of `KINDS`."""
        return {kind: sum(step.kind == kind for step in self.steps) for kind in KINDS}

    def gap(self) -> str:
        """Why the steps prove nothing: one is only stated, or none is checked; empty otherwise."""
        for number, step in enumerate(self.steps, start=1):
            if step.kind == "given":
                return f"step {number} is only stated: {step.words}"
        if not any(step.kind in ("checked", "cited") for step in self.steps):
            return "no step is checked: its values are written down, not derived"
        return ""


@dataclass
class Derivation:
    """A derivation under construction: each equation is checked before it is recorded."""

    steps: list[Step] = field(default_factory=list)
    rests_on: list[str] = field(default_factory=list)
    _values: dict[sp.Symbol, sp.Expr] = field(default_factory=dict)

    @classmethod
    def after(cls, first: DerivationResult) -> "Derivation":
        """Go on from a finished derivation."""
        return cls(list(first.steps), list(first.rests_on), dict(first.values))

    @property
    def values(self) -> Mapping[sp.Symbol, sp.Expr]:
        """The values that `value` recorded; they cannot be written in any other way."""
        return MappingProxyType(self._values)

    def given(self, words: str, tex: str = "", plain: str = "") -> None:
        """Record an argument in words, which nothing checks: with such a step nothing is proved."""
        self.steps.append(Step(words, tex, plain or tex, kind="given"))

    def define(self, words: str, tex: str, plain: str) -> None:
        """Record what a symbol of the derivation stands for, or what a step takes as its object.

        A definition says nothing that could be false: what follows from it is another step.  Only
        `bnproof.theory` defines; a claim's own words are stated, whatever its author calls them.
        """
        kind = "defined" if sym.ours(sym._caller()) else "given"
        self.steps.append(Step(words, tex, plain, kind=kind))

    def cite(self, words: str, theorem: str, tex: str = "", plain: str = "") -> None:
        """Use a theorem proved elsewhere, listed in `DerivationResult.rests_on`."""
        self.steps.append(Step(words, tex, plain or tex, kind="cited"))
        self.rests_on.append(theorem)

    def equal(
        self,
        words: str,
        name: tuple[str, str],
        left: sp.Expr,
        right: sp.Expr,
        shown: sp.Expr | None = None,
    ) -> None:
        """Check ``left == right`` and record it as ``name = right``.

        `name` is the left side in LaTeX and in text; `shown` is a more readable form of `right`,
        if that had to be expanded for the check.

        Raises
        ------
        ProofError
            If SymPy does not reduce the difference to 0.
        """
        if not is_zero(left - right):
            raise ProofError(f"{words}: residual {sp.simplify(left - right)}")
        shown = right if shown is None else shown
        tex, plain = name
        self.steps.append(Step(words, f"{tex} = {latex(shown)}", f"{plain} = {text(shown)}"))

    def vectors(self, words: str, tex: str, plain: str, left: Vector, right: Vector) -> None:
        """Check that two vectors are equal, coefficient by coefficient, and record it.

        Raises
        ------
        ProofError
            If a coefficient differs.
        """
        if not left.equals(right):
            raise ProofError(f"{words}: the vectors differ by {(left - right).parts}")
        self.steps.append(Step(words, tex, plain))

    def value(
        self,
        symbol: sp.Symbol,
        words: str,
        derived: sp.Expr,
        equivalent: sp.Expr | None = None,
        shown: sp.Expr | None = None,
    ) -> None:
        """Record that `symbol` equals `derived`, checked against an `equivalent` form.

        Without an equivalent form the value is recorded and no step is shown.  The value is
        evaluated on random instances in either case.

        Raises
        ------
        ProofError
            If SymPy does not reduce the difference of the two forms to 0.
        """
        if equivalent is not None:
            self.equal(words, (latex(symbol), text(symbol)), derived, equivalent, shown)
        self._values[symbol] = derived if equivalent is None else equivalent

    def finish(
        self, slack: Sequence[Term] = (), *, using: Iterable[sp.Symbol] | None = None
    ) -> DerivationResult:
        """Return the finished derivation, with the values of the symbols in `using` or of all."""
        kept = self._values if using is None else {part: self._values[part] for part in using}
        used = [term.lemma for term in slack]
        cited = [*self.rests_on, *(LEMMAS[name].theorem for name in used if name in LEMMAS)]
        return DerivationResult(
            tuple(self.steps),
            dict(kept),
            tuple(slack),
            tuple(dict.fromkeys(filter(None, cited))),
        )


def certify(proof: DerivationResult, relation: sp.Basic, domain: sp.Basic = sp.true) -> Certificate:
    """Certificate that `proof` proves `relation` on `domain`; it may have flaws."""
    bare = Certificate(relation, domain, {}, proof.slack)
    used = bare.symbols()
    rules = {symbol: value for symbol, value in proof.values.items() if symbol in used}
    return replace(bare, rules=rules)


def proves(proof: DerivationResult, relation: sp.Basic, domain: sp.Basic = sp.true) -> bool:
    """Whether `proof` entails `relation` on `domain`, that is, its certificate has no flaw."""
    return certify(proof, relation, domain).holds()


def residual(certificate: Certificate) -> sp.Expr:
    """Right side minus left side minus the slack, in basic symbols, simplified."""
    return sp.simplify(sp.expand(certificate.residual()))
