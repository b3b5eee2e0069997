"""Formulas: LaTeX laid out by ziamath, as glyphs and bars with their places."""

import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, Final

from bnproof.report.svg_paths import Point, Segment

with warnings.catch_warnings():  # it reads its font by a function that Python 3.11 deprecated
    warnings.simplefilter("ignore", DeprecationWarning)
    from ziamath import drawable, operators, styles
    from ziamath.mathtable import AssembledGlyph
    from ziamath.nodes.mnode import Mnode
    from ziamath.nodes.mrow import Mrow
    from ziamath.zmath import Latex

# What takes ziamath a third of its time.  For every node it copies the style of its parent, deeply,
# and chains it to the node's own, to read a handful of entries; and it works out what few lengths
# there are anew.
styles.asdict = vars  # type: ignore[attr-defined,assignment]
styles.ChainMap = lambda own, inherited: {**inherited, **own}  # type: ignore[attr-defined,assignment,misc]
_LENGTH: Final = cache(Mnode.size_px)


def _size_px(self: Mnode, size: str, fontsize: float | None = None) -> float:
    # Of the node only the size of its font matters, where none is given.
    return _LENGTH(None, size, self.glyphsize if fontsize is None else fontsize)


Mnode.size_px = _size_px  # type: ignore[method-assign]

EM: Final = 1000  # units of a drawing in one em
SIZE: Final = 20.0  # what ziamath takes as one em

NUMBER: Final = "number"  # an attribute that MathML does not have

# What ziamath does not know, or sets badly, in terms that it sets well; in this order.
REWRITE: Final = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\\[bB]igg?[lrm]?\s*(?=\\[a-zA-Z|{}])", ""),
        (r"\\not\s*=", r"\\neq "),
        (r"\\(?:mathop|limits|nolimits)(?![a-zA-Z])", ""),
        (r"\\(wedge|vee)(?![a-zA-Z])", r"\\;\\\1\\;"),
        (r"(?<![a-zA-Z])([FPVWY])_", r"{\1}_"),  # else the index runs into the letter
        # A minus that begins an expression takes no space after it.
        (r"(^|\\left(?:\\?[|(]|\[)|\\leq?|\\geq?|[=({,])\s*-\s*", r"\1{-}"),
    )
)


class FormulaError(ValueError):
    """LaTeX that cannot be drawn; the message says why."""


@dataclass(frozen=True)
class Glyph:
    """A glyph of the font: its number there, the character it stands for, and its contours."""

    number: int
    character: str = field(compare=False)
    contours: tuple[tuple[Segment, ...], ...] = field(compare=False)  # font units, y upwards


@dataclass(frozen=True)
class Mark:
    """A glyph on a baseline, in units; y grows downwards."""

    glyph: Glyph
    size: int
    x: int
    y: int


