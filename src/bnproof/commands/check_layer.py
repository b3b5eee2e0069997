"""The command `bnproof check-layer`: measure a person's own layer."""

import contextlib
import difflib
import importlib
import json as json_module
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from bnproof.theory.common.errors import UserError, valid_seed

if TYPE_CHECKING:
    from torch import nn


def check_layer(
    target: Annotated[str, Parameter(name="TARGET")],
    /,
    *,
    as_: Annotated[str | None, Parameter(name="--as")] = None,
    shape: str | None = None,
    eps: float | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    seed: int = 0,
    json: Path | None = None,
) -> int:
    """Measure a normalising layer of your own against the normaliser that it should be.

    Exit status: 0 when every check that applies passes, 1 when one fails, 2 when the layer cannot
    be measured.

    Parameters
    ----------
    target
        package.module:factory, where factory is a function or class that returns the module, or
        the module itself. The current folder can be imported from. The code is run as such.
    as_
        What the layer should be: batch, layer, rms, group, group(4) or instance. By default its
        type says it, or whichever known normaliser it agrees with.
    shape
        Shape of the input, batch first: 64,8 or 64,3,8,8. By default the module tells it.
    eps
        The constant that the layer should have; by default the module's own.
    device
        Where PyTorch computes; auto takes a GPU if there is one.
    seed
        Seed of input, parameters and loss, 0 or larger.
    json
        Also write all rows to this file.
    """
    from bnproof.commands import common
    from bnproof.theory.common import files

    valid_seed("--seed", seed)
    sizes = None if shape is None else _sizes(shape)
    if json:
        files.probe(json)
    with _current_folder():
        try:
            module = _module(target)
            from bnproof.simulate.layer_checks.measure import check_layer as measure

            place = common.device(device)
            report = measure(module, spec=as_, shape=sizes, eps=eps, device=place, seed=seed)
        except SystemExit:  # which would end this program with the status of a layer that is right
            raise UserError(f"{target}: calls sys.exit, which no layer may") from None
    print("\n".join(report.lines()))
    if json:
        text = json_module.dumps(report.as_dict(), indent=1, ensure_ascii=False, allow_nan=False)
        files.write_text(json, text + "\n")
    return 0 if report.passed else 1


def _sizes(shape: str) -> tuple[int, ...]:
    parts = shape.replace("x", ",").split(",")
    if not all(part.strip().isdecimal() and int(part) > 0 for part in parts) or len(parts) < 2:
        raise UserError(f"--shape {shape}: give at least two positive sizes, say 64,8 or 64,3,8,8")
    return tuple(int(part) for part in parts)


@contextlib.contextmanager
def _current_folder() -> Iterator[None]:
    """Let modules be imported from the current folder, as pytest does."""
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def _module(target: str) -> "nn.Module":
    """Import the factory and call it.

    Raises
    ------
    UserError
        If the target has another form, is not found or does not give a module.
    """
    from torch import nn

    name, colon, attribute = target.partition(":")
    if not (colon and name and attribute):
        raise UserError(f"{target!r} is not of the form package.module:factory")
    found: Any = _import(name)
    for part in attribute.split("."):
        if not hasattr(found, part):
            known = [known for known in dir(found) if not known.startswith("_")]
            raise UserError(f"{name} has no {attribute!r}{_near(part, known)}")
        found = getattr(found, part)
    if isinstance(found, nn.Module):
        return found
    if not callable(found):
        raise UserError(f"{target} is a {type(found).__name__}; name a factory or a module")
    try:
        made = found()
    except Exception as error:
        raise UserError(f"{target} raised {type(error).__name__}: {error}") from None
    if not isinstance(made, nn.Module):
        raise UserError(f"{target} returned {type(made).__name__}; it must return a torch Module")
    return made


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
        raise UserError(f"no module {missing!r}{_near(last, known)}") from None
    except Exception as error:
        raise UserError(f"{name} does not import: {type(error).__name__}: {error}") from None


def _near(name: str, known: list[str]) -> str:
    lower = {entry.lower(): entry for entry in known}
    found = difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.5)
    near = [lower[entry] for entry in found]
    return f"; did you mean {', '.join(near)}?" if near else ""
