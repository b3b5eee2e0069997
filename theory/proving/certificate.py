"""Certificates: the result of a proof, in a form that can be checked without deriving it again.

A certificate holds a relation, the substitution rules for its symbols and, for an inequality, its
slack as a sum of terms that are not negative.  The check uses none of the code that derived it:

- every symbol is registered, and a derived one is replaced by what it is;
- a rule is free of roots and absolute values that could hide an inequality (`bnproof.simulate`
  evaluates each rule on random instances besides);
- every denominator, root and logarithm is defined by the signs of the symbols and the domain;
- every term of the slack is seen to be non-negative (`bnproof.theory.proving.signs`), or is one
  such factor times a lemma of `bnproof.theory.proving.lemmas`;
- right side minus left side minus slack vanishes with the rules put in, both as a symbolic identity
  and at random points in exact arithmetic.
"""

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import sympy as sp

from bnproof.theory import symbols as sym
from bnproof.theory.proving.conditions import Condition, conditions
from bnproof.theory.proving.expressions import dumps, loads
from bnproof.theory.proving.gram import is_zero
from bnproof.theory.proving.lemmas import LEMMAS, POSITIVE, Lemma, Positive
from bnproof.theory.proving.signs import non_negative

POINTS: Final = 8
DIGITS: Final = 50
SEED: Final = 20


@dataclass(frozen=True)
class Term:
    """One term of a slack, non-negative for a stated reason.

    With the name of a `lemma` the term is `expr` times what the lemma says is not negative.
    """

    expr: sp.Expr
    reason: str
    lemma: str = ""

    @property
    def value(self) -> sp.Expr:
        """The whole term.

        Raises
        ------
        KeyError
            If there is no such lemma.
        """
        return self.expr * LEMMAS[self.lemma].expression if self.lemma else self.expr

    def to_json(self) -> dict[str, str]:
        """The term as JSON data."""
        return {"term": dumps(self.expr), "because": self.reason, "lemma": self.lemma}

    @classmethod
    def from_json(cls, content: Mapping[str, str]) -> "Term":
        """Read what `to_json` wrote; raises as `Certificate.from_json`."""
        return cls(loads(content["term"]), content["because"], content["lemma"])


