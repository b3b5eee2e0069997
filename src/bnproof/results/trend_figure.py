"""The figure of a trend: each quantity that decides against the length and against the width."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from bnproof.empirical.experiment import Criterion, Experiment, experiment_of, interval
from bnproof.empirical.figures.panels import Curves, Points
from bnproof.empirical.figures.plot import Plot
from bnproof.report.figures import COLOURS, LINES
from bnproof.results.trends import Judged, across, usual, words
from bnproof.theory.claim import Claim, Evidence, Kind

NOTHING: Final = Evidence(Kind.EXPERIMENT, holds=None, control_differs=False, summary="")
MARKS: Final = "osD^vP*"


def draw(fig: Figure, claim: Claim, points: Sequence[Judged]) -> str:
    """Draw on `fig` and return the text alternative."""
    experiment = experiment_of(claim)
    groups: dict[str, list[Criterion]] = {}
    for criterion in experiment.criteria:
        groups.setdefault(criterion.asked, []).append(criterion)
    wide = across(points)
    panels = []
    for asked, criteria in groups.items():
        panels.append(_panel(experiment, criteria, usual(points), "updates", asked))
        if len(wide) > 1:
            panels.append(_panel(experiment, criteria, wide, "width", asked))
    plot = Plot(
        panels=panels,
        columns=2 if len(wide) > 1 else 1,
        title=claim.title,
        text=f"Each quantity that decides against the length of training. {words(points)}",
        legend_title="median and confidence interval over seeds; stars: read from the print",
        legend_columns=1,
    )
    return plot.draw(fig, NOTHING)


def _panel(
    experiment: Experiment,
    criteria: Sequence[Criterion],
    points: Sequence[Judged],
    against: str,
    asked: str,
) -> Curves:
    """The criteria with one threshold: a line for each."""
    positions = [point.updates if against == "updates" else point.width for point in points]
    values: dict[str, Any] = {}
    for criterion in criteria:
        each = [criterion.values(point.evidence.series) for point in points]
        ends = [(interval(row)[0], np.median(row), interval(row)[1]) for row in each]
        values[f"{criterion.net}: {criterion.quantity}"] = np.array(ends, dtype=float).T
    level = criteria[0].at_least if criteria[0].at_least is not None else criteria[0].at_most
    positive = all((rows > 0).all() for rows in values.values())
    return Curves(
        x=np.array(positions, dtype=float),
        y=values,
        lines={name: criterion.words for name, criterion in zip(values, criteria, strict=True)},
        styles={name: _style(number) for number, name in enumerate(values)},
        spread="bars",
        level=level,
        level_name=f"asked: {asked}",
        xscale="log" if against == "updates" else "log2",
        yscale="log" if positive else "linear",
        xlabel="updates" if against == "updates" else "channels of the first convolution",
        ylabel="worst entry",
        overlays=_traced(experiment, criteria) if against == "updates" else [],
    )


def _style(number: int) -> Mapping[str, Any]:
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": LINES[number % len(LINES)],
        "marker": MARKS[number % len(MARKS)],
        "markersize": 4,
        "linewidth": 1,
    }


def _traced(experiment: Experiment, criteria: Sequence[Criterion]) -> list[Points]:
    """The numbers of the source's figure, judged like ours."""
    found = []
    for number, criterion in enumerate(criteria):
        rows = {
            updates: networks[criterion.net][criterion.quantity]
            for updates, networks in experiment.traced.items()
            if criterion.quantity in networks.get(criterion.net, {})
        }
        if rows:
            series = {criterion.net: {criterion.quantity: np.array(list(rows.values()), float)}}
            found.append(
                Points(
                    net=criterion.net,
                    x=np.array(list(rows), float),
                    y=criterion.values(series),
                    marker="*",
                    markersize=9,
                    style=_style(number),
                )
            )
    return found
