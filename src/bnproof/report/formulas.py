"""The formulas of a page: each an SVG of text in a font that has exactly the glyphs in use.

A formula takes its colour from the text around it and its size from the font size, and carries
its LaTeX as text alternative.  LaTeX that cannot be drawn is shown as code.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from markupsafe import Markup, escape

from bnproof.report.font import encoded
from bnproof.report.formula_svg import EM, Bar, Drawing, FormulaError, Glyph, draw
from bnproof.report.svg_paths import numbers

FAMILY: Final = "formulas"
PRIVATE: Final = 0xE000  # the first code point that means nothing to anyone else
# Prose, line by line: printed as text that wraps, not as a picture of text.
PROSE: Final = re.compile(r"\s*\\begin\{array\}\{l\}(.*)\\end\{array\}\s*")
WORDS: Final = re.compile(r"\\text\{((?:[^{}]|\\emph\{[^{}]*\})*)\}")
STRESSED: Final = re.compile(r"\\emph\{([^{}]*)\}")  # in words
NARROW: Final = 15  # em: what the narrowest screen shows whole
WORDY: Final = 30  # letters of text from which on a formula is prose
SPACE: Final = r"(?:\s|\\q?quad(?![a-zA-Z])|\\[ ,;:])*"
SPACED: Final = re.compile(f"({SPACE})(.*?)({SPACE})", re.DOTALL)


def spoken(latex: str) -> str:
    """LaTeX as text alternative: as it is, less the markup of prose."""
    text = re.sub(r"\\begin\{array\}\{l\}|\\end\{array\}", "", latex)
    text = STRESSED.sub(r"\1", WORDS.sub(r"\1", text)).replace("\\\\", " ")
    return " ".join(text.split())


def _stressed(words: str) -> Markup:
    """Words of a text with what it emphasises."""
    parts = STRESSED.split(words)
    return Markup("").join(
        Markup("<em>{}</em>").format(part) if index % 2 else escape(part)
        for index, part in enumerate(parts)
    )


class Sheet:
    """The formulas of one page, and the font that they need.

    `formula` gives what stands in the text; `style`, asked for last, the font.
    """

    def __init__(self) -> None:
        self.drawn: dict[str, str] = {}  # ids of what can be shown again
        self.sizes: set[int] = set()
        self.characters: dict[Glyph, str] = {}
        self.taken: set[str] = set()

    def formula(self, latex: str) -> Markup:
        """One formula or a paragraph of prose with formulas in it; never raises."""
        prose = _prose(latex)
        if prose is None:
            return self._display(latex)
        shown = [
            _stressed(part) if index % 2 else self._inside(part)
            for index, part in enumerate(WORDS.split(prose))
        ]
        return Markup("<blockquote>{}</blockquote>").format(Markup("").join(shown))

    def _display(self, latex: str) -> Markup:
        """A formula on a line of its own, which the keyboard can scroll if it may be too wide."""
        shown = self.svg(latex)
        width = re.search(r' width="([\d.]+)em"', shown)
        wide = width is None or float(width[1]) > NARROW
        reach = Markup(' role="group" aria-label="Formula" tabindex="0"') if wide else ""
        return Markup('<div class="display"{}>{}</div>').format(reach, shown)

    def _inside(self, part: str) -> Markup:
        """A formula in prose; space that it asks for at its ends is space between words."""
        found = SPACED.fullmatch(part)
        before, bare, after = found.groups() if found else ("", part, "")
        formula = self.svg(bare) if bare else Markup()
        return Markup(" " * ("\\" in before)) + formula + Markup(" " * ("\\" in after))

    def svg(self, latex: str) -> Markup:
        """One formula as an inline SVG on the baseline, or its LaTeX as code."""
        try:
            drawing = draw(latex)
        except FormulaError:
            return Markup("<code>{}</code>").format(latex)
        return Markup(
            '<svg class="formula" role="img" aria-label="{}" viewBox="{} {} {} {}" width="{}em" '
            'height="{}em" style="vertical-align:{}em">{}</svg>'
        ).format(
            spoken(latex),
            *(drawing.left, drawing.top, drawing.width, drawing.height),
            *(f"{length / EM:g}" for length in (drawing.width, drawing.height)),
            f"{-(drawing.top + drawing.height) / EM:g}",
            self._content(latex, drawing),
        )

    def _content(self, latex: str, drawing: Drawing) -> Markup:
        """The shapes of a formula, or a reference to them if they stand in the page already."""
        if latex in self.drawn:
            return Markup('<use href="#{}"/>').format(self.drawn[latex])
        # An id with a hyphen, so that it is no claim's.
        name = self.drawn[latex] = f"f-{len(self.drawn)}"
        content = Markup("").join([*self._texts(drawing), _bars(drawing.bars)])
        return Markup('<g id="{}">{}</g>').format(name, content)

    def _texts(self, drawing: Drawing) -> Iterable[Markup]:
        """The glyphs of each size on each baseline."""
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
        """What a glyph is written as: its own character if that is free, else a private one."""
        if glyph not in self.characters:
            own = glyph.character
            plain = len(own) == 1 and own.isascii() and own.isprintable() and own != " "
            free = own if plain and own not in self.taken else chr(PRIVATE + len(self.taken))
            self.characters[glyph] = free
            self.taken.add(free)
        return self.characters[glyph]

    def style(self) -> Markup:
        """The font of all formulas asked for so far, as CSS."""
        if not self.characters:
            return Markup("")
        address = encoded({character: glyph for glyph, character in self.characters.items()})
        sizes = "".join(f".s{size}{{font-size:{size}px}}\n" for size in sorted(self.sizes))
        return Markup(  # numbers and base64
            f'@font-face{{font-family:"{FAMILY}";src:url("{address}") format("woff")}}\n'
            f'text{{font:{EM}px "{FAMILY}"}}\n{sizes}'
        )


def _prose(latex: str) -> str | None:
    """LaTeX that is mostly words, on one line; None if it is a formula."""
    lines = PROSE.fullmatch(latex)
    if lines:
        return re.sub(r"\s*\\\\\s*", r"\\ ", lines[1])  # a line ends where a space may stand
    words = WORDS.findall(latex)
    between = WORDS.split(latex)[::2]
    whole = all(part.count("{") == part.count("}") for part in between)
    whole = whole and all(part.count("\\left") == part.count("\\right") for part in between)
    letters = sum(character.isalpha() for word in words for character in word)
    alone = bool(words) and not "".join(between).strip()
    return latex if alone or (whole and letters >= WORDY) else None


def _bars(bars: Iterable[Bar]) -> Markup:
    data = "".join(
        f"M{numbers([bar.x, bar.y])}h{bar.width}v{bar.height}h-{bar.width}z" for bar in bars
    )
    return Markup(f'<path d="{data}"/>' if data else "")
