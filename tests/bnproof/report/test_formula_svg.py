"""Formulas: what LaTeX becomes as glyphs and bars."""

import pytest

from bnproof.report.formula_svg import EM, FormulaError, Mrow, draw
from bnproof.theory.symbols import SYMBOLS


def test_every_letter_is_drawn() -> None:
    for symbol in SYMBOLS.values():
        assert draw(symbol.latex).marks


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
def test_what_cannot_be_drawn_says_why(text: str) -> None:
    with pytest.raises(FormulaError, match="cannot draw"):
        draw(text)


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


NESTED = (
    r"\left(\frac{\left(a + \frac{1}{\left(b + \frac{\left(c^{2}\right)}{d}\right)}\right)}{e}"
    r"\right) + 1",
    r"\left(x^{\left(\frac{1}{2}\right)}_{\left(i\right)}\right) = \sqrt{\left(\sqrt{y}\right)}",
    r"\left\|\begin{pmatrix} \frac{1}{2} & \left(a\right) \\ b & c\end{pmatrix}\right\|^2",
    r"\begin{cases} \left(\frac{a}{b}\right)^2 & x\\ \left[\sum_{i=1}^m a\right] & y\end{cases}",
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
