"""Render the formulas of a page as SVG text, in a font with exactly the glyphs in use.

Formulas inherit colour and font size from the surrounding text, and their alt text is the LaTeX.
LaTeX that cannot be rendered is shown as code.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from markupsafe import Markup, escape

from bnproof.report.font import encoded
from bnproof.report.formula_svg import EM, Bar, Drawing, FormulaError, Glyph, draw
from bnproof.report.quotation import parts
from bnproof.report.svg_paths import numbers

FAMILY: Final = "formulas"
PRIVATE: Final = 0xE000  # start of Unicode's private use area
WORDS: Final = re.compile(r"\\text\{([^{}]*)\}")
NARROW: Final = 15  # width in em that fits the narrowest screen
MIN_LETTERS: Final = 30  # a formula with this many letters of text is treated as prose
SPACE: Final = r"(?:\s|\\q?quad(?![a-zA-Z])|\\[ ,;:])*"
SPACED: Final = re.compile(f"({SPACE})(.*?)({SPACE})", re.DOTALL)


def alt_text(latex: str) -> str:
    """Return the alt text of a formula: its LaTeX without the markup of words."""
    return " ".join(WORDS.sub(r"\1", latex).split())


class FormulaRenderer:
    """Renders the formulas of one page and collects the glyphs of their font.

    Call `formula` for each formula, then `style` for the font.
    """

    def __init__(self) -> None:
        self.drawn: dict[str, str] = {}  # ids of formulas that can be reused
        self.sizes: set[int] = set()
        self.characters: dict[Glyph, str] = {}
        self.taken: set[str] = set()

    def formula(self, latex: str) -> Markup:
        """Render a formula, or prose with inline formulas; never raises."""
        prose = _prose(latex)
        if prose is None:
            return self._display(latex)
        pieces = [
            escape(part) if index % 2 else self._inline(part)
            for index, part in enumerate(WORDS.split(prose))
        ]
        return Markup("<blockquote>{}</blockquote>").format(Markup("").join(pieces))

    def quotation(self, quoted: str) -> Markup:
        """Render a quotation: its formulas, and its text with emphasis."""
        shown = {
            "text": escape,
            "strong": Markup("<strong>{}</strong>").format,
            "emphasis": Markup("<em>{}</em>").format,
            "inline": self.svg,
            "display": self._display,
        }
        content = Markup("").join(shown[kind](part) for kind, part in parts(quoted))
        return Markup("<blockquote>{}</blockquote>").format(content)

    def _display(self, latex: str) -> Markup:
        """Render a display formula; one that may be too wide can be scrolled by keyboard."""
        svg = self.svg(latex)
        width = re.search(r' width="([\d.]+)em"', svg)
        wide = width is None or float(width[1]) > NARROW
        attributes = Markup(' role="group" aria-label="Formula" tabindex="0"') if wide else ""
        return Markup('<div class="display"{}>{}</div>').format(attributes, svg)

    def _inline(self, part: str) -> Markup:
        """Render a formula in prose; LaTeX spacing at its ends becomes a space between words."""
        match = SPACED.fullmatch(part)
        before, bare, after = match.groups() if match else ("", part, "")
        formula = self.svg(bare) if bare else Markup()
        return Markup(" " * ("\\" in before)) + formula + Markup(" " * ("\\" in after))

    def svg(self, latex: str) -> Markup:
        """Render a formula as inline SVG on the baseline, or its LaTeX as code on failure."""
        try:
            drawing = draw(latex)
        except FormulaError:
            return Markup("<code>{}</code>").format(latex)
        return Markup(
            '<svg class="formula" role="img" aria-label="{}" viewBox="{} {} {} {}" width="{}em" '
            'height="{}em" style="vertical-align:{}em">{}</svg>'
        ).format(
            alt_text(latex),
            *(drawing.left, drawing.top, drawing.width, drawing.height),
            *(f"{length / EM:g}" for length in (drawing.width, drawing.height)),
            f"{-(drawing.top + drawing.height) / EM:g}",
            self._content(latex, drawing),
        )

    def _content(self, latex: str, drawing: Drawing) -> Markup:
        """Return the shapes of a formula, or a reference if they are already on the page."""
        if latex in self.drawn:
            return Markup('<use href="#{}"/>').format(self.drawn[latex])
        # The hyphen avoids conflicts with the ids of claims.
        name = self.drawn[latex] = f"f-{len(self.drawn)}"
        content = Markup("").join([*self._texts(drawing), _bars(drawing.bars)])
        return Markup('<g id="{}">{}</g>').format(name, content)

    def _texts(self, drawing: Drawing) -> Iterable[Markup]:
        """Yield a text element for each font size and baseline."""
        lines: defaultdict[tuple[int, int], list[tuple[int, str]]] = defaultdict(list)
        for mark in drawing.marks:
            lines[mark.y, mark.size].append((mark.x, self._character(mark.glyph)))
        for (y, size), line in lines.items():
            self.sizes.add(size)
            yield Markup('<text x="{}"{}{}>{}</text>').format(
                " ".join(str(x) for x, _ in line),
                Markup(f' y="{y}"' if y else ""),
                Markup(f' class="s{size}"' if size != EM else ""),
                "".join(character for _, character in line),
            )

    def _character(self, glyph: Glyph) -> str:
        """Return the character for a glyph: its own if that is free, otherwise a private one."""
        if glyph not in self.characters:
            own = glyph.character
            plain = len(own) == 1 and own.isascii() and own.isprintable() and own != " "
            free = own if plain and own not in self.taken else chr(PRIVATE + len(self.taken))
            self.characters[glyph] = free
            self.taken.add(free)
        return self.characters[glyph]

    def style(self) -> Markup:
        """Return CSS with the font of all formulas rendered so far."""
        if not self.characters:
            return Markup("")
        address = encoded({character: glyph for glyph, character in self.characters.items()})
        sizes = "".join(f".s{size}{{font-size:{size}px}}\n" for size in sorted(self.sizes))
        return Markup(  # numbers and base64
            f'@font-face{{font-family:"{FAMILY}";src:url("{address}") format("woff")}}\n'
            f'text{{font:{EM}px "{FAMILY}"}}\n{sizes}'
        )


def _prose(latex: str) -> str | None:
    """Return LaTeX that is mostly prose; None if it is a formula."""
    words = WORDS.findall(latex)
    between = WORDS.split(latex)[::2]
    balanced = all(
        part.count("{") == part.count("}") and part.count("\\left") == part.count("\\right")
        for part in between
    )
    letters = sum(character.isalpha() for word in words for character in word)
    only_words = bool(words) and not "".join(between).strip()
    return latex if only_words or (balanced and letters >= MIN_LETTERS) else None


def _bars(bars: Iterable[Bar]) -> Markup:
    data = "".join(
        f"M{numbers([bar.x, bar.y])}h{bar.width}v{bar.height}h-{bar.width}z" for bar in bars
    )
    return Markup(f'<path d="{data}"/>' if data else "")
