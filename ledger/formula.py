"""Formulas as SVG: LaTeX is drawn by ziamath, each formula and each glyph once a page.

A formula takes its colour from the text around it and its size from the font size, and carries
its LaTeX as text alternative.  LaTeX that cannot be drawn is shown as code.
"""

import re
import warnings
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from markupsafe import Markup, escape

with warnings.catch_warnings():  # it reads its font by a function that Python 3.11 deprecated
    warnings.simplefilter("ignore", DeprecationWarning)
    from ziamath.config import config
    from ziamath.zmath import Latex

SIZE: Final = 20.0  # units of the drawings in one em
DECIMALS: Final = 2

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
# Prose, line by line: printed as text that wraps, not as a picture of text.
PROSE: Final = re.compile(r"\s*\\begin\{array\}\{l\}(.*)\\end\{array\}\s*|\s*(\\text\{[^{}]*\})\s*")
ALLOWED: Final = {
    "svg": {"width", "height", "viewBox", "xmlns"},
    "symbol": {"id", "viewBox"},
    "use": {"href", "x", "y", "width", "height", "fill"},
    "rect": {"x", "y", "width", "height", "fill"},
    "path": {"d", "fill", "stroke", "stroke-width", "stroke-linecap", "stroke-linejoin"},
    "line": {"x1", "y1", "x2", "y2", "stroke", "stroke-width"},
    "g": {"fill"},
}
SAFE_VALUE: Final = re.compile(r"[\w\s.,#-]*")


class FormulaError(ValueError):
    """LaTeX that cannot be drawn; the message says why."""


@dataclass(frozen=True)
class Drawing:
    """A drawn formula: shapes that use `glyphs`, and the box around them (y grows downwards)."""

    shapes: str
    glyphs: dict[str, str]
    left: float
    top: float
    width: float
    height: float


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
    root = _render(source, latex)
    glyphs: dict[str, str] = {}
    _check(root, latex)
    for parent in list(root.iter()):
        for symbol in parent.findall("symbol"):
            parent.remove(symbol)
            glyphs[_name(symbol.attrib["id"])] = _glyph(symbol)
        if parent.tag == "use":
            parent.attrib["href"] = "#" + _name(parent.attrib["href"].removeprefix("#"))
        if parent.attrib.get("fill") == "currentColor":
            del parent.attrib["fill"]  # inherited
    shapes = "".join(ET.tostring(shape, encoding="unicode") for shape in root)
    left, top, width, height = map(float, root.attrib["viewBox"].split())
    return Drawing(shapes.replace(" />", "/>"), glyphs, left, top, width, height)


def _render(source: str, latex: str) -> ET.Element:
    config.svg2 = True
    config.precision = DECIMALS
    try:
        drawn = Latex(source, size=SIZE, color="currentColor")
        unknown = [text for text in drawn.mathml.itertext() if "\\" in text]
        root: ET.Element = drawn.svgxml()
    except Exception as error:  # whatever the parser trips over, the page must be written
        raise FormulaError(f"cannot draw {latex!r}: {type(error).__name__} {error}") from None
    if unknown:
        raise FormulaError(f"cannot draw {latex!r}: unknown command {unknown[0]}")
    return root


def _check(root: ET.Element, latex: str) -> None:
    """Refuse a drawing with anything but plain shapes: LaTeX comes from files."""
    for element in root.iter():
        allowed = ALLOWED.get(element.tag, set())
        for name, value in element.attrib.items():
            if name not in allowed or (name != "xmlns" and not SAFE_VALUE.fullmatch(value)):
                raise FormulaError(f"cannot draw {latex!r}: {element.tag} {name}={value!r}")
        if element.tag not in ALLOWED or (element.text or "").strip():
            raise FormulaError(f"cannot draw {latex!r}: unexpected element {element.tag}")


def _name(glyph: str) -> str:
    """Id of a glyph: one with a hyphen, so that it is no claim's id."""
    return f"g-{glyph.replace('STIXTwoMathRegular_', '')}"


def _glyph(symbol: ET.Element) -> str:
    symbol.attrib["id"] = _name(symbol.attrib["id"])
    text = ET.tostring(symbol, encoding="unicode").replace(" />", "/>")
    return re.sub(r"(?<=\d) (?=[A-Z])|(?<=[A-Z]) | (?=-)", "", text.replace(' Z "', ' Z"'))


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
        box = (drawing.left, drawing.top, drawing.width, drawing.height)
        return Markup(
            '<svg class="formula" role="img" aria-label="{}" viewBox="{}" width="{}em" '
            'height="{}em" style="vertical-align:{}em"><use href="#{}"/></svg>'
        ).format(
            spoken(latex),
            " ".join(f"{value:g}" for value in box),
            *(f"{value / SIZE:.3f}" for value in (drawing.width, drawing.height)),
            f"{-(drawing.top + drawing.height) / SIZE:.3f}",
            name,
        )

    def _place(self, latex: str) -> tuple[str, Drawing]:
        if latex not in self.formulas:
            self.formulas[latex] = (f"f-{len(self.formulas)}", draw(latex))
        return self.formulas[latex]

    def definitions(self) -> Markup:
        """The shapes of all formulas asked for so far, invisible by themselves."""
        glyphs: dict[str, Any] = {}
        shapes = []
        for name, drawing in self.formulas.values():
            glyphs.update(drawing.glyphs)
            shapes.append(f'<g id="{name}">{drawing.shapes}</g>')
        return Markup(  # built from checked shapes alone
            '<svg class="sheet" width="0" height="0" aria-hidden="true"><defs>'
            f"{''.join(glyphs.values())}{''.join(shapes)}</defs></svg>"
        )
