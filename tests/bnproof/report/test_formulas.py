"""The formulas of a page: every LaTeX of the catalogue is drawn, and text stays text."""

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import escape

from bnproof.catalogue import catalogue
from bnproof.report.formulas import FormulaRenderer, alt_text
from bnproof.report.quotation import parts
from bnproof.theory.claim import Claim, Disproof, Proof
from bnproof.theory.ledger import book
from bnproof.theory.ledger.sentence import Sentence
from bnproof.theory.symbols import latex


def formulas_of(claim: Claim) -> list[str]:
    """Everything that the report would draw for a claim."""
    relations = [claim.relation, claim.domain, claim.control]
    found = [claim.statement, *(latex(part) for part in relations if part is not None)]
    for spec in claim.checks:
        if isinstance(spec, Proof | Disproof):
            found += [step.latex for step in spec.prove().steps]
    return [text for text in found if text]


CLAIMS = [entry for entry in catalogue().values() if isinstance(entry, Claim)]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_every_formula_of_the_catalogue_is_drawn(claim: Claim) -> None:
    sheet = FormulaRenderer()
    for text in formulas_of(claim):
        shown = str(sheet.formula(text))
        assert "<code>" not in shown, text


@pytest.mark.parametrize("sentence", book.sentences().values(), ids=lambda one: one.id)
def test_every_formula_of_a_quotation_is_drawn(sentence: Sentence) -> None:
    assert "<code>" not in FormulaRenderer().quotation(sentence.quotation)


def test_the_parts_of_a_quotation() -> None:
    quoted = "A **bold** word, a *stressed* one,\n$x_*$ and\n$$y = 2*3*4. \\tag{2}$$"
    assert list(parts(quoted)) == [
        ("text", "A "),
        ("strong", "bold"),
        ("text", " word, a "),
        ("emphasis", "stressed"),
        ("text", " one, "),
        ("inline", "x_*"),
        ("text", " and "),
        ("display", "y = 2*3*4."),
    ]


@pytest.mark.parametrize("text", [r"\nosuchcommand <b>", r"\frac{1}", "<&>"])
def test_what_cannot_be_drawn_is_shown_as_code(text: str) -> None:
    assert FormulaRenderer().svg(text) == f"<code>{escape(text)}</code>"


def test_a_formula_has_a_text_alternative_and_the_colour_of_the_text() -> None:
    sheet = FormulaRenderer()
    image = ET.fromstring(sheet.svg(r'x < "y"'))
    assert image.attrib["role"] == "img"
    assert image.attrib["aria-label"] == 'x < "y"'
    assert "fill" not in sheet.svg("x")
    assert "vertical-align" in image.attrib["style"]


def test_a_formula_is_stored_once_and_a_glyph_once() -> None:
    sheet = FormulaRenderer()
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


def test_each_character_has_its_place() -> None:
    found = re.findall(r'<text x="([^"]*)"[^>]*>([^<]*)<', FormulaRenderer().svg("a_{ij}^2 + bc"))
    assert found
    for places, shown in found:
        assert len(places.split()) == len(shown)


def test_prose_is_text_not_a_picture() -> None:
    text = "grow <fast>,\nby a *factor* of $10^2$"
    shown = FormulaRenderer().quotation(text)
    assert shown.startswith("<blockquote>grow &lt;fast&gt;, by a <em>factor</em> of <svg")
    assert 'aria-label="10^2"' in shown
    assert alt_text(r"x\text{ grows}") == "x grows"
    mixed = r"\text{each row contains one entry }\frac{a}{b}\quad\text{of the true class}"
    assert re.sub("<svg.*</svg>", "F", FormulaRenderer().formula(mixed)) == (
        "<blockquote>each row contains one entry F of the true class</blockquote>"
    )
    for formula in (r"x = 1\quad\text{if } y", rf"\underbrace{{{mixed}}}_{{\text{{words}}}}"):
        assert FormulaRenderer().formula(formula).startswith('<div class="display"')


def test_a_wide_formula_can_be_reached_by_the_keyboard() -> None:
    assert "tabindex" not in FormulaRenderer().formula("x = y")
    assert 'tabindex="0"' in FormulaRenderer().formula(" + ".join("abcdefghijklmnop"))
    assert 'tabindex="0"' in FormulaRenderer().formula(r"\nosuchcommand"), "code of unknown width"


@settings(max_examples=40)
@given(st.text(alphabet="xy <>&\"'/\\{}^_-=()aimgscript:", max_size=24))
def test_whatever_the_text_only_known_elements_come_out(text: str) -> None:
    page = f"<p>{FormulaRenderer().formula(text)}</p>"
    tags = {element.tag for element in ET.fromstring(page).iter()}
    assert tags <= {"p", "div", "code", "blockquote", "svg", "g", "text", "path"}
