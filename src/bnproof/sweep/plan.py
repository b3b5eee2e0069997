"""Read the file of a sweep and list all combinations of its grid.

The table ``[run]`` (fields of `bnproof.empirical.training.config.TrainingConfig`, ``data`` and
``images``) or ``[experiment]`` holds what all trials share; ``[grid]`` lists the values of every
field that varies::

    [run]
    steps = 300
    data = "digits"
    network.family = "vgg"

    [grid]
    rate = [0.1, 0.5]
    network.norm = ["batch", "none"]
    seed = [0, 1, 2]
"""

import math
import tomllib
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import signature
from itertools import product
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from bnproof.catalogue import experiment
from bnproof.empirical.networks.table import FAMILIES
from bnproof.empirical.training.config import TrainingConfig
from bnproof.theory.claim import Mode, Precision, Scale
from bnproof.theory.common.errors import UserError, one_of, valid_seed, whole

Fields = dict[str, Any]
Hints = Mapping[str, Any]

WORDS: Final[Mapping[type, str]] = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "a table",
}
LIMIT: Final = 100_000  # per file
IMAGES: Final[Hints] = {"data": str, "images": int}
EXPERIMENT: Final[Hints] = {
    "id": str,
    "scale": str,
    "seed": int,
    "data": str,
    "precision": str,
    "mode": str,
}


@dataclass(frozen=True)
class GridPoint:
    """One combination of the grid.

    Attributes
    ----------
    kind
        ``"run"`` for a training run, ``"experiment"`` for one seed of an experiment.
    fields
        All fields that are set, as JSON values.
    point
        The fields that vary: dotted names and their values.
    """

    kind: str
    fields: Fields
    point: Fields


