"""Format the numbers of evidence as tables."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

SHOWN: Final = 6  # number of entries shown of a long list; the JSON file has all of them


class Table(NamedTuple):
    """A table whose first column names the rows; `heads` may be empty."""

    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


def tables(numbers: Mapping[str, Any]) -> list[Table]:
    """Convert nested `numbers` to tables, one for simple values and one for each grid.

    Names of nested values are joined by colons.
    """
    rows: list[tuple[str, str]] = []
    grids: list[Table] = []
    for name, value in _parts(numbers):
        if isinstance(value, list | Mapping) and columns(value):
            grids.append(_grid(name, value))
        else:
            rows.append((name, plain(value)))
    return [Table("Numbers", (), rows), *grids] if rows else grids


def _parts(numbers: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield names and values that can be shown directly, leaving out empty ones."""
    for name, value in numbers.items():
        if value in ([], {}, ""):
            continue
        if simple(value) or columns(value):
            yield name, value
        else:
            inner = value if isinstance(value, Mapping) else _numbered(value)
            if isinstance(value, Mapping) and all(map(_scalar, value.values())):
                yield name, value
            else:
                yield from ((f"{name}: {key}", part) for key, part in _parts(inner))


def _numbered(values: Iterable[Any]) -> dict[str, Any]:
    return {str(number): value for number, value in enumerate(values, start=1)}


def _grid(caption: str, value: Sequence[Any] | Mapping[str, Any]) -> Table:
    heads = columns(value)
    if isinstance(value, Mapping):
        rows = [(name, *map(_cell, item, item.values())) for name, item in value.items()]
        return Table(caption, ("name", *heads), rows)
    return Table(caption, heads, [tuple(map(_cell, item, item.values())) for item in value])


def _cell(head: str, value: object) -> str:
    """Format a value under `head`: what is not satisfied may be open, and an interval has ends."""
    if value is None and head.endswith("satisfied"):
        return "undecided"
    if isinstance(value, list) and head.endswith("interval"):
        return " to ".join(map(plain, value))
    return plain(value)


def plain(value: object) -> str:
    """Format a value as text, numbers with four significant digits."""
    if value is None:
        return "not finite"  # JSON has no NaN and no infinity
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        more = f", … ({len(value)} in all)" if len(value) > SHOWN else ""
        return ", ".join(map(plain, value[:SHOWN])) + more
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {plain(item)}" for name, item in value.items())
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def simple(value: object) -> bool:
    """Whether a value fits in one cell of a table."""
    return all(map(_scalar, value)) if isinstance(value, list) else _scalar(value)


def _scalar(value: object) -> bool:
    return not isinstance(value, list | Mapping)


def columns(value: Any) -> list[str]:
    """Return column heads if `value` contains mappings with the same simple fields."""
    items = list(value.values()) if isinstance(value, Mapping) else value
    if _scalar(value) or not items:
        return []
    if not all(isinstance(item, Mapping) and item for item in items):
        return []
    heads = list(items[0])
    same = all(list(item) == heads and all(map(simple, item.values())) for item in items)
    return heads if same else []


def settings(provenance: Mapping[str, Any], known: Iterable[Mapping[str, Any]]) -> str:
    """Format the provenance of numbers in one line, leaving out values that equal `known` ones."""
    common = {name: value for part in known for name, value in part.items()}
    own = {
        name: value
        for name, value in provenance.items()
        if value not in ([], {}, "") and (name not in common or common[name] != value)
    }
    return plain(own)
