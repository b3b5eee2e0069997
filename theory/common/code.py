"""Which code a module runs: the modules that it imports, and one hash of them all.

Files are read as syntax and nothing is imported.  What is hashed is the syntax tree without
docstrings, so that an edit of a comment, a docstring or the layout changes no hash.
"""

import ast
import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bnproof.theory.common.checksum import digest


def code_hash(*modules: str, within: str) -> str:
    """Hash of the code of some modules and of every module of a package that they import.

    Two hashes are equal when the same modules are reached and each has the same syntax tree,
    docstrings apart.  Versions of Python and of other packages are not part of it.

    Parameters
    ----------
    modules, within
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
    >>> one = code_hash("bnproof.theory.sources", within="bnproof.theory")
    >>> one == code_hash("bnproof.theory.common.errors", within="bnproof.theory")
    False
    """
    files = reached(*modules, within=within)
    lines = [f"{name} {_source(files[name]).tree}" for name in sorted(files)]
    return digest("\n".join(lines).encode())


def reached(*modules: str, within: str) -> dict[str, Path]:
    """Files of some modules and of every module of a package that they import, by full name.

    Imports are followed from file to file, those inside functions too, but not those for type
    checkers (``if TYPE_CHECKING:``).  ``from package import name`` counts as an import of the
    module ``package.name`` where there is one, and importing a module imports the packages that it
    lies in.  A module that is only named in a string, for `importlib`, is not seen.

    Parameters
    ----------
    modules
        Full names.  A module outside `within`, such as a claim file of one's own, must have been
        imported; the modules in its folder are followed too.
    within
        The package whose modules are followed, such as ``"bnproof.theory"``.

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
            path = module_file(name, within) or _beside(name, folders)
            if path is not None and name not in files:
                files[name] = path
                waiting.append(name)
    return files


def _packages(module: str) -> Iterator[str]:
    """Full names of the packages that a module lies in, the outermost first."""
    parts = module.split(".")
    yield from (".".join(parts[:count]) for count in range(1, len(parts)))


def module_file(name: str, package: str) -> Path | None:
    """File of a module of a package, by its full name; None if there is no such module."""
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
    """File of a module that lies in one of some folders."""
    found = (_below(folder, name.split(".")) for folder in folders)
    return next(filter(None, found), None)


@dataclass(frozen=True)
class _Source:
    """What was read from one file: a hash of its tree, and names in its import statements."""

    path: Path
    tree: str
    imports: tuple[str, ...]

    def imported_by(self, module: str) -> Iterator[str]:
        """Full names in its import statements, as the module of that name; some are no modules."""
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
    """Write a syntax tree without docstrings and without empty fields, which differ by Python."""
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
                    pass  # a docstring, or another string that nothing uses
                case _:
                    _write(item, out)
        out("]")
    else:
        out(repr(node))


def _imports(tree: ast.AST) -> Iterator[str]:
    """Names in import statements; relative ones begin with dots."""
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
