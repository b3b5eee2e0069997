"""Formulas: every LaTeX of the catalogue is drawn, and nothing but glyphs and bars comes out."""

import base64
import io
import re
import xml.etree.ElementTree as ET

import pytest
from fontTools.ttLib import TTFont
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import escape

from ledger.catalogue import catalogue
from ledger.formula import EM, FormulaError, Mrow, draw
from ledger.sheet import Sheet, spoken
from theory.claim import Claim, Derived, Disproved
from theory.symbols import LETTERS, latex


def formulas_of(claim: Claim) -> list[str]:
    """Everything that the report would draw for a claim."""
    relations = [claim.relation, claim.domain, claim.control]
    found = [claim.statement, *(latex(part) for part in relations if part is not None)]
    for way in claim.means:
        if isinstance(way, Derived | Disproved):
            found += [step.latex for step in way.prove().steps]
    return [text for text in found if text]


def font_of(sheet: Sheet) -> TTFont:
    """The font of a page."""
    address = re.search(r"base64,([^\"]*)", sheet.style())
    assert address
    return TTFont(io.BytesIO(base64.b64decode(address[1])))


CLAIMS = [entry for entry in catalogue().values() if isinstance(entry, Claim)]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_every_formula_of_the_catalogue_is_drawn(claim: Claim) -> None:
    sheet = Sheet()
    for text in formulas_of(claim):
        shown = str(sheet.formula(text))
        assert "<code>" not in shown, text
    if sheet.characters:
        assert len(font_of(sheet).getGlyphOrder()) == len(sheet.characters) + 1


def test_every_letter_is_drawn() -> None:
    for letter in LETTERS.values():
        assert draw(letter.latex).marks


@pytest.mark.parametrize(
    "text",
    [
        r"\tfrac1m\Big(\langle 1, g\rangle\Big)",
        r"\Bigl\|x\Bigr\| \not= 0",
        r"\varepsilon \geq 0 \wedge m > 1",
        r"\tfrac1N\mathbb{E}\,\mathrm{tr}(X^\top X)",
        r"\max\limits_{\|X\|\le\lambda} \mathop{\mathrm{Var}}(x) \quad \text{if } x < 1",
        r"\begin{cases} a & x > 0\\ b & x \le 0\end{cases}",
        r"\operatorname{asin}{\left(x \right)} \ne \sqrt[p]{\sum_{i=1}^{m} \ell_i^{p}}",
    ],
)
def test_common_commands_are_drawn(text: str) -> None:
    drawing = draw(text)
    assert drawing.width > EM / 2
    assert drawing.height > EM / 2


@pytest.mark.parametrize(
    "text", ["", "  ", r"\nosuchcommand x", r"\frac{1}", r"\left(", "<&>", r"\Bigl\nosuch x"]
)
def test_what_cannot_be_drawn_is_shown_as_code(text: str) -> None:
    with pytest.raises(FormulaError, match="cannot draw"):
        draw(text)
    shown = Sheet().svg(text)
    assert shown == f"<code>{escape(text)}</code>"


def test_a_minus_at_the_start_of_a_term_takes_no_space() -> None:
    for text in (r"\left(- x\right)", "a = -b", r"a \leq - b", "(-1)"):
        spaced = text.replace("-", r"{}-")
        assert draw(text).width < draw(spaced).width
    assert draw("a - b").width > draw("a{-}b").width, "between two terms it takes space"


def test_what_is_rewritten_looks_as_it_should() -> None:
    assert draw(r"a \not= b") == draw(r"a \neq b")
    assert draw(r"\Big\|x\Big\|") == draw(r"\|x\|")
    assert draw(r"a\wedge b").width > draw("ab").width + EM
    assert draw("P_{k}").width > draw("T_{k}").width - EM / 10, "the index is clear of the letter"


