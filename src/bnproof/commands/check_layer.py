"""The command `bnproof check-layer`: check a user-defined layer."""

import contextlib
import difflib
import importlib
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from bnproof.commands.common import write_json
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
    parts: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    known: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    json: Path | None = None,
    junit: Path | None = None,
    verbose: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Check your own normalisation layer against the definition of a normaliser.

    A fault is a wrong number, or something that users need and that raises. Limits, such as a
    transform that the layer does not support, and notes do not count.
    Exit status: 0 if there is no fault, 1 if there is one, 2 if the layer cannot be measured.

    Parameters
    ----------
    target
        package.module:factory, where factory is a function or class that returns the module, or
        the module itself. Modules in the current folder can be imported. The code is executed: use
        only code that you trust.
    as_
        Normaliser to compare with: batch, layer, rms, group, group(4) or instance. By default it
        is inferred from the layer's type or output.
    shape
        Shape of the input, batch first: 64,8 or 64,3,8,8. By default it is inferred from the
        module.
    eps
        Expected value of eps; by default that of the module.
    device
        Device for PyTorch; auto uses a GPU if there is one.
    seed
        Random seed of input, parameters and loss, 0 or larger.
    parts
        Parts of the report to measure, such as "first derivatives"; all by default.
    known
        Checks in which a fault is expected, such as "running mean"; it becomes a note.
    json
        Also write all results to this file.
    junit
        Also write all results to this file in the JUnit format of CI systems.
    verbose
        Show every check; otherwise derivatives with the same outcome are folded.
    """
    from bnproof.scheduler import resources
    from bnproof.theory.common import files

    valid_seed("--seed", seed)
    sizes = None if shape is None else _sizes(shape)
    for path in filter(None, (json, junit)):
        files.probe(path)
    with _current_folder():
        try:
            module = _module(target)
            from bnproof.simulate.layer_checks.measure import check_layer as measure

            resolved = resources.device(device)
            report = measure(
                module,
                spec=as_,
                shape=sizes,
                eps=eps,
                device=resolved,
                seed=seed,
                parts=parts or None,
                known=known or (),
            )
        except (TypeError, ValueError) as error:
            raise UserError(f"{target}: {error}") from None
        except SystemExit:  # could otherwise look like success
            raise UserError(f"{target}: calls sys.exit; remove the call") from None
    print("\n".join(report.lines(every=verbose)))
    if json:
        write_json(json, report.as_dict())
    if junit:
        files.write_text(junit, report.junit())
    return 0 if report.passed else 1


def _sizes(shape: str) -> tuple[int, ...]:
    parts = shape.replace("x", ",").split(",")
    if not all(part.strip().isdecimal() and int(part) > 0 for part in parts) or len(parts) < 2:
        raise UserError(f"--shape {shape}: must be at least two positive integers, such as 64,8")
    return tuple(int(part) for part in parts)


@contextlib.contextmanager
def _current_folder() -> Iterator[None]:
    """Make modules of the current folder importable.

    It comes last, so that a file there does not replace a module of the libraries.
    """
    folder = str(Path.cwd())
    sys.path.append(folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def _module(target: str) -> "nn.Module":
    """Import the factory and call it.

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
            f"{target!r}: names a file; run `bnproof check-layer {file.stem}:{attribute}` in "
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