@dataclass(frozen=True)
class Bar:
    """A filled rectangle and its upper left corner, in units."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Drawing:
    """A drawn formula and the box around it, on a baseline at 0."""

    marks: tuple[Mark, ...]
    bars: tuple[Bar, ...]
    left: int
    top: int
    width: int
    height: int


class _Row(Mrow, tag="mrow"):  # registers itself for the tag
    """A row that is measured once.

    ziamath sets each row twice, first without its brackets, to learn how high these must be: a
    formula nested to depth d would be set 2^d times.  Without brackets there is nothing to learn,
    and what was learnt of a row holds whenever it is set again.
    """

    def _setup(self, **kwargs: Any) -> None:
        root = self.parent
        while root.mtag != "math":
            root = root.parent
        if "heights" not in vars(root):  # this is the outermost row
            vars(root)["heights"] = {}
            for number, element in enumerate(self.element.iter()):
                element.set(NUMBER, str(number))  # which copies keep
        self.heights: dict[tuple[str, ...], tuple[float, float]] = vars(root)["heights"]
        super()._setup(**kwargs)

    def _get_height_nostretch(self, line: list[ET.Element], **kwargs: Any) -> tuple[float, float]:
        if not any(map(_stretches, line)):
            return 0.0, 0.0  # which nothing asks for
        row = tuple(element.get(NUMBER, "") for element in line)
        if row not in self.heights:
            self.heights[row] = super()._get_height_nostretch(line, **kwargs)
        return self.heights[row]


def _stretches(element: ET.Element) -> bool:
    """Whether an element holds an operator that may grow with its row."""
    return any(
        part.tag in ("mo", "mi") and part.get("stretchy") != "false" and _grows(part.text or "")
        for part in element.iter()
    )


@cache
def _grows(name: str) -> bool:
    forms = ("prefix", "infix", "postfix", "none")
    found = (operators.get_params(name.strip(), form) for form in forms)
    return any(parameters.get("stretchy", "false") != "false" for parameters in found)


@lru_cache(maxsize=4096)
def draw(latex: str) -> Drawing:
    """Draw one display formula.

    Raises
    ------
    FormulaError
        If the LaTeX is malformed or uses a command that ziamath does not know.
    """
    source = latex
    for pattern, replacement in REWRITE:
        source = pattern.sub(replacement, source)
    try:
        drawn = Latex(source, size=SIZE)
        unknown = [text for text in drawn.mathml.itertext() if "\\" in text]
        painted = list(_painted(drawn.node, 0, 0))
        box, margin = drawn.node.bbox, drawn.margin
    except Exception as error:  # whatever the parser trips over, the page must be written
        raise FormulaError(f"cannot draw {latex!r}: {type(error).__name__} {error}") from None
    if unknown:
        raise FormulaError(f"cannot draw {latex!r}: unknown command {unknown[0]}")
    if not painted:
        raise FormulaError(f"cannot draw {latex!r}: nothing to be seen")
    edges = (box.xmin - margin, -box.ymax - margin, box.xmax + margin, -box.ymin + margin)
    left, top, right, bottom = (round(edge * EM / SIZE) for edge in edges)
    marks = tuple(item for item in painted if isinstance(item, Mark))
    bars = tuple(item for item in painted if isinstance(item, Bar))
    return Drawing(marks, bars, left, top, right - left, bottom - top)


def _painted(node: drawable.Drawable, x: float, y: float) -> Iterator[Mark | Bar]:
    """What a node paints, placed at (x, y) of ziamath."""
    if isinstance(node, Mnode):
        for (right, down), part in zip(node.nodexy, node.nodes, strict=True):
            yield from _painted(part, x + right, y + down)
    elif getattr(node, "phantom", False):
        return
    elif isinstance(node, drawable.Glyph):
        yield from _marks(node, x, y)
    elif isinstance(node, drawable.HLine):
        yield _bar(x, y, node.length, node.lw)
    elif isinstance(node, drawable.VLine):
        yield _bar(x - node.lw / 2, y, node.lw, node.height)
    else:
        raise FormulaError(f"a {type(node).__name__}")


def _marks(node: drawable.Glyph, x: float, y: float) -> Iterator[Mark]:
    """One glyph, or the pieces of a tall one."""
    whole = node.glyph
    size = node.size / whole.font.info.layout.unitsperem  # of a font unit
    pieces = [(whole, 0.0, 0.0)]
    if isinstance(whole, AssembledGlyph):
        placed = zip(whole.glyphs, whole.offsets, strict=False)
        pieces = [(part, 0.0, by) if whole.vert else (part, by, 0.0) for part, by in placed]
    for part, right, up in pieces:
        glyph = _glyph(part, node.char)
        if glyph.contours:
            place = (_units(x + right * size), _units(y - up * size))
            yield Mark(glyph, _units(node.size), *place)


def _bar(x: float, y: float, width: float, height: float) -> Bar:
    return Bar(_units(x), _units(y), max(_units(width), 1), max(_units(height), 1))


def _units(length: float) -> int:
    return round(length * EM / SIZE)


@cache
def _glyph(glyph: Any, character: str) -> Glyph:
    contours: list[list[Segment]] = []
    for operator in glyph.operators:
        points = tuple(Point(point.x, point.y) for point in operator.points()[0])
        symbol = {"Moveto": "M", "Lineto": "L", "Quad": "Q"}[type(operator).__name__]
        if symbol == "M":
            contours.append([])
        contours[-1].append((symbol, points))
    return Glyph(glyph.index, character, tuple(map(tuple, contours)))
