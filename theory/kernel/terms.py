"""SymPy expressions as Coq terms over the reals, with the conditions under which they mean that.

Coq's division and square root are total: ``x / 0`` and ``sqrt (-1)`` are some real numbers.  So
whoever prints an expression also collects what must hold for it to mean what it means in SymPy.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import sympy as sp

RELATIONS: Final[Mapping[type, str]] = {
    sp.Eq: "=",
    sp.Ne: "<>",
    sp.Le: "<=",
    sp.Lt: "<",
    sp.Ge: ">=",
    sp.Gt: ">",
}
# What Coq reads as a word of its own, and the names that a printed term uses.
WORDS: Final = """
as at by cofix do else end exists exists2 fix for forall fun if IF_then_else in let match mod return
then using where with Prop Set SProp Type R Rabs sqrt exp ln PI
"""
RESERVED: Final = frozenset(WORDS.split())

# How closely Coq's operators bind, from atoms to comparisons.
ATOM, CALL, POWER, SIGN, PRODUCT, SUM, LOOSEST = 0, 10, 30, 35, 40, 50, 70


class NotExportedError(ValueError):
    """An expression that is not exported; the message says which part of it."""


@dataclass(frozen=True)
class Condition:
    """Something that must hold for an expression to be defined: ``expr <sign> 0``."""

    expr: sp.Expr
    sign: str  # "<>", "<" or "<=": 0 on the left of the last two


def identifiers(symbols: Iterable[sp.Symbol]) -> dict[sp.Symbol, str]:
    """A Coq identifier for each symbol, close to its name; no two are the same."""
    names: dict[sp.Symbol, str] = {}
    for symbol in symbols:
        stem = re.sub(r"\W+", "_", str(symbol), flags=re.ASCII).strip("_")
        stem = stem if re.match(r"[A-Za-z]", stem) else f"x{stem}"
        name, count = stem, 2
        while name in RESERVED or name in names.values():
            name, count = f"{stem}_{count}", count + 1
        names[symbol] = name
    return names


@dataclass
class Printer:
    """Prints terms.

    Attributes
    ----------
    names
        The symbols' identifiers, or the terms that stand for them.
    conditions
        What must hold for all that was printed to be defined, innermost first.
    atoms
        The roots and absolute values that were printed.
    """

    names: Mapping[sp.Symbol, str]
    conditions: dict[Condition, None] = field(default_factory=dict)
    atoms: dict[sp.Expr, None] = field(default_factory=dict)

    def condition(self, one: Condition) -> str:
        """A condition as a Coq proposition."""
        if one.sign == "<>":
            return f"{self.term(one.expr)} <> 0"
        return f"0 {one.sign} {self.term(one.expr)}"

    def relation(self, relation: sp.Basic) -> str:
        """One comparison as a Coq proposition.

        Raises
        ------
        NotExportedError
            If it is no comparison, or a side is not a term.
        """
        sign = RELATIONS.get(type(relation))
        if sign is None:
            raise NotExportedError(f"{type(relation).__name__} is no comparison")
        return f"{self.term(relation.lhs)} {sign} {self.term(relation.rhs)}"

    def term(self, expr: sp.Basic, within: int = LOOSEST) -> str:
        """An expression as a Coq term of type R, in brackets unless it binds closer than `within`.

        Raises
        ------
        NotExportedError
            If it is not rational in its symbols, roots, absolute values and logarithms.
        """
        body, level = self._term(expr)
        return body if level < within else f"({body})"

    def _term(self, expr: sp.Basic) -> tuple[str, int]:
        """The term without brackets around it, and the level of its operator."""
        if isinstance(expr, sp.Symbol):
            name = self.names[
                expr
            ]  # an identifier, a term in brackets or one that applies something
            return name, ATOM if name.isidentifier() or name[0] == "(" else CALL
        if isinstance(expr, sp.Add):
            first, *rest = expr.as_ordered_terms()
            return self.term(first, SUM) + "".join(map(self._added, rest)), SUM
        if isinstance(expr, sp.Mul | sp.Rational):
            return self._product(expr)
        if isinstance(expr, sp.Pow):
            over, under = self._power(expr)
            return (f"1 / {under}", PRODUCT) if over is None else (over, POWER)
        if expr is sp.pi:
            return "PI", ATOM
        if expr is sp.E:
            return "exp 1", CALL
        if isinstance(expr, sp.log):
            self._require(expr.args[0], "<")
            return f"ln {self.term(expr.args[0], CALL)}", CALL
        if isinstance(expr, sp.Abs):
            self.atoms[expr] = None
            return f"Rabs {self.term(expr.args[0], CALL)}", CALL
        raise NotExportedError(f"{type(expr).__name__} is not exported")

    def _added(self, expr: sp.Expr) -> str:
        if expr.could_extract_minus_sign():
            return f" - {self.term(-expr, SUM)}"
        return f" + {self.term(expr, SUM)}"

    def _product(self, expr: sp.Expr) -> tuple[str, int]:
        number, rest = expr.as_coeff_Mul()
        if not number.is_Rational:
            raise NotExportedError(f"{number} is not exported")
        over = [str(abs(number.p))] if abs(number.p) != 1 else []
        under = [str(number.q)] if number.q != 1 else []
        for factor in sp.Mul.make_args(rest):
            top, bottom = self._power(factor)
            over += [top] if top else []
            under += [bottom] if bottom else []
        words = " * ".join(over) or "1"
        level = PRODUCT if len(over) > 1 else POWER if rest != 1 else ATOM
        if number < 0:
            words, level = f"- {words}", max(level, SIGN)
        if under:
            bottom = f"({' * '.join(under)})" if len(under) > 1 else under[0]
            words, level = f"{words} / {bottom}", PRODUCT
        return words, level

    def _power(self, expr: sp.Expr) -> tuple[str | None, str | None]:
        """A factor of a product: what stands above the bar, or else what stands below."""
        base, power = expr.as_base_exp()
        if power == 1 or expr is sp.E:
            return (None if expr == 1 else self.term(expr, PRODUCT)), None
        if not power.is_Rational or power.q > 2:
            raise NotExportedError(f"the power {power} is not exported")
        if expr.is_extended_real is False:
            raise NotExportedError(f"{expr} is not real")
        divides, root = power < 0, power.q == 2
        if divides or root:
            self._require(base, ("<" if divides else "<=") if root else "<>")
        if root:
            self.atoms[sp.sqrt(base)] = None
            body, level = f"sqrt {self.term(base, CALL)}", CALL
        else:
            body, level = self._term(base)
        exponent = abs(power.p)
        if exponent != 1:
            body = f"{body if level < POWER else f'({body})'} ^ {exponent}"
        elif level >= POWER:
            body = f"({body})"
        return (None, body) if divides else (body, None)

    def _require(self, expr: sp.Expr, sign: str) -> None:
        """Note a condition, after those of the expression itself; of a number there is none."""
        self.term(expr)
        if not (expr.is_Rational and expr > 0):
            self.conditions[Condition(expr, sign)] = None
