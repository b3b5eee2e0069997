"""Shorter figures: the same picture, and nothing touched that is not understood."""

import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from bnproof.report import figures
from bnproof.report.svg import SVG, UNIT, minify


def lines(figure: Figure) -> None:
    axes = figure.subplots()
    x = np.linspace(0.1, 10, 400)
    for power in (-1, 1, 2):
        axes.loglog(x, x**power, label=f"<power> & '{power}'")
    axes.set_xlabel("an $x_1^2$ axis")
    axes.set_ylabel("turned label")
    axes.legend(title="lines")


def markers(figure: Figure) -> None:
    left, right = figure.subplots(1, 2)
    place = np.random.default_rng(0).normal(size=(2, 300))
    left.scatter(*place, s=9, alpha=0.5)
    left.plot([0, 1, 2, 3, 4], [0, 2, 1, 3, 2], "o-", markeredgecolor="white")
    left.plot([0, 1], [1, 0], marker="^", linestyle="none")
    right.hist(place[0], bins=30)
    right.fill_between([-2, 0, 2], [10, 20, 10], [20, 40, 20], alpha=0.3, color="C1")
    right.axvline(0, color="black", linestyle=":")
    right.errorbar([-1, 1], [5, 6], yerr=[1, 2], capsize=3)
    figure.suptitle("markers and areas")


def surface(figure: Figure) -> None:
    axes = figure.subplots()
    z = np.add.outer(np.sin(np.arange(20)), np.cos(np.arange(30)))
    axes.imshow(z, aspect="auto", extent=(0, 3, 0, 2))
    axes.contour(np.linspace(0, 3, 30), np.linspace(0, 2, 20), z, colors="white", linewidths=0.8)
    axes.annotate("here", (1, 1), (2, 1.5), arrowprops={"arrowstyle": "->"})
    axes.text(0.5, 0.5, "slanted", rotation=30, bbox={"facecolor": "white", "alpha": 0.5})


FIGURE_FOLDER = (lines, markers, surface)
Draw = Callable[[Figure], None]


def written(draw: Draw) -> str:
    """A figure as matplotlib writes it, in the style of the project."""
    with mpl.rc_context({**figures.style(), "svg.hashsalt": "fixed"}):
        figure = Figure()
        draw(figure)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(figures.METADATA))
    return buffer.getvalue()


def words(svg: str) -> list[str]:
    """Texts of a figure, sorted, without what separates pieces of one label."""
    texts = (element for element in ET.fromstring(svg).iter(f"{SVG}text"))
    return sorted(re.sub(r"\s", "", "".join(text.itertext())) for text in texts)


@pytest.mark.parametrize("draw", FIGURE_FOLDER)
def test_the_texts_and_the_size_stay_and_the_bytes_do_not(draw: Draw) -> None:
    before = written(draw)
    after = minify(before)
    assert after != before
    assert words(after) == words(before)
    old, new = ET.fromstring(before), ET.fromstring(after)
    assert [new.get("width"), new.get("height")] == [old.get("width"), old.get("height")]
    picture = len("".join(re.findall(r'href="data:[^"]*"', after)))
    assert len(after) - picture < 0.45 * len(before)
    assert minify(before) == after


def test_every_definition_is_used_and_every_use_defined() -> None:
    for draw in FIGURE_FOLDER:
        svg = minify(written(draw))
        root = ET.fromstring(svg)
        ids = {element.attrib["id"] for element in root.iter() if "id" in element.attrib}
        assert ids == set(re.findall(r"url\(#(\w+)\)", svg))
        classes = {element.attrib["class"] for element in root.iter() if "class" in element.attrib}
        assert classes == set(re.findall(r"\.([a-z]+)\{", svg))


def test_a_line_passes_every_point_of_its_own() -> None:
    x = np.linspace(0, 1, 200)
    y = np.sin(40 * x)

    def wave(figure: Figure) -> None:
        figure.set_layout_engine("none")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, 1), ylim=(-1, 1))
        axes.axis("off")
        axes.plot(x, y, color="#123456")

    with mpl.rc_context({"path.simplify": False}):
        svg = minify(written(wave))
    name = re.search(r"\.([a-z]+)\{[^}]*stroke:#123456", svg)
    assert name
    data = re.search(rf"class='{name[1]}' d='([^']*)'", svg)
    assert data
    here, kept = 0j, []
    for symbol, rest in re.findall(r"([Mlhv])([^Mlhv]*)", data[1]):
        values = [float(number) for number in re.findall(r"-?(?:\d+\.?\d*|\.\d+)", rest)]
        for at in range(0, len(values), 2 if symbol in "Ml" else 1):
            step = {"h": (values[at], 0.0), "v": (0.0, values[at])}.get(
                symbol, tuple(values[at : at + 2])
            )
            here = complex(*step) + (0 if symbol == "M" else here)
            kept.append(here)
    assert len(kept) < len(x)
    width, height = (inches * 72 * UNIT for inches in figures.SIZE)
    meant = x * width + 1j * (1 - y) / 2 * height
    ends = np.array(kept)
    share = np.linspace(0, 1, 50)
    line = (ends[:-1, None] * (1 - share) + ends[1:, None] * share).ravel()
    gaps = np.abs(meant[:, None] - line[None, :]).min(axis=1)
    spacing = np.abs(np.diff(ends)).max() / 49
    assert gaps.max() <= 0.5 + 0.71 + spacing, "slack, rounding, and the points tried"


@pytest.mark.parametrize(
    "change",
    [
        ("<path ", "<path onclick='x' "),
        ("</svg>", "<script>alert(1)</script></svg>"),
        ("</svg>", "<circle r='1'/></svg>"),
        ("translate(", "skewX("),
        ("\nL ", "\nA "),
    ],
)
def test_what_is_not_understood_is_left_as_it_is(change: tuple[str, str]) -> None:
    svg = written(lines).replace(*change)
    assert change[1] in svg
    assert minify(svg) == svg


@pytest.mark.browser
@pytest.mark.xdist_group("browser")
@pytest.mark.parametrize("draw", FIGURE_FOLDER)
def test_the_picture_is_the_same_in_a_browser(draw: Draw, browser: Any) -> None:
    from PIL import Image

    before = written(draw)
    pictures = []
    page = browser.new_page(viewport={"width": 720, "height": 420})
    for svg in (before, minify(before), ""):
        page.set_content(f"<body style='margin:0'>{svg[svg.find('<svg') :] if svg else ''}")
        shot = Image.open(io.BytesIO(page.screenshot())).convert("L")
        pictures.append(np.asarray(shot, dtype=float))
    page.close()
    old, new, empty = pictures
    assert np.abs(old - new).mean() < 1.0, "of 255 shades"
    assert np.abs(old - empty).mean() > 2, "there is something to be seen"
    assert (np.abs(old - new) > 128).mean() < 0.003