def read(path: Path, data: str | None = None) -> list[GridPoint]:
    """Return all trials of a file, in the order of its grid; the last field varies fastest.

    Parameters
    ----------
    data
        Overrides the data named in the file.

    Raises
    ------
    UserError
        If the file is invalid; one line that names the problem and the fix.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8; a sweep is a TOML file") from None
    try:
        return trials(text, data)
    except ValueError as error:  # including errors in the TOML syntax
        raise UserError(f"{path}: {error}") from None
    except RecursionError:
        raise UserError(f"{path}: tables or lists are nested too deeply") from None


def trials(text: str, data: str | None = None) -> list[GridPoint]:
    """Return all trials of a file with this text; see `read`.

    Raises
    ------
    ValueError
        If the text is invalid.
    """
    tables = tomllib.loads(text)
    for name in tables:
        one_of("table", name, (*KINDS, "grid"))
    kinds = [name for name in KINDS if name in tables]
    if len(kinds) != 1:
        names = " or ".join(f"[{name}]" for name in KINDS)
        raise ValueError(f"must have exactly one table {names}")
    (kind,) = kinds
    fixed = _flat(kind, tables[kind])
    axes = _axes(tables.get("grid", {}))
    if data is not None:
        if "data" in axes:
            raise ValueError("[grid] data: cannot be combined with --data; remove one")
        fixed["data"] = data
    for name in axes:
        if name in fixed:
            raise ValueError(f"{name}: is set in both [{kind}] and [grid]; remove one")
    count = math.prod(map(len, axes.values()))
    if count > LIMIT:
        raise ValueError(f"[grid] has {count:.3g} combinations; at most {LIMIT:,}: split the file")
    points = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    return [GridPoint(kind, KINDS[kind](_nested(fixed | point)), point) for point in points]


def _flat(where: str, table: object, prefix: str = "") -> Fields:
    """Flatten a nested table to dotted names and values."""
    if not isinstance(table, dict):
        raise ValueError(f"{where}: must be a table; write [{where}]")
    flat: Fields = {}
    for key, value in table.items():
        name = f"{prefix}{key}"
        inner = _flat(where, value, f"{name}.") if isinstance(value, dict) else {name: value}
        repeated = next(iter(inner.keys() & flat.keys()), None)
        if repeated is not None:
            raise ValueError(f"[{where}] {repeated}: is given twice; remove one")
        flat |= inner
    return flat


def _axes(table: object) -> dict[str, list[Any]]:
    """Return the lists of the grid, none of them empty or with repeated values."""
    axes = _flat("grid", table)
    if not axes:
        raise ValueError("[grid] is empty; give at least one list, such as seed = [0, 1, 2]")
    for name, values in axes.items():
        if not isinstance(values, list) or not values:
            raise ValueError(f"[grid] {name}: must be a list of at least one value")
        for index, value in enumerate(values):
            if value in values[:index]:
                raise ValueError(f"[grid] {name}: {value!r} is given twice; remove one")
    return axes


def _nested(flat: Mapping[str, Any]) -> Fields:
    """Invert `_flat`; fields of a table override those of a whole table in the grid."""
    fields: Fields = {}
    for name, value in sorted(flat.items(), key=lambda item: item[0].count(".")):
        *path, last = name.split(".")
        table = fields
        for step in path:
            table = table.setdefault(step, {})
            if not isinstance(table, dict):
                raise ValueError(f"{name}: {step} is not a table")
        table[last] = dict(value) if isinstance(value, dict) else value
    return fields


def _run(fields: Fields) -> Fields:
    """Validate the fields of a training run."""
    hints, required = _parameters(TrainingConfig)
    fields = _typed(fields, {**hints, **IMAGES}, required)
    network = fields["network"]
    family = network.pop("family", None)
    one_of("network.family", family, tuple(FAMILIES))
    hints, required = _parameters(FAMILIES[family])
    fields["network"] = {"family": family} | _typed(network, hints, required, "network.")
    valid_seed("seed", fields.get("seed", 0))
    whole("images", fields.get("images", 1), 1)
    training_config(fields)
    return fields


def training_config(fields: Mapping[str, Any]) -> TrainingConfig:
    """Return the configuration of a training run."""
    own = {name: value for name, value in fields.items() if name not in IMAGES}
    return TrainingConfig(**own | {"metrics": tuple(own.get("metrics", ()))})


def _experiment(fields: Fields) -> Fields:
    """Validate the fields of one seed of an experiment."""
    fields = {"scale": "quick", "seed": 0, "precision": "float32", "mode": "exact"} | fields
    fields = _typed(fields, EXPERIMENT, ["id"])
    one_of("scale", fields["scale"], [scale.value for scale in Scale])
    one_of("precision", fields["precision"], get_args(Precision))
    one_of("mode", fields["mode"], get_args(Mode))
    valid_seed("seed", fields["seed"])
    experiment(fields["id"])
    return fields


KINDS: Final[dict[str, Callable[[Fields], Fields]]] = {"run": _run, "experiment": _experiment}


def _parameters(function: Callable[..., object]) -> tuple[Hints, list[str]]:
    """Return type hints of a function's parameters, and the names of those without default."""
    hints = get_type_hints(function)
    parameters = [p for p in signature(function).parameters.values() if p.name != "generator"]
    required = [p.name for p in parameters if p.default is p.empty]
    return {p.name: hints[p.name] for p in parameters}, required


def _typed(fields: Fields, hints: Hints, required: list[str], prefix: str = "") -> Fields:
    """Validate names and types; an integer for a float is converted, so that both hash alike."""
    typed: Fields = {}
    for name, value in fields.items():
        one_of("name", prefix + name, [prefix + known for known in hints])
        kinds = _kinds(hints[name])
        if float in kinds and int not in kinds and type(value) is int:
            value = float(value)
        if type(value) not in kinds:
            words = " or ".join(WORDS[kind] for kind in kinds)
            raise ValueError(f"{prefix}{name} {value!r}: must be {words}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{prefix}{name} {value}: must be finite")
        if isinstance(value, list) and not all(isinstance(entry, str) for entry in value):
            raise ValueError(f"{prefix}{name} {value!r}: must be a list of strings")
        typed[name] = value
    for name in required:
        if name not in typed:
            raise ValueError(f"{prefix}{name} is missing; set it in the file")
    return typed


def _kinds(hint: Any) -> tuple[type, ...]:
    """Return the TOML types that are valid for a type annotation."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return tuple(kind for part in get_args(hint) for kind in _kinds(part))
    if origin is Literal:
        return tuple(dict.fromkeys(type(value) for value in get_args(hint)))
    kind = {tuple: list, Mapping: dict}.get(origin or hint, hint)
    return (kind,) if kind in WORDS else ()
