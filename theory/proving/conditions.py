"""What must hold for an expression to be defined: denominators, roots, logarithms."""

from collections.abc import Iterator
from dataclasses import dataclass

import sympy as sp

from bnproof.theory.proving import signs
from bnproof.theory.symbols import text


@dataclass(frozen=True)
class Condition:
    """``expr`` is not 0 (``<>``), positive (``<``) or not negative (``<=``)."""

    expr: sp.Expr
    sign: str

    def seen(self, domain: sp.Basic) -> bool:
        """Whether it follows from the signs of the symbols and from `domain`."""
        test = {"<>": signs.nonzero, "<": signs.positive, "<=": signs.non_negative}[self.sign]
        return test(self.expr, domain)

    def __str__(self) -> str:
        predicate = {"<>": "is not 0", "<": "is positive", "<=": "is not negative"}[self.sign]
        return f"{text(self.expr)} {predicate}"


def conditions(*exprs: sp.Basic) -> list[Condition]:
    """The conditions under which all of `exprs` are defined, each once."""
    found: dict[Condition, None] = {}
    for expr in exprs:
        for part in sp.preorder_traversal(expr):
            found.update(dict.fromkeys(_of(part)))
    return [one for one in found if not (one.expr.is_number and one.expr.is_positive)]


def _of(part: sp.Basic) -> Iterator[Condition]:
    if isinstance(part, sp.log):
        yield Condition(part.args[0], "<")
    if isinstance(part, sp.Pow):
        base, power = part.base, part.exp
        if not power.is_Integer and not (power.is_integer and power.is_nonnegative):
            below = not (power.is_Rational and power > 0)
            yield Condition(base, "<" if below else "<=")
        elif power.is_negative:
            yield Condition(base, "<>")