def test_a_formula_has_a_text_alternative_and_the_colour_of_the_text() -> None:
    sheet = Sheet()
    image = ET.fromstring(sheet.svg(r'x < "y"'))
    assert image.attrib["role"] == "img"
    assert image.attrib["aria-label"] == 'x < "y"'
    assert "fill" not in sheet.svg("x")
    assert "vertical-align" in image.attrib["style"]


NESTED = (
    r"\left(\frac{\left(a + \frac{1}{\left(b + \frac{\left(c^{2}\right)}{d}\right)}\right)}{e}\right)"
    r" + 1",
    r"\left(x^{\left(\frac{1}{2}\right)}_{\left(i\right)}\right) = \sqrt{\left(\sqrt{y}\right)}",
    r"\left\|\begin{pmatrix} \frac{1}{2} & \left(a\right) \\ b & c\end{pmatrix}\right\|^2",
    r"\begin{cases} \left(\frac{a}{b}\right)^2 & x > 0\\ \left[\sum_{i=1}^m a\right] & x\end{cases}",
)


@pytest.mark.parametrize("text", NESTED)
def test_a_row_measured_once_looks_as_the_library_sets_it(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ziamath.nodes import mnode

    drawn = draw.__wrapped__(text)
    monkeypatch.setitem(mnode._node_classes, "mrow", Mrow)
    assert drawn == draw.__wrapped__(text)


def test_deeply_nested_brackets_are_drawn() -> None:
    text = "x"
    for _ in range(16):  # the library alone would set the innermost 2^32 times
        text = rf"\left(\frac{{{text}}}{{y}}\right)"
    assert draw(text).height > 5 * EM


def test_a_formula_is_stored_once_and_a_glyph_once() -> None:
    sheet = Sheet()
    first = sheet.svg(r"y = \mu + s\hat y")
    (name,) = re.findall(r' id="([^"]+)"', first)
    assert "-" in name, "an id without hyphen could be a claim's"
    style = sheet.style()
    for _ in range(5):
        assert f'<use href="#{name}"/>' in sheet.svg(r"y = \mu + s\hat y")
    assert sheet.style() == style
    assert re.findall(r' id="([^"]+)"', sheet.svg(r"\hat y = (y - \mu)/s")) != [name]
    characters = sheet.characters.values()
    assert len(set(characters)) == len(characters)


def test_the_font_has_the_outlines_of_what_is_drawn() -> None:
    sheet = Sheet()
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


def test_each_character_has_its_place() -> None:
    for places, shown in re.findall(
        r'<text x="([^"]*)"[^>]*>([^<]*)<', Sheet().svg("a_{ij}^2 + bc")
    ):
        assert len(places.split()) == len(shown)


def test_prose_is_text_not_a_picture() -> None:
    text = r"\begin{array}{l}\text{grow <fast>,} \\\text{by a factor of } 10^2\end{array}"
    shown = Sheet().formula(text)
    assert shown.startswith("<blockquote>grow &lt;fast&gt;, by a factor of <svg")
    assert 'aria-label="10^2"' in shown
    assert spoken(text) == "grow <fast>, by a factor of 10^2"
    mixed = r"\text{each row contains one entry }\frac{a}{b}\quad\text{of the true class}"
    assert re.sub("<svg.*</svg>", "F", Sheet().formula(mixed)) == (
        "<blockquote>each row contains one entry F of the true class</blockquote>"
    )
    for formula in (r"x = 1\quad\text{if } y", rf"\underbrace{{{mixed}}}_{{\text{{words}}}}"):
        assert Sheet().formula(formula).startswith('<div class="display">')


@settings(max_examples=40)
@given(st.text(alphabet="xy <>&\"'/\\{}^_-=()aimgscript:", max_size=24))
def test_whatever_the_text_only_known_elements_come_out(text: str) -> None:
    page = f"<p>{Sheet().formula(text)}</p>"
    tags = {element.tag for element in ET.fromstring(page).iter()}
    assert tags <= {"p", "div", "code", "blockquote", "svg", "g", "text", "path"}
