"""The page of spectra: complete without its script, escaped, self-contained."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from bnproof.report.spectra_page import _text, _ticks, write
from bnproof.simulate.random_matrices.spectra.own_weights import Row, product, rows
from bnproof.simulate.random_matrices.spectra.spectrum import sampled
from bnproof.simulate.random_matrices.spectra.weights import Stored, stored


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Noise, noise with a spike far out, a matrix of low rank, and their product."""
    folder = tmp_path_factory.mktemp("page")
    rng = np.random.default_rng(0)
    noise, low = rng.standard_normal((2, 40, 40))
    spiked = rng.standard_normal((40, 40)) + 10 * np.ones((40, 40))
    low[:, :15] = 0
    np.savez(folder / "w.npz", **{"<b>": noise, "spiked": spiked, "low": low})
    items: list[Stored] = stored(folder / "w.npz")
    found = [row for _, row in rows(items) if isinstance(row, Row)]
    whole = product(items, found)
    assert not isinstance(whole, str)
    numbers = [row.numbers() for row in found] + [whole.numbers()]
    path = folder / "w.html"
    write(path, "w.npz", [*(row.spectrum for row in found), whole], numbers, {"a<b": "is 0 & odd"})
    return path.read_text()


def test_a_card_for_each_spectrum_with_its_numbers(page: str) -> None:
    assert page.count("<article ") == 4
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert "a&lt;b</span>: is 0 &amp; odd" in page
    assert 'data-name="condition" data-value="inf">infinite' in page
    spiked = page[page.index("<h2>spiked") :]
    assert "1 more, to " in spiked[: spiked.index("</article>")]
    for name in ("stable rank", "outliers", "distance of the bulk", "its p-value"):
        assert f"<option>{name}</option>" in page


def test_it_is_self_contained(page: str) -> None:
    assert not re.search(r"""(src|href)=|url\(|https?://|@import""", page)


def test_paths_are_finite_and_inside(page: str) -> None:
    for path in re.findall(r' d="([^"]*)"', page):
        numbers = [float(x) for x in re.findall(r"-?\d+\.?\d*", path)]
        assert min(numbers) >= -8
        assert max(numbers) <= 240
    assert "nan" not in page.replace("name", "")


def test_samples_too(tmp_path: Path) -> None:
    spectrum = sampled([12] * 3, 2)
    write(tmp_path / "a.html", "random products", [spectrum], [spectrum.numbers()], {})
    text = (tmp_path / "a.html").read_text()
    assert "distance from the law" in text
    assert "Left out" not in text
    json.dumps(spectrum.numbers())


def test_numbers_and_ticks() -> None:
    assert _text(None, "power") == "infinite"
    assert [_text(x, "power") for x in (2.0, 5.25, -400.5)] == ["100", "1.78e5", "3.16e-401"]
    assert _ticks(0, 2.2) == [0, 0.5, 1, 1.5, 2]
    assert _ticks(-8.3, 0.7) == [-8, -6, -4, -2, 0]
