"""A font with the glyphs that formulas use, and no others, as a data address."""

import base64
import io
from collections.abc import Mapping
from typing import Final

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

from bnproof.report.formula_svg import EM, Glyph

ASCENT: Final = 762  # that of STIX Two Math; nothing is cut off above it
EMPTY: Final = ".notdef"  # which every font must have


def encoded(glyphs: Mapping[str, Glyph]) -> str:
    """A WOFF font that shows each character as its glyph; the same input gives the same bytes."""
    names = {character: f"g{ord(character):x}" for character in glyphs}
    builder = FontBuilder(EM, isTTF=True)
    builder.setupGlyphOrder([EMPTY, *names.values()])
    builder.setupCharacterMap({ord(character): name for character, name in names.items()})
    outlines = {name: _outline(glyphs[character]) for character, name in names.items()}
    builder.setupGlyf({EMPTY: TTGlyphPen(None).glyph(), **outlines})
    # Every character has its place, so one width serves all; the bearing is where ink begins.
    table = builder.font["glyf"]
    bearings = {name: (EM, table[name].xMin) for name in outlines}
    builder.setupHorizontalMetrics({EMPTY: (EM, 0), **bearings})
    builder.setupHorizontalHeader(ascent=ASCENT, descent=ASCENT - EM)
    builder.setupNameTable({"familyName": "formulas", "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=ASCENT, usWinAscent=ASCENT, usWinDescent=EM - ASCENT)
    builder.setupPost(keepGlyphNames=False)
    font = builder.font
    font["head"].created = font["head"].modified = 0
    font.recalcTimestamp = False
    font.flavor = "woff"
    buffer = io.BytesIO()
    font.save(buffer)
    return f"data:font/woff;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _outline(glyph: Glyph) -> object:
    pen = TTGlyphPen(None)
    for contour in glyph.contours:
        for symbol, points in contour:
            places = [(round(point.real), round(point.imag)) for point in points]
            draw = {"M": pen.moveTo, "L": pen.lineTo, "Q": pen.qCurveTo}[symbol]
            draw(*places)
        pen.closePath()
    return pen.glyph()
