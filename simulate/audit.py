"""Evaluate what a proof takes for granted on random instances.

A certificate is a chain of identities from rules, signs and lemmas.  Each is evaluated here on
symbols measured from raw data, beside the relation: the rules as equations, the lemmas and the
declared signs as inequalities, and derived symbols against what they are.
"""

from dataclasses import dataclass, field
from functools import cached_property

import sympy as sp
from torch import Tensor

from bnproof.simulate.relation import TOLERANCE, compare
from bnproof.simulate.samplers.base import Measurements
from bnproof.theory import symbols as sym
from bnproof.theory.proving.certificate import Certificate
from bnproof.theory.symbols import text


@dataclass
class Audit:
    """Result of auditing one certificate.

    Attributes
    ----------
    certificate
        What is audited.
    missing
        Symbols that the sampler does not measure.
    largest
        The largest scaled excess of each assumption, keyed by its text.
    broken
        Assumptions that an instance violates, with the number of instances.
    """

    certificate: Certificate
    missing: set[sp.Symbol] = field(default_factory=set)
    largest: dict[str, float] = field(default_factory=dict)
    broken: dict[str, int] = field(default_factory=dict)

    @cached_property
    def symbols(self) -> list[sp.Symbol]:
        """The symbols of the certificate, by name."""
        return sorted(self.certificate.symbols(), key=str)

    @cached_property
    def signs(self) -> dict[sp.Symbol, str]:
        """Symbols whose sign is declared, or proved on the domain: ``>`` or ``>=`` 0."""
        proved = {one.symbol for one in self.certificate.positives()}
        return {
            symbol: ">" if symbol.is_positive or symbol in proved else ">="
            for symbol in self.symbols
            if symbol.is_nonnegative and sym.SYMBOLS[symbol].expression is None
        }

    @cached_property
    def assumptions(self) -> dict[str, sp.Basic]:
        """Each rule and lemma as a relation, keyed by text."""
        return self.certificate.assumptions()

    @cached_property
    def derived(self) -> dict[str, sp.Basic]:
        """Each derived symbol with what it stands for, keyed by text."""
        expressions = {symbol: sym.SYMBOLS[symbol].expression for symbol in self.symbols}
        return {
            f"{text(symbol)} is {text(expression)}": sp.Eq(symbol, expression, evaluate=False)
            for symbol, expression in expressions.items()
            if expression is not None
        }

    def add(self, measured: Measurements, mask: Tensor) -> None:
        """Evaluate all assumptions on the instances in `mask`."""
        self.missing |= {part for part in self.symbols if not measured.measures(part)}
        if self.missing or not mask.any():
            return
        # A derived symbol that the sampler evaluates from its expression needs no check.
        derived = {
            w: relation for w, relation in self.derived.items() if relation.lhs in measured.VALUES
        }
        for words, relation in (self.assumptions | derived).items():
            found = compare(relation, measured, mask)
            self.largest[words] = max(self.largest.get(words, -1.0), found.excess.max().item())
            self._note(words, int(found.violated.sum()))
        for symbol, sign in self.signs.items():
            value, size = measured.value(symbol)[mask], measured.magnitude(symbol)[mask]
            below = value < -TOLERANCE[value.dtype] * size
            if sign == ">":
                below = below | (value == 0)
            self._note(f"{text(symbol)} {sign} 0", int(below.sum()))

    def _note(self, words: str, count: int) -> None:
        if count:
            self.broken[words] = self.broken.get(words, 0) + count

    def reason(self) -> str:
        """Why the certificate decides nothing; empty if the audit finds no fault."""
        if self.missing:
            names = ", ".join(sorted(map(text, self.missing)))
            return f"the sampler does not measure {names}, on which the proof rests"
        if self.broken:
            words, count = max(self.broken.items(), key=lambda item: item[1])
            return f"the proof assumes {words[:200]}, which fails on {count:,} instances"
        return ""
