"""The font of a page: exactly the glyphs in use, with their outlines."""

import base64
import io
import re

from fontTools.ttLib import TTFont

from bnproof.report.font import encoded
from bnproof.report.formulas import FormulaRenderer


def font_of(sheet: FormulaRenderer) -> TTFont:
    """The font of a page."""
    address = re.search(r"base64,([^\"]*)", sheet.style())
    assert address
    return TTFont(io.BytesIO(base64.b64decode(address[1])))


def test_the_font_has_the_outlines_of_what_is_drawn() -> None:
    sheet = FormulaRenderer()
    text = sheet.svg(r"\frac{a + \hat b}{\sqrt{c_i}}")
    font = font_of(sheet)
    shown = set("".join(re.findall(r">([^<]+)</text>", text)))
    assert shown == set(sheet.characters.values())
    assert {chr(code) for code in font.getBestCmap()} == shown
    for glyph, character in sheet.characters.items():
        outline = font["glyf"][font.getBestCmap()[ord(character)]]
        points = [point for contour in glyph.contours for _, part in contour for point in part]
        assert outline.xMin <= min(point.real for point in points) + 1
        assert outline.numberOfContours == len(glyph.contours)
        assert font["hmtx"][font.getBestCmap()[ord(character)]][1] == outline.xMin
    assert text.count("<path") == 1, "the bars of fraction and root"


def test_the_same_glyphs_give_the_same_bytes() -> None:
    def font() -> str:
        sheet = FormulaRenderer()
        sheet.svg("a + b = c")
        return encoded({character: glyph for glyph, character in sheet.characters.items()})

    assert font() == font()
    assert len(font()) < 4000


def test_a_page_without_formulas_has_no_font() -> None:
    assert FormulaRenderer().style() == ""