@dataclass(frozen=True)
class Certificate:
    """A relation on a domain, with the data needed to check that it holds.

    Attributes
    ----------
    relation
        ``lhs = rhs`` or ``lhs <= rhs``.
    domain
        The hypotheses.
    rules
        Symbols of the relation expressed through others, substituted simultaneously.
    slack
        For an inequality: terms whose sum is right side minus left side.
    """

    relation: sp.Basic
    domain: sp.Basic
    rules: Mapping[sp.Symbol, sp.Expr]
    slack: tuple[Term, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the certificate as JSON data, which `from_json` reads."""
        return {
            "relation": dumps(self.relation),
            "domain": dumps(self.domain),
            "rules": {dumps(symbol): dumps(value) for symbol, value in self.rules.items()},
            "slack": [term.to_json() for term in self.slack],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Certificate":
        """Read what `to_json` wrote.

        Raises
        ------
        ValueError
            If a part is missing or is not an expression.
        """
        try:
            return cls(
                loads(content["relation"]),
                loads(content["domain"]),
                {loads(symbol): loads(value) for symbol, value in content["rules"].items()},
                tuple(map(Term.from_json, content["slack"])),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a certificate: {type(error).__name__} {error}") from None

    def lemmas(self) -> list[Lemma]:
        """The lemmas that the slack uses."""
        return [LEMMAS[term.lemma] for term in self.slack if term.lemma in LEMMAS]

    def positives(self) -> list[Positive]:
        """The symbols whose sign is proved under hypotheses that the domain has."""
        used = sorted(self._own_symbols() & POSITIVE.keys(), key=str)
        return [POSITIVE[part] for part in used if POSITIVE[part].applies(self.domain)]

    def assumptions(self) -> dict[str, sp.Basic]:
        """Its rules as equations and its lemmas as inequalities, keyed by text.

        Those of the proofs of its signs are included.
        """
        every = [self, *(one.certificate for one in self.positives())]
        rules = {
            f"{sym.text(symbol)} = {sym.text(value)}": sp.Eq(symbol, value, evaluate=False)
            for one in every
            for symbol, value in one.rules.items()
        }
        lemmas = {
            lemma.name: sp.Le(0, lemma.expression, evaluate=False)
            for one in every
            for lemma in one.lemmas()
        }
        return rules | lemmas

    def symbols(self) -> set[sp.Symbol]:
        """Every symbol that occurs, and those that derived ones stand for."""
        signs = [one.certificate for one in self.positives() if one.certificate is not self]
        return self._own_symbols().union(*(one._own_symbols() for one in signs))

    def _own_symbols(self) -> set[sp.Symbol]:
        parts = [self.relation, self.domain, *self.rules, *self.rules.values()]
        parts += [term.expr for term in self.slack]
        parts += [lemma.expression for lemma in self.lemmas()]
        found = set().union(*(part.free_symbols for part in parts))
        return found.union(*(sym.in_primitives(symbol).free_symbols for symbol in found))

    def residual(self) -> sp.Expr:
        """Right side minus left side minus slack, with the rules substituted, not simplified."""
        slack = [term.value for term in self.slack]
        total = sym.in_primitives(self.relation.rhs - self.relation.lhs - sp.Add(*slack))
        rules = {symbol: sym.in_primitives(value) for symbol, value in self.rules.items()}
        return in_basic_symbols(total.subs(rules, simultaneous=True), self.domain)

    def conditions(self) -> list[Condition]:
        """What must hold for all parts to be defined."""
        slack = [term.value for term in self.slack]
        return conditions(*self.relation.args, *self.rules.values(), *slack)

    def flaws(self) -> Iterator[str]:
        """Yield the flaws; there are none if the certificate proves its relation."""
        ill = list(self.unfounded())
        yield from ill
        if not ill:
            yield from self._differences()

    def unfounded(self) -> Iterator[str]:
        """Yield what is not established of its parts, whether or not they prove the relation."""
        if not isinstance(self.relation, sp.Eq | sp.LessThan):
            yield f"a proof is for = or <=, not {type(self.relation).__name__}"
            return
        if isinstance(self.relation, sp.Eq) and self.slack:
            yield "an equation has no slack"
        unknown = [term.lemma for term in self.slack if term.lemma and term.lemma not in LEMMAS]
        if unknown:
            yield f"there is no lemma {unknown[0]!r}"
            return
        yield from self._ill_founded()
        for one in self.conditions():
            if not one.seen(self.domain):
                yield f"it is not established that {one}"
        for term in self.slack:
            if not non_negative(term.expr, self.domain):
                yield (
                    f"it is not established that {sym.text(term.expr)} in the slack is not negative"
                )
        for sign in self.positives():
            if sign.certificate is not self:
                yield from _unproved(sign)

    def _ill_founded(self) -> Iterator[str]:
        """Symbols that nothing defines, and rules that could hide an inequality."""
        for symbol in sorted(self.symbols() - sym.SYMBOLS.keys(), key=str):
            yield f"the symbol {symbol} is neither measured nor an expression in measured ones"
        for symbol, value in self.rules.items():
            if symbol in sym.SYMBOLS and sym.SYMBOLS[symbol].expression is not None:
                yield f"{symbol} is derived: it has an expression and takes no other value"
            for part in _bent(value) - _bent(self.relation):
                yield f"the value of {symbol} has {sym.text(part)}, which could hide an inequality"

    def _differences(self) -> Iterator[str]:
        residual = self.residual()
        raised = set().union(*(part.exp.free_symbols for part in residual.atoms(sp.Pow)))
        for values in points(residual.free_symbols, raised):
            value = residual.xreplace(values)
            if not _vanishes(value):
                found = sym.text(sp.N(value, 3))
                yield f"the two sides do not differ by the slack: by {found} more at a random point"
                return
        if not is_zero(residual):
            yield "the two sides agree at random points, but not identically"

    def flaw(self) -> str:
        """The first flaw, or nothing."""
        return next(self.flaws(), "")

    def holds(self) -> bool:
        """Whether there is no flaw."""
        return not self.flaw()


def _unproved(sign: Positive) -> Iterator[str]:
    """Why the certificate of a sign does not prove it."""
    one = sign.certificate
    subject = f"that {sym.text(sign.symbol)} is positive"
    factor = one.relation.rhs / sign.symbol
    if one.relation.lhs != 1 or sign.symbol in factor.free_symbols:
        yield f"{subject} does not follow from {sym.text(one.relation)}"
    assumed = [term.expr for term in one.slack] + [part.expr for part in one.conditions()]
    if any(sign.symbol in expr.free_symbols for expr in assumed):
        yield f"{subject} is used in its own proof"
    for flaw in one.flaws():
        yield f"{subject} is not proved: {flaw}"


def in_basic_symbols(expr: sp.Expr, domain: sp.Basic) -> sp.Expr:
    """Eliminate sigma by ``s**2 = sigma**2 + eps``, and eps if the domain has eps = 0."""
    expr = expr.subs(sym.sigma, sp.sqrt(sym.s**2 - sym.eps))
    return expr.subs(sym.eps, 0) if implies_eps_zero(domain) else expr


def implies_eps_zero(domain: sp.Basic) -> bool:
    """Whether `domain` contains the condition ``eps = 0``."""
    return sp.Eq(sym.eps, 0) in sp.And.make_args(domain)


def _bent(expr: sp.Basic) -> set[sp.Basic]:
    """Parts of an expression that are not analytic, or roots of what may change its sign."""
    found = expr.atoms(sp.Abs, sp.sign, sp.Max, sp.Min, sp.Piecewise, sp.Heaviside)
    for part in expr.atoms(sp.Pow):
        if not part.exp.is_integer:
            terms = sp.Add.make_args(sp.expand(part.base))
            found |= set() if all(map(non_negative, terms)) else {part}
    return found


def points(
    symbols: set[sp.Symbol], raised: Iterable[sp.Symbol] = ()
) -> Iterator[dict[sp.Symbol, sp.Rational]]:
    """Random rational points that satisfy the assumptions, with eps below s^2.

    A nonzero rational function of degree d vanishes at one of them with probability at most
    d/10^6 (Schwartz-Zippel lemma).
    """
    source = random.Random(SEED)
    for _ in range(POINTS):
        values = {}
        for symbol in sorted(symbols, key=str):
            size = sp.Integer(source.randint(2, 10**6))
            value = size if symbol.is_integer else size / source.randint(10**5, 10**6)
            # Large numbers to powers of large denominators would take minutes.
            if symbol in raised and not symbol.is_integer:
                value = sp.Rational(source.randint(5, 9), source.randint(2, 4))
            signed = symbol.is_nonnegative or symbol.is_positive or source.random() < 0.5
            values[symbol] = value if signed else -value
        if sym.phi in values:  # between 0 and pi/(M+1)
            values[sym.phi] = sp.Rational(source.randint(1, 999), 1000) / (values.get(sym.M, 1) + 1)
        if sym.eps in values and sym.s in values:
            values[sym.s] += values[sym.eps] + 1  # so that s^2 > eps
        yield values


def _vanishes(value: sp.Expr) -> bool:
    """Whether a rational is 0, or another number is 0 to 35 digits relative to its terms."""
    value = sp.expand(value)
    if value.has(sp.nan, sp.zoo):
        return False
    if value.is_Rational:
        return bool(value == 0)
    scale = sum(abs(sp.N(part, DIGITS)) for part in sp.Add.make_args(value))
    return bool(abs(sp.N(value, DIGITS)) <= sp.Float(10, DIGITS) ** (15 - DIGITS) * scale)
