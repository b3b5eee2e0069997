"""Certificates: what a proof found, in a form that is checked again without deriving anything.

A certificate holds a relation, the substitution rules for its symbols, and, for an inequality,
its slack as a sum of terms that are non-negative for a stated reason.  Checking it uses none of
the code that derived it: the rules are put into the relation, and right side minus left side minus
slack must vanish, as a symbolic identity and at random points in exact arithmetic.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import sympy as sp

from bnproof.theory import symbols as sym
from bnproof.theory.proving.expressions import dumps, loads

POINTS: Final = 8
DIGITS: Final = 50
SEED: Final = 20


@dataclass(frozen=True)
class Term:
    """One summand of a slack, non-negative for a stated reason."""

    expr: sp.Expr
    reason: str


@dataclass(frozen=True)
class Certificate:
    """A relation on a domain, with what it takes to see that it holds.

    Attributes
    ----------
    relation
        ``lhs = rhs`` or ``lhs <= rhs``.
    domain
        The hypotheses.
    rules
        Symbols of the relation expressed through others, applied all at once.
    slack
        For an inequality: terms whose sum is right side minus left side.
    """

    relation: sp.Basic
    domain: sp.Basic
    rules: Mapping[sp.Symbol, sp.Expr]
    slack: tuple[Term, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A dictionary of strings; `from_json` reads it."""
        return {
            "relation": dumps(self.relation),
            "domain": dumps(self.domain),
            "rules": {dumps(symbol): dumps(value) for symbol, value in self.rules.items()},
            "slack": [{"term": dumps(term.expr), "because": term.reason} for term in self.slack],
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
                tuple(Term(loads(part["term"]), part["because"]) for part in content["slack"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a certificate: {type(error).__name__} {error}") from None

    def residual(self) -> sp.Expr:
        """Right side minus left side minus slack, rules put in, not simplified."""
        total = self.relation.rhs - self.relation.lhs - sp.Add(*(t.expr for t in self.slack))
        return in_basic_letters(total.subs(dict(self.rules), simultaneous=True), self.domain)

    def flaws(self) -> Iterator[str]:
        """Yield what is wrong; nothing, if the certificate proves its relation."""
        if not isinstance(self.relation, sp.Eq | sp.LessThan):
            yield f"a proof is for = or <=, not {type(self.relation).__name__}"
            return
        if isinstance(self.relation, sp.Eq) and self.slack:
            yield "an equation has no slack"
        for term in self.slack:
            if not non_negative(term.expr, self.domain):
                yield f"slack term {sym.text(term.expr)} is not seen to be non-negative"
        residual = self.residual()
        for values in _points(residual.free_symbols):
            if not _vanishes(residual.subs(values)):
                yield f"the two sides differ by {sym.text(residual.subs(values))} at {values}"
                return
        if sp.simplify(sp.expand(residual)) != 0:
            yield "the two sides agree at random points, but not identically"

    def holds(self) -> bool:
        """Whether there is no flaw."""
        return next(self.flaws(), None) is None


def in_basic_letters(expr: sp.Expr, domain: sp.Basic) -> sp.Expr:
    """Eliminate sigma by ``s**2 = sigma**2 + eps``, and eps where the domain says eps = 0."""
    expr = expr.subs(sym.sigma, sp.sqrt(sym.s**2 - sym.eps))
    return expr.subs(sym.eps, 0) if implies_eps_zero(domain) else expr


def implies_eps_zero(domain: sp.Basic) -> bool:
    """Whether `domain` contains the condition ``eps = 0``."""
    return sp.Eq(sym.eps, 0) in sp.And.make_args(domain)


def non_negative(expr: sp.Expr, domain: sp.Basic = sp.true) -> bool:
    """Whether `expr` is non-negative by the assumptions on its symbols and by `domain`.

    The domain counts where it says ``symbol >= 0`` or ``symbol > 0``: a hypothesis such as
    ``v'Hv >= 0``.
    """
    expr = expr.subs(sym.s, sp.sqrt(sym.sigma**2 + sym.eps))
    for part in sp.And.make_args(domain):
        if isinstance(part, sp.Ge | sp.Gt) and part.lhs.is_Symbol and part.rhs == 0:
            sign = {"positive": True} if isinstance(part, sp.Gt) else {"nonnegative": True}
            expr = expr.subs(part.lhs, sp.Dummy(part.lhs.name, **sign))
    return bool(expr.is_nonnegative)


def _points(symbols: set[sp.Symbol]) -> Iterator[dict[sp.Symbol, sp.Rational]]:
    """Random rational points that respect the assumptions, with eps below s^2.

    A rational function of degree d that is not 0 vanishes at one of them with a chance of at most
    d/10^6 (Schwartz and Zippel).
    """
    source = random.Random(SEED)
    for _ in range(POINTS):
        values = {}
        for symbol in sorted(symbols, key=str):
            size = sp.Integer(source.randint(2, 10**6))
            value = size if symbol.is_integer else size / source.randint(10**5, 10**6)
            signed = symbol.is_nonnegative or symbol.is_positive or source.random() < 0.5
            values[symbol] = value if signed else -value
        if sym.phi in values:  # between 0 and pi/(M+1)
            values[sym.phi] = sp.Rational(source.randint(1, 999), 1000) / (values.get(sym.M, 1) + 1)
        if sym.eps in values and sym.s in values:
            values[sym.s] += values[sym.eps] + 1  # so that s^2 > eps
        yield values


def _vanishes(value: sp.Expr) -> bool:
    """Exactly 0 for rational numbers; for others to 35 digits of the sum of its terms' sizes."""
    value = sp.expand(value)
    if value.has(sp.nan, sp.zoo):
        return False
    if value.is_Rational:
        return bool(value == 0)
    scale = sum(abs(sp.N(part, DIGITS)) for part in sp.Add.make_args(value))
    return bool(abs(sp.N(value, DIGITS)) <= sp.Float(10, DIGITS) ** (15 - DIGITS) * scale)
