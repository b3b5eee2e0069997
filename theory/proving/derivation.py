"""Derivations whose every step SymPy checks, and the check that a derivation proves a relation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import sympy as sp

from bnproof.theory.proving.certificate import Certificate, Term
from bnproof.theory.proving.gram import Vector
from bnproof.theory.symbols import latex, text

# What vouches for a step of each kind, where SymPy does not.
KINDS: Final = {"checked": "", "given": "stated", "cited": "cited from elsewhere"}


class ProofError(Exception):
    """A step that SymPy does not confirm; the message names the step and the residual."""


@dataclass(frozen=True)
class Step:
    """One line of a derivation: words and, where there is one, the equation that was checked."""

    words: str
    latex: str = ""
    text: str = ""
    kind: str = "checked"  # one of `KINDS`

    def told(self) -> str:
        """The words, and in brackets what vouches for them where SymPy does not."""
        return f"{self.words} ({KINDS[self.kind]})" if KINDS[self.kind] else self.words


@dataclass(frozen=True)
class DerivationResult:
    """A finished derivation.

    Attributes
    ----------
    steps
        What a reader sees, in order.
    values
        Symbols of the relation expressed through the basic symbols, as the derivation found them.
    slack
        For an inequality: terms whose sum is right side minus left side.
    equality
        When the inequality is an equality, in words.
    rests_on
        Theorems of others that the derivation uses.
    """

    steps: tuple[Step, ...]
    values: Mapping[sp.Symbol, sp.Expr]
    slack: tuple[Term, ...] = ()
    equality: str = ""
    rests_on: tuple[str, ...] = ()


@dataclass
class Derivation:
    """A derivation under construction: each `equal` is checked before it is written down."""

    steps: list[Step] = field(default_factory=list)
    values: dict[sp.Symbol, sp.Expr] = field(default_factory=dict)
    rests_on: list[str] = field(default_factory=list)

    def given(self, words: str, tex: str = "", plain: str = "") -> None:
        """Write down a definition or an argument in words, which SymPy does not check."""
        self.steps.append(Step(words, tex, plain or tex, kind="given"))

    def cite(self, words: str, theorem: str, tex: str = "") -> None:
        """Use a theorem proved elsewhere; it is listed in `DerivationResult.rests_on`."""
        self.steps.append(Step(words, tex, tex, kind="cited"))
        self.rests_on.append(theorem)

    def equal(
        self,
        words: str,
        name: tuple[str, str],
        left: sp.Expr,
        right: sp.Expr,
        shown: sp.Expr | None = None,
    ) -> None:
        """Check ``left == right`` and write it down as ``name = right``.

        `name` is the left side in LaTeX and in text; `shown` is `right` in the symbols in which
        it reads best, where those were expanded for the check.

        Raises
        ------
        ProofError
            If SymPy does not reduce the difference to 0.
        """
        rest = sp.simplify(left - right)
        if rest != 0:
            raise ProofError(f"{words}: residual {rest}")
        shown = right if shown is None else shown
        tex, plain = name
        self.steps.append(Step(words, f"{tex} = {latex(shown)}", f"{plain} = {text(shown)}"))

    def vectors(self, words: str, tex: str, plain: str, left: Vector, right: Vector) -> None:
        """Check that two vectors are equal, coefficient by coefficient, and write it down.

        Raises
        ------
        ProofError
            If a coefficient differs.
        """
        if not left.equals(right):
            raise ProofError(f"{words}: the difference has parts {(left - right).parts}")
        self.steps.append(Step(words, tex, plain))

    def value(
        self,
        symbol: sp.Symbol,
        words: str,
        derived: sp.Expr,
        equivalent: sp.Expr,
        shown: sp.Expr | None = None,
    ) -> None:
        """Record that `symbol` equals `derived`, checked against an `equivalent` form."""
        self.equal(words, (latex(symbol), text(symbol)), derived, equivalent, shown)
        self.values[symbol] = equivalent

    def finish(self, slack: Sequence[Term] = (), equality: str = "") -> DerivationResult:
        """Close the derivation."""
        return DerivationResult(
            tuple(self.steps), dict(self.values), tuple(slack), equality, tuple(self.rests_on)
        )


def certify(proof: DerivationResult, relation: sp.Basic, domain: sp.Basic = sp.true) -> Certificate:
    """What `proof` found, as a certificate that it proves `relation` on `domain`."""
    symbols = relation.free_symbols
    rules = {symbol: value for symbol, value in proof.values.items() if symbol in symbols}
    return Certificate(relation, domain, rules, proof.slack)


def proves(proof: DerivationResult, relation: sp.Basic, domain: sp.Basic = sp.true) -> bool:
    """Whether `proof` entails `relation` on `domain`: whether its certificate has no flaw."""
    return certify(proof, relation, domain).holds()


def residual(relation: sp.Basic, proof: DerivationResult, domain: sp.Basic) -> sp.Expr:
    """Right side minus left side minus the slack, in basic symbols, simplified."""
    return sp.simplify(sp.expand(certify(proof, relation, domain).residual()))
