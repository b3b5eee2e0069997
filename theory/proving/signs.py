"""Signs of expressions, from declared signs of symbols, hypotheses of a domain, and nothing else.

A declared sign counts where it is that of a primitive symbol of `bnproof.theory`, and one proved
under a hypothesis where the domain has it; any other symbol is only a real number.  Squares, and
sums and products of what is not negative, are seen by SymPy.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Final

import sympy as sp

from bnproof.theory import symbols as sym
from bnproof.theory.proving.lemmas import POSITIVE

# Sines of (5), positive for 0 < phi < pi/(M+1).
ANGLES: Final = sym.phi < sp.pi / (sym.M + 1)
SINES: Final = (sp.sin(sym.phi), sp.sin(sym.M * sym.phi), sp.sin((sym.M + 1) * sym.phi))
Changes = dict[sp.Expr, sp.Expr]


def non_negative(expr: sp.Expr, domain: sp.Basic = sp.true) -> bool:
    """Whether `expr` is seen to be non-negative on `domain`."""
    return _seen(expr, domain, lambda form: form.is_nonnegative)


def positive(expr: sp.Expr, domain: sp.Basic = sp.true) -> bool:
    """Whether `expr` is seen to be positive on `domain`."""
    return _seen(expr, domain, lambda form: form.is_positive)


def nonzero(expr: sp.Expr, domain: sp.Basic = sp.true) -> bool:
    """Whether `expr` is seen to differ from 0 on `domain`."""
    return _seen(expr, domain, lambda form: form.is_nonzero or form.is_positive or form.is_negative)


def _seen(expr: sp.Expr, domain: sp.Basic, test: Callable[[sp.Expr], bool | None]) -> bool:
    return any(test(form) for form in _forms(sp.sympify(expr), domain))


@cache
def _forms(expr: sp.Expr, domain: sp.Basic) -> tuple[sp.Expr, ...]:
    return tuple(_written(expr, domain))


def _written(expr: sp.Expr, domain: sp.Basic) -> Iterator[sp.Expr]:
    """Equal forms of an expression, each with symbols that say what is known of them."""
    # A hypothesis on a derived symbol is used as it stands, or on what the symbol is.
    for keep in ({part.lhs for part in sp.And.make_args(domain) if _bounds(part)}, set()):
        inner = sym.in_primitives(expr, keep)
        where = sym.in_primitives(domain, keep)
        for changes in _hypotheses(where):
            form = inner
            for old, new in changes.items():
                form = form.subs(old, new)
            form = form.subs(sym.s, sp.sqrt(sym.sigma**2 + sym.eps))
            form = form.subs(
                {part: _known(part, domain) for part in form.free_symbols}, simultaneous=True
            )
            yield form
            yield sp.factor(sp.together(form))


def _bounds(part: sp.Basic) -> bool:
    return isinstance(part, sp.Ge | sp.Gt | sp.Le | sp.Lt | sp.Ne | sp.Eq) and part.lhs.is_Symbol


def _hypotheses(domain: sp.Basic) -> Iterator[Changes]:
    """Changes of variables that make hypotheses signs: ``x >= a`` is ``x = a + t``, t >= 0."""
    parts = sorted(sp.And.make_args(domain), key=sp.default_sort_key)
    every: Changes = {}
    for part in parts:
        change = _change(part)
        for old, new in change.items():
            every.setdefault(old, new)
    yield {}
    if every:
        yield every


def _change(part: sp.Basic) -> Changes:
    if part == ANGLES:
        return {sine: sp.Dummy("sine", positive=True) for sine in SINES}
    if not isinstance(part, sp.Rel):
        return {}
    left, right = part.lhs, part.rhs
    if not (left.is_Symbol or isinstance(left, sp.Abs)) or right.has(left):
        return {}
    if isinstance(part, sp.Eq):
        return {left: right}
    if isinstance(part, sp.Ne):
        return {left: sp.Dummy(str(left), real=True, nonzero=True)} if right == 0 else {}
    strict = isinstance(part, sp.Gt | sp.Lt)
    room = sp.Dummy("room", positive=True) if strict else sp.Dummy("room", nonnegative=True)
    return {left: right + room if isinstance(part, sp.Ge | sp.Gt) else right - room}


@cache
def _known(symbol: sp.Symbol, domain: sp.Basic) -> sp.Symbol:
    """The symbol itself if its sign counts, else one that is real and no more."""
    if symbol in POSITIVE and POSITIVE[symbol].applies(domain):
        return sp.Dummy(str(symbol), positive=True)
    info = sym.SYMBOLS.get(symbol)
    if isinstance(symbol, sp.Dummy) or (info is not None and info.signed):
        return symbol
    return sp.Dummy(str(symbol), real=True)
