"""The table of a sweep, with one row per trial, as CSV and as text."""

import csv
import io
import json
from collections.abc import Sequence

from bnproof.sweep.plan import Fields


def columns(rows: Sequence[Fields]) -> list[str]:
    """Return the names of all columns, in the order of first occurrence."""
    return list(dict.fromkeys(name for row in rows for name in row))


def as_csv(rows: Sequence[Fields]) -> str:
    """Return the rows as CSV with full precision; missing values are left empty."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    names = columns(rows)
    writer.writerow(names)
    writer.writerows([_cell(row.get(name)) for name in names] for row in rows)
    return file.getvalue()


def as_text(rows: Sequence[Fields]) -> str:
    """Return the rows in aligned columns, with numbers to four significant digits."""
    names = columns(rows)
    cells = [names, *([_cell(row.get(name), digits=4) for name in names] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(f"{cell:{w}}" for cell, w in zip(row, widths, strict=True)) for row in cells]
    return "\n".join(line.rstrip() for line in lines)


def _cell(value: object, digits: int | None = None) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and digits:
        return f"{value:.{digits}g}"
    if isinstance(value, dict | list):
        return json.dumps(value)
    return str(value)
