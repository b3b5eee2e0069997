"""Spectra of random and given factors beside the law of their widths."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given as draws
from hypothesis import settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from scipy.integrate import quad

from bnproof.simulate.random_matrices.spectra import spectrum
from bnproof.simulate.random_matrices.spectra.figures import draw_condition, draw_laws, draw_spectra
from bnproof.simulate.random_matrices.spectra.spectrum import (
    SingularLaw,
    Spectrum,
    condition_digits,
    given,
    sampled,
)
from bnproof.theory.common.errors import UserError

CHAINS = [(5, 5), (4, 4, 4), (6, 3, 9), (9, 3), (3, 9)]


@pytest.mark.parametrize("widths", CHAINS)
def test_law_is_a_law_and_cdf_is_its_integral(widths) -> None:
    law = SingularLaw(widths)
    low, high = law.support()
    middle = (low + high) / 2
    whole = quad(law.pdf, low, middle, limit=200)[0] + quad(law.pdf, middle, high, limit=200)[0]
    assert whole == pytest.approx(1, abs=1e-6)
    assert law.cdf(high * 1.01) == pytest.approx(1, abs=1e-12)
    part = quad(law.pdf, low, middle, limit=200)[0]
    assert law.cdf(middle) == pytest.approx(part, abs=1e-6)


@pytest.mark.parametrize("kind", ["real", "complex"])
@pytest.mark.parametrize("widths", [(200, 200), (160, 160, 160), (100, 200, 150), (300, 100)])
def test_samples_are_near_their_law_and_not_near_another(widths, kind) -> None:
    found = sampled(widths, 4, kind=kind, seed=1)
    assert found.logs.shape == (4, min(widths))
    assert found.distances.max() < 0.06  # one spectrum of 100; repulsion keeps it far below
    other = sampled((*widths, widths[-1]), 4, kind=kind, seed=1)
    wrong = type(other)(other.name, widths, other.logs[:, : min(widths)])
    assert wrong.distances.min() > 0.1


def test_multiplied_out_and_accurate_agree_where_both_can(monkeypatch) -> None:
    usual = sampled((60,) * 4, 30, seed=2)
    monkeypatch.setattr(spectrum, "DIGITS", 0.0)
    exact = sampled((60,) * 4, 30, seed=2)
    assert exact.provenance["method"] != usual.provenance["method"]
    # Other matrices of the same law: means of log|det| agree within four standard errors.
    totals = [found.logs.sum(axis=1) for found in (usual, exact)]
    error = np.hypot(*(total.std(ddof=1) / len(total) ** 0.5 for total in totals))
    assert abs(totals[0].mean() - totals[1].mean()) < 4 * error


def test_a_long_product_keeps_its_smallest_values() -> None:
    found = sampled((10,) * 301, 1, seed=3)
    digits = float(np.median(found.condition))
    assert digits > 200
    assert digits == pytest.approx(condition_digits(found.widths, "real"), rel=0.1)
    with pytest.raises(UserError, match="use --log"):
        draw_spectra(Figure(), [sampled((10,) * 451, 1, seed=3)])


@draws(st.lists(st.integers(1, 12), min_size=2, max_size=5), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_given_weights_are_brought_to_the_scale_of_the_law(widths, seed) -> None:
    rng = np.random.default_rng(seed)
    weights = {
        f"layer {i}": torch.from_numpy(7 * rng.standard_normal((out, fan)))
        for i, (fan, out) in enumerate(pairwise(widths))
    }
    spectra = given(weights)
    assert len(spectra) == len(weights) + (len(weights) > 1)
    for found, weight in zip(spectra, weights.values(), strict=False):
        # The sum of the squares is that of entries of mean square 1/fan-in.
        assert np.exp(2 * found.logs).sum() == pytest.approx(weight.shape[0])
        ratio = found.logs[0] - found.logs[0, 0]
        plain = torch.linalg.svdvals(weight).log()
        np.testing.assert_allclose(ratio, plain - plain[0], atol=1e-8)
    if len(weights) > 1:
        product = torch.linalg.multi_dot(list(reversed(weights.values())))
        plain = torch.linalg.svdvals(product)[: min(widths)].log()
        got = spectra[-1].logs[0]
        np.testing.assert_allclose((got - got[0])[:2], (plain - plain[0])[:2], atol=1e-5)


def test_given_weights_that_do_not_chain_have_no_product() -> None:
    assert len(given({"a": torch.ones(3, 2), "b": torch.eye(4)})) == 2


def test_a_rank_deficient_matrix_has_zeros() -> None:
    (found,) = given({"a": torch.ones(3, 3)})
    assert np.isneginf(found.logs).sum() == 2
    assert found.numbers()["median of log10 of the condition number"] is None
    assert found.numbers()["values that are 0"] == 2


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({}, "no weight matrices given"),
        ({"a": torch.ones(3)}, r"a: shape \(3,\); it must be a matrix"),
        ({"a": torch.full((2, 2), float("nan"))}, "a: holds NaN or infinity"),
        ({"a": torch.zeros(2, 2)}, "a: all entries are 0"),
    ],
)
def test_bad_weights_are_named(weights, message) -> None:
    with pytest.raises(UserError, match=message):
        given(weights)


def test_figures_say_what_was_found() -> None:
    spectra = [sampled((40,) * (M + 1), 5, seed=4) for M in (1, 2, 3)]
    assert "Kolmogorov-Smirnov distance from the law: M = 1: 0.0" in draw_spectra(Figure(), spectra)
    assert "dashed" not in draw_spectra(Figure(), [sampled((40, 20), 3)], log=True)
    figure = Figure()
    assert "with the right ends 2.00, 2.60" in draw_laws(figure, (1, 2))
    assert [list(axes.get_xticks()) for axes in figure.axes] == [[0, 1, 4], [0, 1, 4]]
    figure = Figure()
    words = draw_condition(figure, spectra)
    assert "medians" in words
    assert "each further factor costs" in figure.axes[0].get_title()
    figure = Figure()
    draw_spectra(figure, spectra * 9)
    assert len(figure.axes) == 24
    assert "first 24 of 27" in figure.get_suptitle()


def test_weights_have_no_printed_law_but_marked_outliers() -> None:
    own = Spectrum("w" * 90, (40, 40), sampled((40, 40), 1).logs, outliers=2)
    figure = Figure()
    assert "dashed" not in draw_spectra(figure, [own])
    labels = figure.axes[0].get_legend_handles_labels()[1]
    assert "law as printed" not in labels
    assert "outliers beyond the edge of the law" in labels
    name, words = figure.axes[0].get_title().splitlines()
    assert len(name) <= 28
    assert words.startswith("40 values, distance 0.0")
    assert words.endswith("2 outliers")
