"""Inequalities that a proof may use besides the signs of its symbols.

A `Lemma` says that an expression is not negative.  Three kinds are admitted: an *extreme value* is
not beaten by one value of the same kind, by its definition; a *Gram determinant* of vectors is not
negative, which is derived here; a *theorem* proved elsewhere is cited, and a verdict that rests on
it says so.  A `Positive` says that a symbol is not 0 under a hypothesis, by a certificate of its
own.  Lemmas are stated in `bnproof.theory`, never in a claim, and samplers evaluate each on random
instances beside the claim that uses it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import sympy as sp

from bnproof.theory import symbols as sym

if TYPE_CHECKING:
    from bnproof.theory.proving.certificate import Certificate

EXTREME: Final = "by the definition of a largest or least value"
GRAM: Final = "a Gram determinant"


@dataclass(frozen=True)
class Lemma:
    """An expression that is not negative.

    Attributes
    ----------
    name
        What the lemma says, in words.
    expression
        What is not negative, in registered symbols.
    because
        `EXTREME`, `GRAM`, or the theorem.
    theorem
        The reference of a cited theorem, else empty.
    """

    name: str
    expression: sp.Expr
    because: str
    theorem: str = ""


_LEMMAS: Final[dict[str, Lemma]] = {}
LEMMAS: Final[Mapping[str, Lemma]] = MappingProxyType(_LEMMAS)


def extreme(name: str, expression: sp.Expr) -> Lemma:
    """Record that a largest value is at least, or a least value at most, one of its values.

    Raises
    ------
    ValueError
        If a lemma of that name exists, or a claim states it.
    """
    return _recorded(Lemma(name, expression, EXTREME), sym._caller())


def cited(name: str, expression: sp.Expr, theorem: str) -> Lemma:
    """Record a theorem that is proved elsewhere; raises as `extreme`."""
    return _recorded(Lemma(name, expression, theorem, theorem), sym._caller())


def gram(name: str, vectors: Sequence[str], products: Mapping[tuple[str, str], sp.Expr]) -> Lemma:
    """Record that the Gram determinant of two or three vectors is not negative.

    `products` are their inner products, each a registered symbol or an expression in such.  For
    two vectors this is the Cauchy-Schwarz inequality.  Raises as `extreme`.
    """
    table = {**products, **{(b, a): value for (a, b), value in products.items()}}
    matrix = sp.Matrix([[table[a, b] for b in vectors] for a in vectors])
    return _recorded(Lemma(name, sp.expand(matrix.det()), GRAM), sym._caller())


def _recorded(lemma: Lemma, file: str) -> Lemma:
    if not sym.ours(file):
        raise ValueError(f"{lemma.name}: a lemma is stated in bnproof.theory, not in {file}")
    if lemma.name in LEMMAS:
        raise ValueError(f"the lemma {lemma.name!r} exists already")
    _LEMMAS[lemma.name] = lemma
    return lemma


@dataclass(frozen=True)
class Positive:
    """A symbol, declared non-negative, that is positive on a domain.

    `certificate` proves ``1 <= symbol * factor`` there, for a factor without the symbol.
    """

    symbol: sp.Symbol
    certificate: "Certificate"

    def applies(self, domain: sp.Basic) -> bool:
        """Whether `domain` has all the hypotheses of the certificate."""
        needed = sp.And.make_args(self.certificate.domain)
        return set(needed) <= set(sp.And.make_args(domain))


_POSITIVE: Final[dict[sp.Symbol, Positive]] = {}
POSITIVE: Final[Mapping[sp.Symbol, Positive]] = MappingProxyType(_POSITIVE)


def positive(symbol: sp.Symbol, certificate: "Certificate") -> None:
    """Record that a symbol is positive on the domain of a certificate; raises as `extreme`."""
    file = sym._caller()
    if not sym.ours(file):
        raise ValueError(f"{symbol}: a sign is stated in bnproof.theory, not in {file}")
    if symbol in POSITIVE:
        raise ValueError(f"the sign of {symbol} is stated already")
    _POSITIVE[symbol] = Positive(symbol, certificate)


def gram_residual(count: int) -> sp.Expr:
    """Difference of both sides of the identity that makes a Gram determinant non-negative.

    For vectors a_1, ..., a_n with Gram matrix G let ``r = a_n - sum_i x_i a_i`` be the part of the
    last one orthogonal to the others.  Then ``det G_n = det G_(n-1) |r|^2``: by induction a
    determinant is 0 or a product of squared lengths.  (If ``det G_(n-1)`` is 0 the vectors are
    dependent, and ``det G_n`` is 0.)
    """
    entry = {
        (i, j): sp.Symbol(f"a{min(i, j)}{max(i, j)}", real=True)
        for i in range(count)
        for j in range(count)
    }
    whole = sp.Matrix(count, count, lambda i, j: entry[i, j])
    part, last = whole[:-1, :-1], whole[:-1, -1]
    along = part.inv() * last
    square = whole[-1, -1] - 2 * along.dot(last) + (along.T * part * along)[0]
    return sp.simplify(whole.det() - part.det() * square)
