"""The formulas of a page as SVG: each glyph once, and what recurs in many formulas once.

A formula takes its colour from the text around it and its size from the font size, and carries
its LaTeX as text alternative.  LaTeX that cannot be drawn is shown as code.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from markupsafe import Markup, escape

from ledger.formula import EM, Drawing, FormulaError, Shape, draw

# Prose, line by line: printed as text that wraps, not as a picture of text.
PROSE: Final = re.compile(r"\s*\\begin\{array\}\{l\}(.*)\\end\{array\}\s*|\s*(\\text\{[^{}]*\})\s*")
ROUNDS: Final = 4  # of pairing neighbours, so that up to 2^6 of them become one
WORTH: Final = 4  # uses from which on a pair is shorter defined than repeated
DIGITS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


Placed: TypeAlias = tuple[int, float, float]  # the number of a thing, and where it stands


class Pair(NamedTuple):
    """Two things, by number, of which the second stands at a fixed place beside the first."""

    first: int
    second: int
    x: int
    y: int


class Things:
    """What is drawn more than once: shapes, and pairs of things; each has a number."""

    def __init__(self) -> None:
        self.numbers: dict[Shape | Pair, int] = {}
        self.all: list[Shape | Pair] = []

    def number(self, thing: Shape | Pair) -> int:
        """Of a thing, known or new."""
        if thing not in self.numbers:
            self.numbers[thing] = len(self.all)
            self.all.append(thing)
        return self.numbers[thing]

    def shape(self, shape: Shape) -> int:
        """Number of a shape; the same in full size comes before it."""
        self.number(Shape(shape.outline))
        return self.number(shape)


def spoken(latex: str) -> str:
    """LaTeX as text alternative: as it is, less the markup of prose."""
    text = re.sub(r"\\begin\{array\}\{l\}|\\end\{array\}", "", latex)
    text = re.sub(r"\\text\{([^{}]*)\}", r"\1", text).replace("\\\\", " ")
    return " ".join(text.split())


@dataclass
class Sheet:
    """The formulas of one page.

    `formula` gives what stands in the text; `definitions`, placed anywhere in the page, holds
    the shapes that those refer to.
    """

    formulas: dict[str, tuple[str, Drawing]] = field(default_factory=dict)

    def formula(self, latex: str) -> Markup:
        """One formula or a paragraph of prose with formulas in it; never raises."""
        prose = PROSE.fullmatch(latex)
        if prose is None:
            return Markup('<div class="display">{}</div>').format(self.svg(latex))
        lines = re.sub(r"\s*\\\\\s*", " ", prose[1] or prose[2])
        parts = re.split(r"\\text\{([^{}]*)\}", lines)
        shown = [
            escape(part) if index % 2 else (self.svg(part) if part.strip() else part)
            for index, part in enumerate(parts)
        ]
        return Markup("<blockquote>{}</blockquote>").format(Markup("").join(shown))

    def svg(self, latex: str) -> Markup:
        """One formula as an inline SVG on the baseline, or its LaTeX as code."""
        try:
            name, drawing = self._place(latex)
        except FormulaError:
            return Markup("<code>{}</code>").format(latex)
        return Markup(
            '<svg class="formula" role="img" aria-label="{}" viewBox="{} {} {} {}" width="{}em" '
            'height="{}em" style="vertical-align:{}em"><use href="#{}"/></svg>'
        ).format(
            spoken(latex),
            *(drawing.left, drawing.top, drawing.width, drawing.height),
            *(f"{length / EM:g}" for length in (drawing.width, drawing.height)),
            f"{-(drawing.top + drawing.height) / EM:g}",
            name,
        )

    def _place(self, latex: str) -> tuple[str, Drawing]:
        if latex not in self.formulas:
            self.formulas[latex] = (f"f-{len(self.formulas)}", draw(latex))
        return self.formulas[latex]

    def definitions(self) -> Markup:
        """The shapes of all formulas asked for so far, invisible by themselves."""
        things = Things()
        rows = [
            [(things.shape(mark.shape), mark.x, mark.y) for mark in drawing.marks]
            for _, drawing in self.formulas.values()
        ]
        rows = _paired(rows, things)
        names = _names(rows, things)
        defined = [_defined(number, things, names) for number in names]
        for (name, _), row in zip(self.formulas.values(), rows, strict=True):
            defined.append(f'<g id="{name}">{_used(row, names)}</g>')
        return Markup(  # built from numbers and outlines alone
            '<svg class="sheet" width="0" height="0" aria-hidden="true"><defs>'
            f"{''.join(defined)}</defs></svg>"
        )


def _paired(rows: Sequence[list[Placed]], things: Things) -> list[list[Placed]]:
    """Replace pairs of neighbours that recur by one thing, again and again.

    This is the digram coding of Larsson and Moffat (2000, doi:10.1109/5.892708), by rounds: in
    one round all pairs that are worth it are replaced, of two that overlap the more frequent.
    """
    found = list(rows)
    for _ in range(ROUNDS):
        pairs = [list(map(_pair, row, row[1:])) for row in found]
        counts = Counter(pair for row in pairs for pair in row)
        worth = {pair: count for pair, count in counts.items() if count >= WORTH}
        found = [
            _replaced(row, near, worth, things) for row, near in zip(found, pairs, strict=True)
        ]
    return found


def _pair(left: Placed, right: Placed) -> Pair:
    return Pair(left[0], right[0], round(right[1] - left[1]), round(right[2] - left[2]))


def _replaced(
    row: list[Placed], pairs: list[Pair], worth: Mapping[Pair, int], things: Things
) -> list[Placed]:
    gains = [*(worth.get(pair, 0) for pair in pairs), 0, 0]
    found: list[Placed] = []
    at = 0
    while at < len(row):
        number, x, y = row[at]
        if gains[at] and gains[at] >= gains[at + 1]:
            found.append((things.number(pairs[at]), x, y))
            at += 2
        else:
            found.append((number, x, y))
            at += 1
    return found


def _names(rows: Iterable[list[Placed]], things: Things) -> dict[int, str]:
    """Ids of the things in use, the shorter the more often; with a hyphen, so no claim's."""
    uses = Counter(number for row in rows for number, _, _ in row)
    for number in reversed(range(len(things.all))):  # parts come before what they are part of
        thing = things.all[number]
        if uses[number]:
            uses.update(_parts(thing, things))
    names = {}
    for index, (number, count) in enumerate(uses.most_common()):
        if count:
            names[number] = f"-{_digits(index)}"
    return names


