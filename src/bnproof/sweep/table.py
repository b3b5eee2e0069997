"""The table of a sweep: one row a trial, as a CSV file and as text."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from bnproof.sweep.plan import Fields


def columns(rows: Sequence[Fields]) -> list[str]:
    """Names of all rows, in the order in which they first stand."""
    return list(dict.fromkeys(name for row in rows for name in row))


def as_csv(rows: Sequence[Fields]) -> str:
    """The rows with full precision; nothing for what a row has not."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    names = columns(rows)
    writer.writerow(names)
    writer.writerows([_cell(row.get(name)) for name in names] for row in rows)
    return file.getvalue()


def as_text(rows: Sequence[Fields]) -> str:
    """The rows in aligned columns, numbers to four digits."""
    names = columns(rows)
    cells = [names, *([_cell(row.get(name), digits=4) for name in names] for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(names))]
    lines = ["  ".join(f"{cell:{w}}" for cell, w in zip(row, widths, strict=True)) for row in cells]
    return "\n".join(line.rstrip() for line in lines)


def _cell(value: Any, digits: int | None = None) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and digits:
        return f"{value:.{digits}g}"
    if isinstance(value, dict | list):
        return json.dumps(value)
    return str(value)
