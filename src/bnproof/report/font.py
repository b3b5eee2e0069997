"""Build a font with just the glyphs used by the formulas of a page, as a data URL."""

import base64
import io
from collections.abc import Mapping
from typing import Final

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

from bnproof.report.formula_svg import EM, Glyph

ASCENT: Final = 762  # as in STIX Two Math; does not clip taller glyphs
EMPTY: Final = ".notdef"  # required in every font


def encoded(glyphs: Mapping[str, Glyph]) -> str:
    """Return a reproducible WOFF font that maps each character to its glyph."""
    names = {character: f"g{ord(character):x}" for character in glyphs}
    builder = FontBuilder(EM, isTTF=True)
    builder.setupGlyphOrder([EMPTY, *names.values()])
    builder.setupCharacterMap({ord(character): name for character, name in names.items()})
    outlines = {name: _outline(glyphs[character]) for character, name in names.items()}
    builder.setupGlyf({EMPTY: TTGlyphPen(None).glyph(), **outlines})
    # Characters are positioned explicitly, so all can have the same width.
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
