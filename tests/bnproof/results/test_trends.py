"""Trends and comparisons of processors: records without verdicts, judged when they are read."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

import bnproof.empirical.experiments
from bnproof.empirical.experiment import WITH, experiment_of
from bnproof.empirical.trend import Point
from bnproof.report import figures
from bnproof.results import processors, published, trend_figure, trends
from bnproof.results.record_files import read
from bnproof.theory.claim import Scale, Settings, Verdict
from bnproof.theory.common.errors import UserError
from bnproof.theory.loading import load_folder

CLAIMS = {claim.id: claim for claim in load_folder(bnproof.empirical.experiments)}
CLAIM = CLAIMS["santurkar_landscape_rate"]
SPEC = experiment_of(CLAIM)


def point(updates: int, factor: float, *, scale: Scale = Scale.LONG, variant: str = "") -> Point:
    """All ratios equal to `factor` with BN; controls as they must be."""
    rows = {criterion.quantity: factor for criterion in SPEC.criteria}
    nets = {WITH: factor, "without BN": 1.0, "control": 0.01, "second control": 100.0}
    series = {net: {name: np.full((5, 3), value) for name in rows} for net, value in nets.items()}
    settings = Settings(scale=scale, variant=variant)
    return Point(settings, updates, list(range(5)), series)


POINTS = [
    point(15_000, 0.5),
    point(3_000, 0.9),
    point(1_000, 7.0),
    point(300, 20.0, scale=Scale.QUICK),
    point(15_000, 3.0, variant="width-8"),
    point(15_000, 0.5, variant="width-16"),
    point(15_000, 0.4, variant="width-32"),
]


@pytest.fixture
def trend(tmp_path: Path) -> list[trends.Judged]:
    content = trends.record(CLAIM, POINTS, data="CIFAR-10", command="a command", threads=1)
    path = trends.write(content, tmp_path)
    assert path == trends.path_of(CLAIM.id, tmp_path)
    return trends.judged(CLAIM, read(path))


def test_points_are_judged_in_order(trend: list[trends.Judged]) -> None:
    found = [(row.width, row.updates, row.verdict) for row in trend]
    good, bad = Verdict.REPRODUCED, Verdict.NOT_REPRODUCED
    assert found == [
        (8, 15_000, bad),
        (16, 300, bad),
        (16, 1_000, bad),
        (16, 3_000, good),
        (16, 15_000, good),
        (32, 15_000, good),
    ]


def test_words_say_where_it_turns(trend: list[trends.Judged]) -> None:
    assert trends.words(trend) == (
        "After 300 and 1,000 updates: not reproduced; 3,000 and 15,000 updates: reproduced. "
        "It turns between 1,000 and 3,000 updates. "
        "Against the width, after 15,000 updates: 8 channels: not reproduced; "
        "16 and 32 channels: reproduced."
    )
    assert "It does not turn." in trends.words([row for row in trend if row.updates > 1_000])


def test_the_figure_of_the_source_stands_beside_ours(trend: list[trends.Judged]) -> None:
    rows = trends.source_rows(SPEC, trend)
    assert len(rows) == 6
    assert rows[0] == ("300", SPEC.criteria[0].words, "23.2 / 0.5 / 0.56", "20 / 20 / 20")
    assert {row[-1] for row in trends.source_rows(SPEC, [])} == {"not measured"}


def test_the_figure_is_drawn_with_its_data(trend: list[trends.Judged], tmp_path: Path) -> None:
    path = tmp_path / "trend.svg"
    alt = figures.write(path, lambda fig: trend_figure.draw(fig, CLAIM, trend))
    assert "It turns between 1,000 and 3,000 updates." in alt
    ElementTree.parse(path)
    fig = Figure()
    trend_figure.draw(fig, CLAIM, trend)
    left, right = fig.axes
    assert [left.get_xscale(), right.get_xscale()] == ["log", "log"]
    stars = [line for line in left.lines if line.get_marker() == "*"]
    assert list(stars[0].get_ydata()) == [23.2, 0.36]


def test_a_changed_trend_is_refused(tmp_path: Path) -> None:
    content = trends.record(CLAIM, POINTS, data="CIFAR-10", command="a command", threads=1)
    path = trends.write(content, tmp_path)
    path.write_text(path.read_text().replace('"updates":300', '"updates":400'))
    with pytest.raises(UserError, match="was changed after it was published"):
        read(path)


def test_every_published_trend_and_comparison_can_be_judged() -> None:
    for path in trends.FOLDER.glob("*.json"):
        assert trends.judged(CLAIMS[path.stem], read(path))
    for path in processors.FOLDER.glob("*.json"):
        assert processors.judged(CLAIMS[path.name.split(".")[0]], read(path))


def test_processors_are_compared_with_seeds(tmp_path: Path) -> None:
    claim = CLAIMS["bjorck_fig6"]
    record = published.read(published.FOLDER / "bjorck_fig6.quick.json")
    spec = experiment_of(claim)
    (criterion, *_) = spec.criteria
    shifted = {
        net: {
            name: (np.array(row, float) + 0.25).tolist() if name == criterion.quantity else row
            for name, row in rows.items()
        }
        for net, rows in record["series"].items()
    }
    measured = {"native": record, "avx2": record, "default": record | {"series": shifted}}
    comparison = processors.record(claim, measured, command="a command")
    path = processors.write(comparison, tmp_path)
    assert processors.paths_of(claim.id, tmp_path) == [path]
    evidence = processors.judged(claim, read(path))
    assert list(evidence) == list(processors.SETTINGS)
    row = processors.rows(claim, evidence)[0]
    heads = processors.columns(evidence)
    assert dict(zip(heads, row, strict=True))["spread over processors"] == "0.25"
    same = processors.judged(
        claim, processors.record(claim, dict.fromkeys(measured, record), command="")
    )
    assert processors.words(same).startswith("the same verdict under native, avx2, default: ")
    other = {**same, "avx2": replace(same["avx2"], holds=None)}
    assert processors.words(other).startswith("the verdict differs: ")
