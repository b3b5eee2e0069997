"""Modules of a person's own code, named as package.module:factory."""

import contextlib
import difflib
import importlib
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from bnproof.theory.common.errors import UserError

if TYPE_CHECKING:
    from torch import nn


@contextlib.contextmanager
def current_folder() -> Iterator[None]:
    """Make modules of the current folder importable.

    It comes last, so that a file there does not replace a module of the libraries.
    """
    folder = str(Path.cwd())
    sys.path.append(folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def module_at(target: str, command: str) -> "nn.Module":
    """Import the factory and call it.

    Parameters
    ----------
    target
        package.module:factory, or the module itself.
    command
        Command and option before the target, for messages.

    Raises
    ------
    UserError
        If the target is malformed, cannot be found or does not return a module.
    """
    from torch import nn

    name, colon, attribute = target.partition(":")
    if not (colon and name and attribute):
        raise UserError(
            f"{target!r}: must have the form package.module:factory, such as mine:Layer for the "
            "class Layer of mine.py"
        )
    if "/" in name or name.endswith(".py"):
        file = Path(name).absolute()
        raise UserError(
            f"{target!r}: names a file; run `bnproof {command}{file.stem}:{attribute}` in "
            f"{file.parent}"
        )
    value: object = _import(name)
    for part in attribute.split("."):
        if not hasattr(value, part):
            known = [known for known in dir(value) if not known.startswith("_")]
            fix = _suggestion(part, known) or "; name a module, class or function that it defines"
            raise UserError(f"{name} has no {attribute!r}{fix}")
        value = getattr(value, part)
    if isinstance(value, nn.Module):
        return value
    if not callable(value):
        raise UserError(f"{target} is a {type(value).__name__}; name a factory or a module")
    try:
        module = value()
    except Exception as error:
        raise UserError(f"{target} raised {type(error).__name__}: {error}") from None
    if not isinstance(module, nn.Module):
        raise UserError(f"{target} returned {type(module).__name__}; it must return a torch Module")
    return module


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing != name and not name.startswith(f"{missing}."):
            raise UserError(f"{name} imports {missing}, which is not installed") from None
        parent, _, last = missing.rpartition(".")
        path = getattr(sys.modules[parent], "__path__", []) if parent else [str(Path.cwd())]
        known = [info.name for info in pkgutil.iter_modules(path)]
        where = f"; {parent} does not contain it" if parent else _where(missing)
        raise UserError(f"no module {missing!r}{_suggestion(last, known) or where}") from None
    except Exception as error:
        raise UserError(f"cannot import {name}: {type(error).__name__}: {error}") from None


def _where(module: str) -> str:
    return f"; it must be installed, or be the file {module}.py in the current folder {Path.cwd()}"


def _suggestion(name: str, known: list[str]) -> str:
    lower = {entry.lower(): entry for entry in known}
    matches = difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.5)
    names = [lower[match] for match in matches]
    return f"; did you mean {', '.join(names)}?" if names else ""
