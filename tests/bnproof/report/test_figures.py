"""Figures: labels of logarithmic axes, and the time that drawing takes."""

import re

import pytest
from matplotlib.figure import Figure

from bnproof.report import figures


@pytest.mark.parametrize(
    ("typeset", "label"),
    [
        (r"$\mathdefault{10^{0}}$", "10⁰"),
        (r"$\mathdefault{10^{-300}}$", "10⁻³⁰⁰"),
        (r"$\mathdefault{-10^{-3}}$", "−10⁻³"),
        (r"$\mathdefault{2\times10^{12}}$", "2×10¹²"),
        (r"$\mathdefault{0}$", "0"),
        ("", ""),
        ("$x^{2}$", "$x^{2}$"),  # none of Matplotlib's own labels
    ],
)
def test_labels_without_typesetting(typeset: str, label: str) -> None:
    assert figures.plain(typeset) == label


def labels(tmp_path, *, scale: str, largest: float, name: str = "figure.svg") -> list[str]:
    """Labels of the ticks of the vertical axis from 1 to `largest`."""

    def draw(figure: Figure) -> str:
        axes = figure.subplots()
        axes.plot([0, 1], [1, largest])
        axes.set(yscale=scale, ylim=(1, largest), xticks=[])
        return "a line"

    assert figures.write(tmp_path / name, draw) == "a line"
    return re.findall(r">([^<>]+)</t", (tmp_path / name).read_text("utf-8"))


def test_long_logarithmic_axes_have_powers_of_ten(tmp_path) -> None:
    assert labels(tmp_path, scale="log", largest=1e4) == ["10⁰", "10¹", "10²", "10³", "10⁴"]


def test_short_and_signed_logarithmic_axes_need_no_typesetting(tmp_path) -> None:
    assert labels(tmp_path, scale="log", largest=5.0) == ["10⁰", *(f"{k}×10⁰" for k in "234")]
    assert "10³" in labels(tmp_path, scale="symlog", largest=1e4)
    assert "2.0" in labels(tmp_path, scale="linear", largest=4.0)


def test_every_figure_is_drawn_once(tmp_path, monkeypatch) -> None:
    drawn: list[Figure] = []
    original = Figure.draw

    def counted(figure: Figure, renderer: object) -> None:
        drawn.append(figure)
        original(figure, renderer)

    monkeypatch.setattr(Figure, "draw", counted)
    labels(tmp_path, scale="log", largest=1e4)
    assert len(drawn) == 1


@pytest.mark.parametrize("suffix", ["png", "pdf"])
def test_other_formats(tmp_path, suffix: str) -> None:
    figures.write(tmp_path / f"figure.{suffix}", lambda figure: str(figure.subplots()))
    assert (tmp_path / f"figure.{suffix}").stat().st_size > 1_000
