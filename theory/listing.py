"""Read claim files without running them, so that listing claims does not import SymPy.

A claim is a call ``CLAIM = Claim(...)`` whose text fields are literals, or names of literals in
modules of this project.  For anything else `read` returns None and the claim must be loaded.
"""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bnproof.theory.common.code import module_file
from bnproof.theory.ledger.book import places
from bnproof.theory.ledger.verdict import Verdict
from bnproof.theory.sources import Source

if TYPE_CHECKING:
    from bnproof.theory.claim import Claim

WORDS: Final = ("id", "title", "sources", "statement", "expected")
# Raised where a field is neither a literal nor a name of one.
UNCLEAR: Final = (KeyError, TypeError, ValueError, AttributeError)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A claim as it appears in listings.

    Attributes
    ----------
    id, title, sources, statement, expected
        As in `bnproof.theory.claim.Claim`; the verdict as text.
    checks
        The kinds of its checks, such as ``"Proof"``, in order.
    symbolic
        Whether it has a relation.
    remark
        As in `Claim`; None where the file computes it.
    """

    id: str
    title: str
    sources: tuple[Source, ...]
    expected: str
    checks: tuple[str, ...]
    statement: str = ""
    symbolic: bool = False
    remark: str | None = ""

    @classmethod
    def of(cls, claim: "Claim") -> "Entry":
        """Return the entry of a loaded claim."""
        return cls(
            id=claim.id,
            title=claim.title,
            sources=claim.sources,
            statement=claim.statement,
            expected=str(claim.expected),
            checks=tuple(type(check).__name__ for check in claim.checks),
            symbolic=claim.relation is not None,
            remark=claim.remark,
        )


def read(path: Path) -> Entry | None:
    """Return the entry of a claim from its file, or None if the file must be run to know it.

    A file that can be read this way may still fail to load.
    """
    try:
        module = _Module(path)
        given = _arguments(module.bound["CLAIM"])
        words = {name: _value(given[name], module) for name in WORDS if name in given}
        entry = Entry(
            **{"sources": places(words["id"]), **words},
            checks=tuple(_kind(check, module) for check in given["checks"].elts),
            symbolic="relation" in given,
            remark=_text(given.get("remark"), module),
        )
    except (OSError, SyntaxError, *UNCLEAR):
        return None
    return entry if entry.id == path.stem else None


def _arguments(call: Any) -> dict[str, Any]:
    return {word.arg: word.value for word in call.keywords}


def _text(node: ast.AST | None, module: "_Module") -> str | None:
    """Value of a text field: empty if it is not given, None if the file must be run to know it."""
    try:
        return "" if node is None else str(_value(node, module))
    except UNCLEAR:
        return None


class _Module:
    """Top-level names of a module and the syntax nodes they are bound to."""

    def __init__(self, path: Path) -> None:
        self.bound: dict[str, ast.AST] = {}
        self.imported: dict[str, str] = {}
        for node in ast.parse(path.read_bytes(), path).body:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    self.bound[name] = value
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    self.bound[name] = value
                case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                    self.bound[name] = node
                case ast.ImportFrom(module=str() as origin, names=aliases):
                    for alias in aliases:
                        self.imported[alias.asname or alias.name] = f"{origin}.{alias.name}"

    def find(self, name: str) -> "tuple[ast.AST, _Module]":
        """Return the node that a name is bound to and the module that defines it.

        Raises
        ------
        KeyError
            If no file of this project defines it.
        """
        if name in self.bound:
            return self.bound[name], self
        owner, _, attribute = self.imported[name].rpartition(".")
        return _imported(owner).find(attribute)


@cache
def _imported(name: str) -> _Module:
    path = module_file(name, "bnproof")
    if path is None:
        raise KeyError(name)
    return _Module(path)


def _value(node: ast.AST, module: _Module) -> Any:
    """Value of a literal, of a name of one, or of a concatenation."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Tuple(elts=items):
            return tuple(_value(item, module) for item in items)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _value(left, module) + _value(right, module)
        case ast.Call(func=ast.Name(id="Source"), args=args, keywords=[]):
            return Source(*(_value(arg, module) for arg in args))
        case ast.Attribute(value=ast.Name(id="Verdict"), attr=name):
            return str(Verdict[name])
        case ast.Attribute(value=ast.Name(id=owner), attr=name):
            return _value(*_imported(module.imported[owner]).find(name))
        case ast.Name(id=name):
            return _value(*module.find(name))
    raise ValueError(f"{type(node).__name__} is not a literal")


def _kind(node: ast.AST, module: _Module) -> str:
    """Name of the class that a call creates: by the class, its classmethod, or a function."""
    match node:
        case ast.Call(func=ast.Attribute(value=maker)) | ast.Call(func=maker):
            return _kind(maker, module)
        case ast.Name(id=name):
            return _kind(*module.find(name))
        case ast.ClassDef(name=name) | ast.FunctionDef(returns=ast.Name(id=name)):
            return name
    raise ValueError(f"{type(node).__name__}: its class is not known")
