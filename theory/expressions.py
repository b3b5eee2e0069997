"""SymPy objects as text and back, without evaluating text as code.

`dumps` is SymPy's ``srepr``; `loads` walks the syntax tree and builds only what `ALLOWED` names,
so that an evidence file or a cache entry can be read whoever wrote it.
"""

import ast
from typing import Any, Final

import sympy as sp

# What a relation, a rule or a slack is made of.
# fmt: off
ALLOWED: Final = frozenset({
    "Abs", "Add", "And", "Derivative", "Equality", "GreaterThan", "Integer", "LessThan", "Max",
    "Min", "Mul", "Not", "Or", "Pow", "Rational", "StrictGreaterThan", "StrictLessThan", "Sum",
    "Symbol", "Tuple", "Unequality", "acos", "asin", "atan", "binomial", "cos", "cot", "exp",
    "factorial", "gamma", "log", "sign", "sin", "tan",
})
# fmt: on
CONSTANTS: Final = {
    "pi": sp.pi,
    "E": sp.E,
    "I": sp.I,
    "oo": sp.oo,
    "true": sp.true,
    "false": sp.false,
}


def dumps(expr: sp.Basic) -> str:
    """Text from which `loads` builds an equal object, assumptions on symbols included."""
    return str(sp.srepr(expr))


def loads(text: str) -> sp.Basic:
    """Build the object that `dumps` wrote.

    Raises
    ------
    ValueError
        If the text is not of that form; nothing in it is executed.
    """
    try:
        return _build(ast.parse(text, mode="eval").body)
    except (SyntaxError, TypeError, RecursionError) as error:
        raise ValueError(f"not an expression: {text[:60]!r} ({type(error).__name__})") from None


def _build(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=bool() | int() | str() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as value)):
            return -value
        case ast.Name(id=name) if name in CONSTANTS:
            return CONSTANTS[name]
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if name in ALLOWED:
            options = {word.arg: _flag(word.value) for word in keywords if word.arg}
            # Stored sums and products are in normal form: building them evaluates to the same.
            return getattr(sp, name)(*(_build(item) for item in args), **options)
    raise ValueError(f"not allowed in an expression: {ast.unparse(node)[:60]!r}")


def _flag(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        return node.value
    raise ValueError(f"an assumption is True or False, not {ast.unparse(node)[:60]!r}")
