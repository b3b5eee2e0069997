"""The figures of the protocols, from made-up medians: each panel says what its axes are."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from bnproof.empirical.experiment import WITH, WITHOUT
from bnproof.empirical.protocols.landscape_plots import draw_all, draw_protocol
from bnproof.empirical.protocols.landscapes import PROTOCOLS, QUANTITIES, ratio_name
from bnproof.empirical.protocols.vgg import INITS
from bnproof.theory.claim import Evidence, Kind

STAGES, UPDATES = np.full((2, 3), 0.5), np.arange(4.0)


def evidence() -> Evidence:
    common = {}
    for init in INITS:
        for which in ("best rate", "one rate"):
            common[f"beta * rate, {which}, {init}"] = np.full((2, 4), 2.0)
            common[f"update, {which}, {init}"] = np.tile(UPDATES, (2, 1))
            common[f"rate, {which}, {init}"] = np.full(2, 0.1)
    ratios = {
        ratio_name(name, quantity, init): STAGES
        for name in PROTOCOLS
        for quantity in QUANTITIES
        for init in INITS
    }
    series = {WITH: common | ratios, WITHOUT: common}
    return Evidence(Kind.EXPERIMENT, holds=True, control_differs=True, summary="", series=series)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_figure_of_one_protocol_says_by_what_its_stages_are_ordered(name: str) -> None:
    fig = Figure()
    text = draw_protocol(name)(fig, evidence())
    *stages, course = [axes.get_xlabel() for axes in fig.axes]
    assert len(set(stages)) == 1
    assert ("loss" in stages[0]) is PROTOCOLS[name].by_loss
    assert ("updates" in stages[0]) is not PROTOCOLS[name].by_loss
    assert course == "update"
    assert PROTOCOLS[name].words in fig.get_suptitle()
    assert "0.5 to 0.5" in text


def test_the_figure_of_all_protocols_counts_the_smooth_ones() -> None:
    fig = Figure()
    draw_all(fig, evidence())
    assert [axes.get_title() for axes in fig.axes] == [one.words for one in PROTOCOLS.values()]
    assert "in 8 of 8 comparisons" in fig.get_suptitle()