def _parts(thing: Shape | Pair, things: Things) -> tuple[int, ...]:
    """What a thing is made of: its two halves, or the same shape in full size."""
    if isinstance(thing, Pair):
        return thing.first, thing.second
    return () if thing.scale == 1 else (things.number(Shape(thing.outline)),)


def _digits(number: int) -> str:
    rest, last = divmod(number, len(DIGITS))
    return (_digits(rest - 1) if rest else "") + DIGITS[last]


def _defined(number: int, things: Things, names: Mapping[int, str]) -> str:
    thing, name = things.all[number], names[number]
    if isinstance(thing, Pair):
        both = _used([(thing.first, 0, 0), (thing.second, thing.x, thing.y)], names)
        return f'<g id="{name}">{both}</g>'
    if thing.scale == 1:
        return f'<path id="{name}" d="{thing.outline}"/>'
    (whole,) = _parts(thing, things)
    return f'<use id="{name}" href="#{names[whole]}" transform="scale({thing.scale:g})"/>'


def _used(row: Iterable[Placed], names: Mapping[int, str]) -> str:
    parts = []
    for number, x, y in row:
        right = f' x="{x:.0f}"' if round(x) else ""
        down = f' y="{y:.0f}"' if round(y) else ""
        parts.append(f'<use href="#{names[number]}"{right}{down}/>')
    return "".join(parts)
