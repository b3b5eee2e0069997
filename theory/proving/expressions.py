"""Serialise SymPy objects as text, and parse the text without executing it.

`dumps` is SymPy's ``srepr``; `loads` walks the syntax tree and builds only the classes in
`ALLOWED`, so that untrusted evidence files and cache entries can be read safely.
"""

import ast
from typing import Any, Final

import sympy as sp

# Classes that occur in relations, rules and slacks.
# fmt: off
ALLOWED: Final = frozenset({
    "Abs", "Add", "And", "Derivative", "Equality", "GreaterThan", "Integer", "LessThan", "Max",
    "Min", "Mul", "Not", "Or", "Pow", "Rational", "StrictGreaterThan", "StrictLessThan", "Sum",
    "Tuple", "Unequality", "acos", "asin", "atan", "binomial", "cos", "cot", "exp",
    "factorial", "gamma", "log", "sign", "sin", "tan",
})
# fmt: on
# Functions that grow so fast in their last argument that evaluation might not finish.
GROWS: Final = frozenset({"Pow", "factorial", "binomial", "gamma"})
LARGEST_POWER: Final = 1_000
LARGEST: Final = 2**10_000
CONSTANTS: Final = {
    "pi": sp.pi,
    "E": sp.E,
    "I": sp.I,
    "oo": sp.oo,
    "true": sp.true,
    "false": sp.false,
}


def dumps(expr: sp.Basic) -> str:
    """Return text from which `loads` builds an equal object, with assumptions on symbols."""
    return str(sp.srepr(expr))


def loads(text: str) -> sp.Basic:
    """Build the object that `dumps` wrote, without executing the text.

    Raises
    ------
    ValueError
        If the text is not of that form or needs a number beyond `LARGEST`.
    """
    try:
        return _build(ast.parse(text, mode="eval").body)
    except (SyntaxError, TypeError, AttributeError, RecursionError, MemoryError) as error:
        raise ValueError(f"not an expression: {text[:60]!r} ({type(error).__name__})") from None


def _build(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=bool() | int() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as value)):
            return -value
        case ast.Name(id=name) if name in CONSTANTS:
            return CONSTANTS[name]
        # Only Symbol may take a string: other SymPy classes evaluate strings as code.
        case ast.Call(
            func=ast.Name(id="Symbol"), args=[ast.Constant(value=str() as label)], keywords=words
        ):
            return sp.Symbol(label, **{word.arg: _flag(word.value) for word in words if word.arg})
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if name in ALLOWED:
            options = {word.arg: _flag(word.value) for word in keywords if word.arg}
            parts = [_build(item) for item in args]
            if name in GROWS and any(_size(part) > LARGEST_POWER for part in parts[-1:]):
                raise ValueError(f"too large a number: {ast.unparse(node)[:60]!r}")
            # Stored sums and products are in canonical form, so evaluation reproduces them.
            made = getattr(sp, name)(*parts, **options)
            if _size(made) > LARGEST:
                raise ValueError(f"too large a number: {ast.unparse(node)[:60]!r}")
            return made
    raise ValueError(f"not allowed in an expression: {ast.unparse(node)[:60]!r}")


def _size(value: Any) -> int:
    """The larger of |numerator| and denominator of a rational number; 0 for anything else."""
    if isinstance(value, int):
        return abs(value)
    return max(abs(value.p), value.q) if isinstance(value, sp.Rational) else 0


def _flag(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        return node.value
    raise ValueError(f"an assumption must be True or False, not {ast.unparse(node)[:60]!r}")
