"""Formulas: every LaTeX of the catalogue is drawn, and nothing but shapes comes out."""

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import formula
from ledger.catalogue import catalogue
from ledger.formula import FormulaError, Sheet, draw, spoken
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


CLAIMS = [entry for entry in catalogue().values() if isinstance(entry, Claim)]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_every_formula_of_the_catalogue_is_drawn(claim: Claim) -> None:
    sheet = Sheet()
    for text in formulas_of(claim):
        shown = str(sheet.formula(text))
        assert "<code>" not in shown, text
    assert ET.fromstring(sheet.definitions()) is not None


def test_every_letter_is_drawn() -> None:
    for letter in LETTERS.values():
        assert draw(letter.latex).shapes


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
    assert drawing.width > 10
    assert drawing.height > 10


@pytest.mark.parametrize(
    "text", ["", "  ", r"\nosuchcommand x", r"\frac{1}", r"\left(", "<&>", r"\Bigl\nosuch x"]
)
def test_what_cannot_be_drawn_is_shown_as_code(text: str) -> None:
    with pytest.raises(FormulaError, match="cannot draw"):
        draw(text)
    shown = Sheet().svg(text)
    assert shown == f"<code>{formula.escape(text)}</code>"


def test_a_minus_at_the_start_of_a_term_takes_no_space() -> None:
    for text in (r"\left(- x\right)", "a = -b", r"a \leq - b", "(-1)"):
        spaced = text.replace("-", r"{}-")
        assert draw(text).width < draw(spaced).width
    assert draw("a - b").width > draw("a{-}b").width, "between two terms it takes space"


def test_what_is_rewritten_looks_as_it_should() -> None:
    assert draw(r"a \not= b") == draw(r"a \neq b")
    assert draw(r"\Big\|x\Big\|") == draw(r"\|x\|")
    assert draw(r"a\wedge b").width > draw("ab").width + 20
    assert draw("P_{k}").width > draw("T_{k}").width - 2, "the index stands clear of the letter"


def test_a_formula_has_a_text_alternative_and_the_colour_of_the_text() -> None:
    sheet = Sheet()
    image = ET.fromstring(sheet.svg(r'x < "y"'))
    assert image.attrib["role"] == "img"
    assert image.attrib["aria-label"] == 'x < "y"'
    assert "fill" not in draw("x").shapes
    assert "vertical-align" in image.attrib["style"]


def test_each_formula_and_each_glyph_is_stored_once() -> None:
    sheet = Sheet()
    once = len(sheet.formula(r"y = \mu + s\hat y"))
    first = len(sheet.definitions())
    for _ in range(5):
        assert len(sheet.formula(r"y = \mu + s\hat y")) == once
    assert len(sheet.definitions()) == first
    sheet.formula(r"\hat y = (y - \mu)/s")
    ids = re.findall(r' id="([^"]+)"', sheet.definitions())
    assert len(ids) == len(set(ids))
    assert all("-" in name for name in ids), "an id without hyphen could be a claim's"
    uses = re.findall(r' href="#([^"]+)"', sheet.definitions())
    assert set(uses) <= set(ids)


def test_prose_is_text_not_a_picture() -> None:
    text = r"\begin{array}{l}\text{grow <fast>,} \\\text{by a factor of } 10^2\end{array}"
    shown = Sheet().formula(text)
    assert shown.startswith("<blockquote>grow &lt;fast&gt;, by a factor of <svg")
    assert 'aria-label="10^2"' in shown
    assert spoken(text) == "grow <fast>, by a factor of 10^2"


@settings(max_examples=40)
@given(st.text(alphabet="xy <>&\"'/\\{}^_-=()aimgscript:", max_size=24))
def test_whatever_the_text_only_known_elements_come_out(text: str) -> None:
    sheet = Sheet()
    page = f"<p>{sheet.formula(text)}{sheet.definitions()}</p>"
    tags = {element.tag for element in ET.fromstring(page).iter()}
    assert tags <= {"p", "div", "code", "blockquote", "defs", *formula.ALLOWED}


def test_a_drawing_with_anything_but_shapes_is_refused() -> None:
    for bad in (
        "<svg><script/></svg>",
        '<svg><path onclick="x"/></svg>',
        '<svg><rect fill="url(http://x)"/></svg>',
        "<svg><g>text</g></svg>",
    ):
        with pytest.raises(FormulaError):
            formula._check(ET.fromstring(bad), "x")
