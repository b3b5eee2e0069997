"""The code that a module depends on: the modules it imports, and one hash of them all.

Files are parsed, never imported.  The hash covers the syntax tree without docstrings, so that
edits of comments, docstrings or layout do not change it.
"""

import ast
import importlib.util
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bnproof.theory.common.checksum import digest


def code_hash(*modules: str, within: str, skip: Mapping[str, Collection[str]] | None = None) -> str:
    """Hash the code of some modules and of every module of a package that they import.

    Two hashes are equal if the same modules are reached and each has the same syntax tree, apart
    from docstrings.  Versions of Python and of other packages are not included.

    Parameters
    ----------
    modules, within, skip
        As for `reached`.

    Returns
    -------
    str
        16 hexadecimal digits.

    Raises
    ------
    ValueError
        If one of `modules` is not found.
    SyntaxError
        If a file does not parse.

    Examples
    --------
    >>> sources = code_hash("bnproof.theory.sources", within="bnproof.theory")
    >>> sources == code_hash("bnproof.theory.common.errors", within="bnproof.theory")
    False
    """
    files = reached(*modules, within=within, skip=skip)
    lines = [f"{name} {_source(files[name]).tree}" for name in sorted(files)]
    return digest("\n".join(lines).encode())


def reached(
    *modules: str, within: str, skip: Mapping[str, Collection[str]] | None = None
) -> dict[str, Path]:
    """Return the files of some modules and of every module of a package that they import.

    Imports are followed from file to file, including those inside functions but not those for
    type checkers (``if TYPE_CHECKING:``).  ``from package import name`` counts as an import of the
    module ``package.name`` if it exists, and importing a module imports its parent packages.
    Modules that are only named in a string, for `importlib`, are not found.

    Parameters
    ----------
    modules
        Full names.  A module outside `within`, such as a user's claim file, must have been
        imported; the modules in its folder are followed too.
    within
        The package whose modules are followed, such as ``"bnproof.theory"``.
    skip
        For each importing module, the imports that are not followed, such as the unused entries
        of a table.

    Returns
    -------
    dict
        File of each module, by full name.

    Raises
    ------
    ValueError
        If one of `modules` is not found.
    SyntaxError
        If a file does not parse.
    """
    files: dict[str, Path] = {}
    folders: set[Path] = set()
    for name in modules:
        path = module_file(name, within)
        if path is None:
            path = _loaded(name)
            folders.add(path.parent)
        files[name] = path
    waiting = list(modules)
    while waiting:
        importer = waiting.pop()
        for name in (*_packages(importer), *_source(files[importer]).imported_by(importer)):
            if name in files or (skip and name in skip.get(importer, ())):
                continue
            path = module_file(name, within) or _beside(name, folders)
            if path is not None:
                files[name] = path
                waiting.append(name)
    return files


def _packages(module: str) -> Iterator[str]:
    """Full names of the parent packages of a module, outermost first."""
    parts = module.split(".")
    yield from (".".join(parts[:count]) for count in range(1, len(parts)))


def module_file(name: str, package: str) -> Path | None:
    """File of a module of a package, given its full name; None if it does not exist."""
    if name != package and not name.startswith(f"{package}."):
        return None
    return _below(_folder(package), name.removeprefix(package).split(".")[1:])


@cache
def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(f"{package!r} is not a package")
    return Path(spec.submodule_search_locations[0])


def _below(folder: Path, parts: list[str]) -> Path | None:
    place = folder.joinpath(*parts)
    for path in (place / "__init__.py", place.with_suffix(".py")):
        if path.is_file():
            return path
    return None


def _loaded(name: str) -> Path:
    path = getattr(sys.modules.get(name), "__file__", None)
    if path is None:
        raise ValueError(f"no module {name!r}")
    return Path(path)


def _beside(name: str, folders: set[Path]) -> Path | None:
    """File of a module that lies in one of `folders`."""
    candidates = (_below(folder, name.split(".")) for folder in folders)
    return next(filter(None, candidates), None)


@dataclass(frozen=True)
class _Source:
    """A parsed file: the hash of its tree and the names in its import statements."""

    path: Path
    tree: str
    imports: tuple[str, ...]

    def imported_by(self, module: str) -> Iterator[str]:
        """Full names in its import statements; not all of them are modules."""
        package = module if self.path.stem == "__init__" else module.rpartition(".")[0]
        for name in self.imports:
            try:
                yield importlib.util.resolve_name(name, package)
            except ImportError:  # a relative import that leads out of every package
                continue


def _source(path: Path) -> _Source:
    return _parsed(path, path.read_bytes())


@cache
def _parsed(path: Path, content: bytes) -> _Source:
    tree = ast.parse(content, path)
    written: list[str] = []
    _write(tree, written.append)
    return _Source(path, digest("".join(written).encode()), tuple(dict.fromkeys(_imports(tree))))


def _write(node: Any, out: Callable[[str], None]) -> None:
    """Write a syntax tree without docstrings and empty fields, which vary with Python's version."""
    if isinstance(node, ast.AST):
        out(f"({type(node).__name__}")
        for name in node._fields:
            value = getattr(node, name, None)
            if value is not None and value != []:
                out(f" {name}=")
                _write(value, out)
        out(")")
    elif isinstance(node, list):
        out("[")
        for item in node:
            match item:
                case ast.Expr(value=ast.Constant(value=str())):
                    pass  # a docstring, or another unused string
                case _:
                    _write(item, out)
        out("]")
    else:
        out(repr(node))


def _imports(tree: ast.AST) -> Iterator[str]:
    """Names in import statements; relative names begin with dots."""
    waiting = [tree]
    while waiting:
        match waiting.pop():
            case ast.Import(names=aliases):
                yield from (alias.name for alias in aliases)
            case ast.ImportFrom(module=module, names=aliases, level=level):
                base = "." * level + (module or "")
                yield base
                dot = "." if module else ""
                yield from (f"{base}{dot}{alias.name}" for alias in aliases)
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=otherwise):
                waiting += otherwise
            case node:
                waiting += ast.iter_child_nodes(node)
