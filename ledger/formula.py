"""Formulas: LaTeX laid out by ziamath, as glyphs and bars with their places.

LaTeX comes from files.  What leaves this module are numbers and the outlines of a font: no text
of the formula reaches the drawing.
"""

import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final

from ledger.paths import Segment, written

with warnings.catch_warnings():  # it reads its font by a function that Python 3.11 deprecated
    warnings.simplefilter("ignore", DeprecationWarning)
    from ziamath import operators
    from ziamath.drawable import Drawable, Glyph, HLine, VLine
    from ziamath.mathtable import AssembledGlyph
    from ziamath.nodes.mnode import Mnode
    from ziamath.nodes.mrow import Mrow
    from ziamath.zmath import Latex

EM: Final = 1000  # units of a drawing in one em
SIZE: Final = 20.0  # what ziamath takes as one em

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
class Shape:
    """An outline and the scale at which it is drawn; equal shapes look the same."""

    outline: str
    scale: float = 1.0


@dataclass(frozen=True)
class Mark:
    """A shape and its place, in units; y grows downwards."""

    shape: Shape
    x: float
    y: float


@dataclass(frozen=True)
class Drawing:
    """A drawn formula and the box around it, on a baseline at 0."""

    marks: tuple[Mark, ...]
    left: int
    top: int
    width: int
    height: int


class _Row(Mrow, tag="mrow"):  # registers itself for the tag
    """A row that is measured once.

    ziamath sets each row twice, first to learn how high its brackets must be, and so a formula
    nested to depth d 2^d times.  Without brackets there is nothing to learn; nor is there inside
    of a row that is itself only measured, where brackets do not count.
    """

    def _get_height_nostretch(self, line: list[ET.Element], **kwargs: Any) -> tuple[float, float]:
        if kwargs.get("nostretch") or not any(map(_stretches, line)):
            return kwargs.get("rowymin", 0.0), kwargs.get("rowymax", 0.0)
        found: tuple[float, float] = super()._get_height_nostretch(line, **kwargs)
        return found


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
        marks = tuple(_marks(drawn.node, 0, 0))
        box, margin = drawn.node.bbox, drawn.margin
    except Exception as error:  # whatever the parser trips over, the page must be written
        raise FormulaError(f"cannot draw {latex!r}: {type(error).__name__} {error}") from None
    if unknown:
        raise FormulaError(f"cannot draw {latex!r}: unknown command {unknown[0]}")
    if not marks:
        raise FormulaError(f"cannot draw {latex!r}: nothing to be seen")
    edges = (box.xmin - margin, -box.ymax - margin, box.xmax + margin, -box.ymin + margin)
    left, top, right, bottom = (round(edge * EM / SIZE) for edge in edges)
    return Drawing(marks, left, top, right - left, bottom - top)


def _marks(node: Drawable, x: float, y: float) -> Iterator[Mark]:
    """What a node paints, placed at (x, y) of ziamath."""
    unit = EM / SIZE
    if isinstance(node, Mnode):
        for (right, down), part in zip(node.nodexy, node.nodes, strict=True):
            yield from _marks(part, x + right, y + down)
    elif getattr(node, "phantom", False):
        return
    elif isinstance(node, Glyph):
        yield from _glyphs(node, x * unit, y * unit)
    elif isinstance(node, HLine):
        yield Mark(_bar(node.length * unit, node.lw * unit), x * unit, y * unit)
    elif isinstance(node, VLine):
        yield Mark(_bar(node.lw * unit, node.height * unit), (x - node.lw / 2) * unit, y * unit)
    else:
        raise FormulaError(f"a {type(node).__name__}")


def _glyphs(node: Glyph, x: float, y: float) -> Iterator[Mark]:
    """One glyph, or the pieces of a tall one."""
    glyph = node.glyph
    scale = node.size / SIZE * EM / glyph.font.info.layout.unitsperem
    pieces = [(glyph, 0.0, 0.0)]
    if isinstance(glyph, AssembledGlyph):
        pairs = zip(glyph.glyphs, glyph.offsets, strict=False)
        pieces = [(part, 0.0, by) if glyph.vert else (part, by, 0.0) for part, by in pairs]
    for part, right, up in pieces:
        outline = _outline(part)
        if outline:
            yield Mark(Shape(outline, round(scale, 3)), x + right * scale, y - up * scale)


def _bar(width: float, height: float) -> Shape:
    wide, high = max(round(width), 1), max(round(height), 1)
    return Shape(f"M0 0h{wide}v{high}h-{wide}z")


@cache
def _outline(glyph: Any) -> str:
    """Path data of a glyph, in the units of its font; empty for a space."""
    segments: list[Segment] = []
    for operator in glyph.operators:
        points = tuple(complex(point.x, -point.y) for point in operator.points()[0])
        letter = {"Moveto": "M", "Lineto": "L", "Quad": "Q", "Cubic": "C"}[type(operator).__name__]
        if letter == "M" and segments:
            segments.append(("z", ()))
        if letter != "L" or points[0] != segments[-1][1][-1]:
            segments.append((letter, points))
    return written([*segments, ("z", ())]) if segments else ""
