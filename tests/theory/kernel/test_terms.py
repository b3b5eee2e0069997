"""Printed terms mean what SymPy means, and every condition of their meaning is noted."""

import random
import re
from math import exp, log, pi, sqrt

import pytest
import sympy as sp

from bnproof.theory.kernel.terms import (
    CALL,
    Condition,
    NotExportedError,
    Printer,
    identifiers,
)

x, y, z = sp.symbols("x y z", positive=True)
EXPRESSIONS = [
    -x,
    -(x**2),
    1 / x,
    -1 / x,
    x - y,
    z * (-x - y),
    x / (y * z),
    1 / (x + y) ** 2,
    -sp.Rational(3, 2) * x,
    sp.Rational(-3, 2),
    x - sp.Rational(1, 2),
    sp.sqrt(x),
    1 / sp.sqrt(x + y),
    x ** sp.Rational(-3, 2),
    sp.sqrt(sp.sqrt(x) + 1),
    x * sp.sqrt(2),
    sp.sqrt(2) / 3,
    sp.Abs(x - y) ** 2,
    sp.log(x / y),
    sp.pi * x**2,
    sp.E * x,
    x**2 / y**2 - (x * y - z) ** 3 / (1 - 1 / x),
    -(x - y) * (y - z) / (x - z),
    2 * (x + y) / (3 * z),
    sp.Integer(-1),
]


def value(term: str, at: dict[str, float]) -> float:
    """Read a term as Coq does; the operators bind in the same way in Python."""
    spelled = re.sub(r"\b(Rabs|sqrt|ln|exp) (\(|\w+)", r"\1\2", term)  # an argument in brackets
    spelled = re.sub(r"\b(Rabs|sqrt|ln|exp)(\w+)", r"\1(\2)", spelled)
    names = {"Rabs": abs, "sqrt": sqrt, "ln": log, "exp": exp, "PI": pi}
    return float(eval(spelled.replace("^", "**"), {"__builtins__": {}}, names | at))


@pytest.mark.parametrize("expr", EXPRESSIONS, ids=str)
@pytest.mark.parametrize("within", [None, CALL])
def test_a_term_has_the_value_of_the_expression(expr, within):
    printer = Printer(identifiers([x, y, z]))
    term = printer.term(expr) if within is None else printer.term(expr, within)
    source = random.Random(5)
    for _ in range(5):
        at = {symbol: source.uniform(0.2, 3) for symbol in (x, y, z)}
        found = value(term, {str(symbol): number for symbol, number in at.items()})
        assert found == pytest.approx(float(expr.subs(at)), rel=1e-12)


def test_a_call_of_a_function_of_a_number_is_read_back():
    assert value("ln 2 + sqrt (x) - Rabs x", {"x": 4.0}) == log(2) - 2


@pytest.mark.parametrize(
    ("expr", "conditions"),
    [
        (x + 1, []),
        (y / x, [Condition(x, "<>")]),
        (1 / (1 - 1 / x), [Condition(x, "<>"), Condition(1 - 1 / x, "<>")]),
        (sp.sqrt(x - y), [Condition(x - y, "<=")]),
        (1 / sp.sqrt(x - y), [Condition(x - y, "<")]),
        (sp.log(x - y), [Condition(x - y, "<")]),
        (sp.sqrt(2) * x / 3, []),
    ],
    ids=str,
)
def test_conditions_are_noted_innermost_first(expr, conditions):
    printer = Printer(identifiers([x, y, z]))
    printer.term(expr)
    assert list(printer.conditions) == conditions


@pytest.mark.parametrize(
    ("expr", "part"),
    [
        (sp.sin(x), "sin"),
        (x**y, "power y"),
        (x ** sp.Rational(1, 3), "power 1/3"),
        (sp.gamma(x), "gamma"),
        (sp.oo, "Infinity"),
        (sp.I * x, "not real"),
    ],
)
def test_what_is_not_exported_is_named(expr, part):
    with pytest.raises(NotExportedError, match=part):
        Printer(identifiers([x, y])).term(expr)


def test_only_comparisons_are_relations():
    with pytest.raises(NotExportedError, match="Or"):
        Printer(identifiers([x, y])).relation(sp.Or(x < y, y < 1))


def test_identifiers_are_distinct_and_harmless():
    odd = ["<g,yhat>", "g yhat", "|v|^2", "forall", "R", "1", "sqrt", "a. Axiom b : False. (*", "é"]
    names = identifiers(sp.Symbol(name) for name in odd)
    assert len(set(names.values())) == len(odd)
    for name in names.values():
        assert re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII)
    assert not {"forall", "R", "sqrt"} & set(names.values())


def test_symbols_that_differ_in_assumptions_alone_stay_apart():
    names = identifiers([sp.Symbol("a"), sp.Symbol("a", positive=True)])
    assert sorted(names.values()) == ["a", "a_2"]
