"""Declared figures: what is drawn is what was declared."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from bnproof.empirical.experiment import CONTROL, WITH, WITHOUT
from bnproof.empirical.figures.panels import Curves, Histogram, Image, Points, SeedMarks, Upright
from bnproof.empirical.figures.plot import Medians, Plot, declared
from bnproof.empirical.figures.style import by_layer, listed, rounded
from bnproof.theory.claim import Evidence, Kind

STEPS = np.arange(4.0)
SERIES = {
    net: {
        "step": np.tile(STEPS, (3, 1)),
        "loss": np.array([1.0, 2.0, 4.0])[:, None] * (STEPS + number + 1),
        "rate": np.array([1.0, 2.0, 4.0]) * number,
    }
    for number, net in enumerate((WITH, WITHOUT, CONTROL))
}
EVIDENCE = Evidence(
    kind=Kind.EXPERIMENT, holds=True, control_differs=True, summary="", series=SERIES
)
LINES = {WITH: "one", WITHOUT: "the other"}


def drawn(*panels, **options):
    fig = Figure(layout="constrained")
    text = Plot(panels=panels, title="Title 1", text="Text 2.", **options).draw(fig, EVIDENCE)
    fig.canvas.draw()
    assert text == "Text 2."
    return fig


def test_medians_of_numbers_and_of_rows() -> None:
    m = Medians(EVIDENCE)
    assert m[WITHOUT, "rate"] == 2
    assert m[WITH, "loss"].tolist() == [2, 4, 6, 8]
    assert m.typical_seed(WITHOUT, "rate") == 1


def test_a_curve_is_the_median_within_its_range() -> None:
    (axes,) = drawn(Curves(x="step", y="loss", lines=LINES, yscale="log", level=3)).axes
    line, _, level = axes.lines
    assert line.get_xydata().tolist() == [[0, 2], [1, 4], [2, 6], [3, 8]]
    assert level.get_ydata() == [3, 3]
    low, high = axes.collections[0].get_paths()[0].get_extents().intervaly
    assert (low, high) == (1, 16)
    assert (axes.get_yscale(), axes.get_title()) == ("log", "Title 1")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(LINES.values())


@pytest.mark.parametrize("count", [34, 35, 60])
def test_long_curves_have_few_marks_each_at_its_own_places(count: int) -> None:
    """From 70 points on; before that every point is marked."""
    values = {net: np.ones((2, count)) for net in LINES}
    (axes,) = drawn(Curves(x=np.arange(count), y=values, lines=LINES)).axes
    first, second = (set(range(count)[line.get_markevery()]) for line in axes.lines)
    if 2 * count < 70:
        assert first == second == set(range(count))
    else:
        assert len(first) == len(second) == pytest.approx(6, abs=1)
        assert not first & second


def test_values_that_begin_later_belong_to_the_last_positions() -> None:
    values = {WITH: SERIES[WITH]["loss"][:, 1:]}
    (axes,) = drawn(Curves(x="step", y=values, lines={WITH: WITH}, xscale="updates")).axes
    assert axes.lines[0].get_xdata().tolist() == [1, 2, 3]
    assert axes.get_xlim() == (0, 3)


def test_bars_reach_from_the_smallest_seed_to_the_largest() -> None:
    curves = Curves(x=STEPS, y="loss", lines=LINES, spread="bars", joined=False, dodge=0.2)
    (axes,) = drawn(curves).axes
    first, second = axes.containers
    assert first.lines[0].get_linestyle() == "None"
    assert first.lines[0].get_xdata()[0] == pytest.approx(-0.1)
    assert second.lines[0].get_xdata()[0] == pytest.approx(0.1)
    assert first.lines[2][0].get_segments()[0][:, 1].tolist() == [1, 4]


def test_every_seed_has_a_mark_and_every_network_its_name() -> None:
    (axes,) = drawn(SeedMarks(y="rate", names={WITHOUT: "a", CONTROL: "b"})).axes
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["a", "b"]
    assert axes.lines[1].get_ydata().tolist() == [2, 4, 8]


def test_panels_have_one_legend_below_and_one_label_for_shared_axes() -> None:
    panel = Curves(x="step", y="loss", lines=LINES, xlabel="x", ylabel="y")
    fig = drawn(panel, panel, sharey=True)
    (legend,) = fig.legends
    assert len(legend.get_texts()) == 2
    assert [axes.get_ylabel() for axes in fig.axes] == ["y", ""]
    assert fig.get_suptitle() == "Title 1"
    assert not any(axes.get_title() for axes in fig.axes)


def test_images_share_a_bar_by_its_label() -> None:
    images = [
        Image(values=np.eye(3) + 1, limits=(1, 2), bar=bar, xlabel="x") for bar in ("a", "a", "b")
    ]
    fig = drawn(*images)
    assert [axes.get_ylabel() for axes in fig.axes] == ["", "", "", "a", "b"]
    square = (-1, 1, -1, 1)
    fig = drawn(
        Image(values=np.eye(3) + 1, limits=(1, 9), bar="c", log=True, edges=square, levels=4)
    )
    assert fig.axes[0].get_xlim() == (-1, 1)


def test_points_histogram_and_upright_line() -> None:
    points = Points(net=WITH, x=STEPS, y=STEPS, overlays=[Upright(x=2, net=WITHOUT, label="here")])
    edges = np.linspace(-2, 2, 5)
    fig = drawn(points, Histogram(net=WITH, counts=np.array([1, 5, 5, 1]), edges=edges))
    assert fig.axes[0].lines[0].get_xdata().tolist() == STEPS.tolist()
    assert fig.axes[0].texts[0].get_text() == "here"
    assert fig.axes[1].get_ylim() == (0.5, 24)


def test_a_declared_figure_draws_the_evidence() -> None:
    @declared
    def draw(m: Medians) -> Plot:
        """Documented."""
        panel = Curves(x="step", y="loss", lines=LINES)
        return Plot(panels=[panel], title=f"{m[WITHOUT, 'rate']:g}", text="Done.")

    fig = Figure()
    assert draw(fig, EVIDENCE) == "Done."
    assert fig.axes[0].get_title() == "2"
    assert draw.__doc__ == "Documented."


def test_numbers_in_captions() -> None:
    assert [rounded(value) for value in (95_812.0, 2.13, 0.021)] == ["96,000", "2.1", "0.021"]
    assert listed([1.234, 5]) == "1.2, 5"
    assert listed([3, 9], "d") == "3, 9"
    assert by_layer([7.04, 13], [3, 6]) == "7 in layer 3, 13 in layer 6"
