"""Read, transform, simplify and write SVG path data."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

Point = complex
Segment = tuple[str, tuple[Point, ...]]  # a command and its points, absolute

TOLERANCE: Final = 0.5  # units: largest distance of an omitted point from the simplified line
COORDINATES: Final = {"M": 2, "L": 2, "Q": 4, "C": 6, "z": 0}
NUMBER: Final = re.compile(r"-?\d*\.?\d+(?:e[-+]?\d+)?")
COMMAND: Final = re.compile(r"([MLQCz])([^MLQCz]*)")


def parsed(data: str, unit: float) -> tuple[Segment, ...]:
    """Parse path data; coordinates are multiplied by `unit`.

    Raises
    ------
    ValueError
        If the data contain anything but the commands M, L, Q, C and z, each with its own points.
    """
    segments: list[Segment] = []
    for symbol, rest in COMMAND.findall(data):
        numbers = [float(number) * unit for number in NUMBER.findall(rest)]
        if len(numbers) != COORDINATES[symbol]:
            raise ValueError(f"path data {symbol}{rest}")
        segments.append((symbol, tuple(map(complex, numbers[::2], numbers[1::2]))))
    if COMMAND.sub("", data).strip():
        raise ValueError(f"path data {data[:40]}")
    return tuple(segments)


def moved(path: Iterable[Segment], by: Point, turn: complex = 1) -> tuple[Segment, ...]:
    """Rotate a path about the origin by a number of modulus 1, then translate it."""
    return tuple((symbol, tuple(turn * point + by for point in points)) for symbol, points in path)


def written(path: Iterable[Segment], decimals: int = 0) -> str:
    """Return path data; steps are taken between rounded points, so that errors do not add up."""
    parts: list[str] = []
    here = start = 0j
    last = ""
    for symbol, points in path:
        goals = [rounded(point, decimals) for point in points]
        if symbol == "z":
            name, data = "z", ""
            here = start
        elif symbol == "M":
            name, data = "M", numbers(part for goal in goals for part in (goal.real, goal.imag))
            here = start = goals[0]
        else:
            steps = [goal - here for goal in goals]
            name, data = _step(symbol, steps)
            here = goals[-1]
        if name != last or name in "Mz":
            parts.append(name)
        elif data[0] != "-":
            parts.append(" ")
        parts.append(data)
        last = name
    return "".join(parts)


def _step(symbol: str, steps: Sequence[Point]) -> tuple[str, str]:
    if symbol == "L" and not steps[0].imag:
        return "h", numbers([steps[0].real])
    if symbol == "L" and not steps[0].real:
        return "v", numbers([steps[0].imag])
    return symbol.lower(), numbers(part for step in steps for part in (step.real, step.imag))


def numbers(values: Iterable[float]) -> str:
    """Format numbers with one decimal, separated by a space only if the next is not negative."""
    text = ""
    for value in values:
        number = f"{value:.1f}".removesuffix(".0")
        number = "0" if number == "-0" else re.sub(r"^(-?)0\.", r"\1.", number)
        text += number if not text or number[0] == "-" else f" {number}"
    return text


def rounded(point: Point, decimals: int = 0) -> Point:
    """Round both coordinates of a point."""
    return complex(round(point.real, decimals), round(point.imag, decimals))


def thinned(path: Iterable[Segment]) -> Iterator[Segment]:
    """Simplify the straight parts of a path, within `TOLERANCE`."""
    run: list[Point] = []
    for symbol, points in (*path, ("", ())):
        if symbol == "L":
            run.append(points[0])
            continue
        for point in _kept(run)[1:]:
            yield "L", (point,)
        if symbol:
            yield symbol, points
        run = [points[-1]] if points else run[:1]


def _kept(run: Sequence[Point]) -> list[Point]:
    """Simplify a polyline by the algorithm of Douglas and Peucker (1973)."""
    keep = {0, len(run) - 1}
    pieces = [(0, len(run) - 1)]
    while pieces:
        low, high = pieces.pop()
        farthest, at = max(
            ((_distance(run[index], run[low], run[high]), index) for index in range(low + 1, high)),
            default=(0.0, low),
        )
        if farthest > TOLERANCE:
            keep.add(at)
            pieces += [(low, at), (at, high)]
    return [run[index] for index in sorted(keep)] if run else []


def _distance(point: Point, start: Point, end: Point) -> float:
    """Return the distance of a point from a line segment."""
    chord, offset = end - start, point - start
    length = abs(chord) ** 2
    share = (offset * chord.conjugate()).real / length if length else 0.0
    return abs(offset - min(max(share, 0.0), 1.0) * chord)
