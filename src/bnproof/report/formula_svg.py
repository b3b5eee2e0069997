"""Lay out LaTeX formulas with ziamath, as positioned glyphs and bars."""

import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, Final

from bnproof.report.svg_paths import Point, Segment

with warnings.catch_warnings():  # ziamath loads its font with a deprecated function
    warnings.simplefilter("ignore", DeprecationWarning)
    from ziamath import drawable, operators, styles
    from ziamath.mathtable import AssembledGlyph
    from ziamath.nodes.mnode import Mnode
    from ziamath.nodes.mrow import Mrow
    from ziamath.zmath import Latex

# These patches save a third of ziamath's time.  For every node it deep-copies the style of the
# parent to read a handful of entries, and it recomputes the same few lengths.
styles.asdict = vars  # type: ignore[attr-defined,assignment]
styles.ChainMap = lambda own, inherited: {**inherited, **own}  # type: ignore[attr-defined,assignment,misc]
_LENGTH: Final = cache(Mnode.size_px)


def _size_px(self: Mnode, size: str, fontsize: float | None = None) -> float:
    # The result depends on the node only through its font size, if none is given.
    return _LENGTH(None, size, self.glyphsize if fontsize is None else fontsize)


Mnode.size_px = _size_px  # type: ignore[method-assign]

EM: Final = 1000  # drawing units per em
SIZE: Final = 20.0  # font size passed to ziamath

NUMBER: Final = "number"  # name of an attribute that MathML does not define

# Rewrites of LaTeX that ziamath does not support or renders badly, applied in this order.
REWRITE: Final = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\\[bB]igg?[lrm]?\s*(?=\\[a-zA-Z|{}])", ""),
        (r"\\not\s*=", r"\\neq "),
        (r"\\(?:mathop|limits|nolimits)(?![a-zA-Z])", ""),
        (r"\\(wedge|vee)(?![a-zA-Z])", r"\\;\\\1\\;"),
        (r"(?<![a-zA-Z])([FPVWY])_", r"{\1}_"),  # otherwise the index overlaps the letter
        # No space after a minus sign at the start of an expression.
        (r"(^|\\left(?:\\?[|(]|\[)|\\leq?|\\geq?|[=({,])\s*-\s*", r"\1{-}"),
    )
)


class FormulaError(ValueError):
    """LaTeX that cannot be drawn; the message says why."""


@dataclass(frozen=True)
class Glyph:
    """A glyph of the font: its index in the font, the character it represents, its contours."""

    number: int
    character: str = field(compare=False)
    contours: tuple[tuple[Segment, ...], ...] = field(compare=False)  # font units, y upwards


@dataclass(frozen=True)
class Mark:
    """A glyph placed on a baseline, in drawing units; y grows downwards."""

    glyph: Glyph
    size: int
    x: int
    y: int


@dataclass(frozen=True)
class Bar:
    """A filled rectangle, given by its upper left corner and size in drawing units."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Drawing:
    """A laid-out formula and its bounding box; the baseline is at y = 0."""

    marks: tuple[Mark, ...]
    bars: tuple[Bar, ...]
    left: int
    top: int
    width: int
    height: int


class _Row(Mrow, tag="mrow"):  # registers itself for the tag
    """A row whose height is computed only once.

    ziamath lays out each row twice, first without brackets, to find the height of the brackets: a
    formula nested to depth d would be laid out 2^d times.  Here rows without brackets skip the
    first pass, and heights are cached.
    """

    def _setup(self, **kwargs: Any) -> None:
        root = self.parent
        while root.mtag != "math":
            root = root.parent
        if "heights" not in vars(root):  # this is the outermost row
            vars(root)["heights"] = {}
            for number, element in enumerate(self.element.iter()):
                element.set(NUMBER, str(number))  # preserved in copies
        self.heights: dict[tuple[str, ...], tuple[float, float]] = vars(root)["heights"]
        super()._setup(**kwargs)

    def _get_height_nostretch(self, line: list[ET.Element], **kwargs: Any) -> tuple[float, float]:
        if not any(map(_stretches, line)):
            return 0.0, 0.0  # not used
        row = tuple(element.get(NUMBER, "") for element in line)
        if row not in self.heights:
            self.heights[row] = super()._get_height_nostretch(line, **kwargs)
        return self.heights[row]


def _stretches(element: ET.Element) -> bool:
    """Whether an element contains an operator that may stretch."""
    return any(
        part.tag in ("mo", "mi") and part.get("stretchy") != "false" and _grows(part.text or "")
        for part in element.iter()
    )


@cache
def _grows(name: str) -> bool:
    forms = ("prefix", "infix", "postfix", "none")
    parameters = (operators.get_params(name.strip(), form) for form in forms)
    return any(entry.get("stretchy", "false") != "false" for entry in parameters)


@lru_cache(maxsize=4096)
def draw(latex: str) -> Drawing:
    """Lay out one display formula.

    Raises
    ------
    FormulaError
        If the LaTeX is malformed or uses a command that ziamath does not know.
    """
    source = latex
    for pattern, replacement in REWRITE:
        source = pattern.sub(replacement, source)
    try:
        layout = Latex(source, size=SIZE)
        unknown = [text for text in layout.mathml.itertext() if "\\" in text]
        painted = list(_painted(layout.node, 0, 0))
        box, margin = layout.node.bbox, layout.margin
    except Exception as error:  # the page must be written whatever the parser raises
        raise FormulaError(f"cannot draw {latex!r}: {type(error).__name__} {error}") from None
    if unknown:
        raise FormulaError(f"cannot draw {latex!r}: unknown command {unknown[0]}")
    if not painted:
        raise FormulaError(f"cannot draw {latex!r}: nothing visible")
    edges = (box.xmin - margin, -box.ymax - margin, box.xmax + margin, -box.ymin + margin)
    left, top, right, bottom = (round(edge * EM / SIZE) for edge in edges)
    marks = tuple(item for item in painted if isinstance(item, Mark))
    bars = tuple(item for item in painted if isinstance(item, Bar))
    return Drawing(marks, bars, left, top, right - left, bottom - top)


def _painted(node: drawable.Drawable, x: float, y: float) -> Iterator[Mark | Bar]:
    """Yield the marks and bars of a node placed at (x, y), in ziamath's coordinates."""
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
        raise FormulaError(f"unsupported node {type(node).__name__}")


def _marks(node: drawable.Glyph, x: float, y: float) -> Iterator[Mark]:
    """Yield a glyph, or the parts of an assembled glyph such as a tall bracket."""
    source = node.glyph
    size = node.size / source.font.info.layout.unitsperem  # of a font unit
    parts = [(source, 0.0, 0.0)]
    if isinstance(source, AssembledGlyph):
        placed = zip(source.glyphs, source.offsets, strict=False)
        parts = [(part, 0.0, by) if source.vert else (part, by, 0.0) for part, by in placed]
    for part, right, up in parts:
        glyph = _glyph(part, node.char)
        if glyph.contours:
            position = (_units(x + right * size), _units(y - up * size))
            yield Mark(glyph, _units(node.size), *position)


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
