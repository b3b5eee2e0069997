"""The file of a sweep: what all trials share, what varies, and every combination of it.

A table ``[run]`` (fields of `bnproof.empirical.training.config.TrainingConfig`, and the images) or
``[experiment]`` holds what all trials share; ``[grid]`` gives a list to every name that varies::

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
from bnproof.theory.claim import Scale
from bnproof.theory.common.errors import UserError, one_of, valid_seed, whole

Fields = dict[str, Any]
Hints = Mapping[str, Any]

WORDS: Final[Mapping[type, str]] = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "a text in quotes",
    list: "a list",
    dict: "a table",
}
MOST: Final = 100_000  # trials of one file
IMAGES: Final[Hints] = {"data": str, "images": int}
EXPERIMENT: Final[Hints] = {"id": str, "scale": str, "seed": int, "data": str}


@dataclass(frozen=True)
class GridPoint:
    """One combination.

    Attributes
    ----------
    kind
        ``"run"``, a training run, or ``"experiment"``, one seed of an experiment.
    fields
        Everything that is set, as JSON knows it.
    point
        What varies: names of the grid, with dots, and their values.
    """

    kind: str
    fields: Fields
    point: Fields


def read(path: Path, data: str | None = None) -> list[GridPoint]:
    """All trials of a file, in the order of its grid; the last name varies fastest.

    Parameters
    ----------
    data
        Images in place of those that the file names.

    Raises
    ------
    UserError
        One line: what in the file is not understood, and the mend.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8; a sweep is a TOML file") from None
    try:
        return trials(text, data)
    except ValueError as error:  # TOML's own errors are ValueErrors too
        raise UserError(f"{path}: {error}") from None
    except RecursionError:
        raise UserError(f"{path}: tables or lists are nested too deeply") from None


def trials(text: str, data: str | None = None) -> list[GridPoint]:
    """All trials of a file's text; see `read`.

    Raises
    ------
    ValueError
        What is not understood.
    """
    tables = tomllib.loads(text)
    for name in tables:
        one_of("table", name, (*KINDS, "grid"))
    kinds = [name for name in KINDS if name in tables]
    if len(kinds) != 1:
        raise ValueError(f"needs one of the tables {' and '.join(f'[{name}]' for name in KINDS)}")
    (kind,) = kinds
    fixed = _flat(kind, tables[kind])
    axes = _axes(tables.get("grid", {}))
    if data is not None:
        if "data" in axes:
            raise ValueError("[grid] data: is a list here; leave --data out")
        fixed["data"] = data
    for name in axes:
        if name in fixed:
            raise ValueError(f"{name}: stands in [{kind}] and in [grid]; keep one")
    count = math.prod(map(len, axes.values()))
    if count > MOST:
        raise ValueError(f"[grid] has {count:.3g} combinations; at most {MOST:,}: split the file")
    points = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    return [GridPoint(kind, KINDS[kind](_nested(fixed | point)), point) for point in points]


def _flat(where: str, table: Any, before: str = "") -> Fields:
    """Names with dots, and the values that are no tables."""
    if not isinstance(table, dict):
        raise ValueError(f"{where}: must be a table; write [{where}]")
    flat: Fields = {}
    for key, value in table.items():
        name = f"{before}{key}"
        found = _flat(where, value, f"{name}.") if isinstance(value, dict) else {name: value}
        for entry in found:
            if entry in flat:
                raise ValueError(f"[{where}] {entry}: is given twice")
        flat |= found
    return flat


def _axes(table: Any) -> dict[str, list[Any]]:
    """The lists of the grid, none of them empty or with a value twice."""
    axes = _flat("grid", table)
    if not axes:
        raise ValueError("[grid] is empty; give at least one list, such as seed = [0, 1, 2]")
    for name, values in axes.items():
        if not isinstance(values, list) or not values:
            raise ValueError(f"[grid] {name}: must be a list of at least one value")
        for place, value in enumerate(values):
            if value in values[:place]:
                raise ValueError(f"[grid] {name}: {value!r} is there twice")
    return axes


def _nested(flat: Mapping[str, Any]) -> Fields:
    """The inverse of `_flat`; a whole table of the grid comes before single names of it."""
    fields: Fields = {}
    for name, value in sorted(flat.items(), key=lambda item: item[0].count(".")):
        *path, last = name.split(".")
        table = fields
        for step in path:
            table = table.setdefault(step, {})
            if not isinstance(table, dict):
                raise ValueError(f"{name}: {step} is no table")
        table[last] = dict(value) if isinstance(value, dict) else value
    return fields


def _run(fields: Fields) -> Fields:
    """Check a training run; its types become those of the recipe."""
    fields = _typed(
        fields, {**get_type_hints(TrainingConfig), **IMAGES}, required=("network", "steps", "rate")
    )
    network = fields["network"]
    family = network.pop("family", None)
    one_of("network.family", family, tuple(FAMILIES))
    hints = get_type_hints(FAMILIES[family])
    parameters = dict(signature(FAMILIES[family]).parameters)
    del parameters["generator"]
    hints = {name: hints[name] for name in parameters}
    needed = tuple(name for name, one in parameters.items() if one.default is one.empty)
    network = {"family": family} | _typed(network, hints, required=needed, before="network.")
    fields["network"] = network
    valid_seed("seed", fields.get("seed", 0))
    whole("images", fields.get("images", 1), 1)
    training_config(fields)
    return fields


def training_config(fields: Mapping[str, Any]) -> TrainingConfig:
    """The recipe of a training run."""
    given = {name: value for name, value in fields.items() if name not in IMAGES}
    return TrainingConfig(**given | {"metrics": tuple(given.get("metrics", ()))})


def _experiment(fields: Fields) -> Fields:
    """Check one seed of an experiment."""
    fields = {"scale": "quick", "seed": 0} | fields
    fields = _typed(fields, EXPERIMENT, required=("id",))
    one_of("scale", fields["scale"], [scale.value for scale in Scale])
    valid_seed("seed", fields["seed"])
    experiment(fields["id"])
    return fields


KINDS: Final[dict[str, Callable[[Fields], Fields]]] = {"run": _run, "experiment": _experiment}


def _typed(
    fields: Mapping[str, Any], hints: Hints, *, required: tuple[str, ...] = (), before: str = ""
) -> Fields:
    """Refuse unknown names and wrong types; 1 for a real number becomes 1.0, which hashes so."""
    typed: Fields = {}
    for name, value in fields.items():
        one_of("name", before + name, [before + known for known in hints])
        kinds = _kinds(hints[name])
        if float in kinds and int not in kinds and type(value) is int:
            value = float(value)
        if type(value) not in kinds:
            words = " or ".join(WORDS[kind] for kind in kinds)
            raise ValueError(f"{before}{name} {value!r}: must be {words}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{before}{name} {value}: must be finite")
        if isinstance(value, list) and not all(isinstance(entry, str) for entry in value):
            raise ValueError(f"{before}{name} {value!r}: must be a list of texts in quotes")
        typed[name] = value
    for name in required:
        if name not in typed:
            raise ValueError(f"{before}{name} is missing: it must be given")
    return typed


def _kinds(hint: Any) -> tuple[type, ...]:
    """The types that TOML may have for a type annotation."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return tuple(kind for part in get_args(hint) for kind in _kinds(part))
    if origin is Literal:
        return tuple(dict.fromkeys(type(value) for value in get_args(hint)))
    kind = {tuple: list, Mapping: dict}.get(origin or hint, hint)
    return (kind,) if kind in WORDS else ()
