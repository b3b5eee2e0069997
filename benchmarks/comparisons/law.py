"""The Fuss-Catalan law, compared with ten passes of numpy.sin, with freealg and with mpmath."""

import importlib.metadata
import importlib.util
from functools import partial

import numpy as np
from mpmath import mp
from numpy.typing import NDArray

from benchmarks.comparisons.row import Row, alternate
from bnproof.simulate.random_matrices.laws.fuss_catalan import FussCatalan
from bnproof.theory.random_matrices import fuss_catalan as reference

COUNT = 1_000_000
FEW = 20  # number of points for mpmath, whose time is scaled up
SEED = 30
LIMIT = 3  # required: at most this many times the time of the ten passes


def _points(law: FussCatalan, count: int) -> NDArray[np.float64]:
    return np.random.default_rng(SEED).uniform(0, law.support()[1], count)


def _sines(factors: float) -> Row:
    law = FussCatalan(factors)
    x = _points(law, COUNT)

    def sines() -> None:
        for _ in range(10):
            np.sin(x)

    ours, theirs = alternate(lambda: law.evaluate(x), sines)
    note = f"{ours / theirs:.2f} times the time of the ten passes; the limit is {LIMIT}"
    what = f"pdf, cdf and sf of {COUNT:,} points, M = {factors:g}"
    peer = f"ten passes of numpy.sin, NumPy {np.__version__}"
    return Row(what, ours, theirs, peer, 1 / LIMIT, note)


def _separately(factors: float) -> Row:
    law = FussCatalan(factors)
    x = _points(law, COUNT)
    ours, theirs = alternate(
        lambda: law.evaluate(x), lambda: (law.pdf(x), law.cdf(x), law.sf(x)), repeats=3
    )
    what = f"pdf, cdf and sf of {COUNT:,} points, M = {factors:g}"
    return Row(what, ours, theirs, "three separate calls in bnproof")


def _worst(pdf: NDArray[np.float64], x: NDArray[np.float64], factors: float) -> float:
    with mp.workdps(30):
        pairs = zip(pdf, x, strict=True)
        return max(float(abs(mp.mpf(float(p)) / reference.pdf(v, factors) - 1)) for p, v in pairs)


def _freealg(factors: int, count: int) -> Row:
    law = FussCatalan(factors)
    x = _points(law, count)
    what = f"density of {count:,} points, M = {factors}"
    if importlib.util.find_spec("freealg") is None:
        return Row(what, alternate(lambda: law.pdf(x))[0], None, "freealg", 1.0, "not installed")
    from freealg.distributions import FussCatalan as Peer

    peer = Peer(factors)
    ours, theirs = alternate(lambda: law.pdf(x), lambda: peer.density(x), repeats=3)
    some = x[:FEW]
    errors = (_worst(values[:FEW], some, factors) for values in (law.pdf(x), peer.density(x)))
    note = "worst relative error of 20 points: bnproof {:.0e}, freealg {:.0e}".format(*errors)
    return Row(what, ours, theirs, f"freealg {importlib.metadata.version('freealg')}", 1.0, note)


def _mpmath(factors: float) -> Row:
    law = FussCatalan(factors)
    x, some = _points(law, COUNT), _points(law, FEW)

    def theirs() -> None:
        for point in some:
            for function in (reference.pdf, reference.cdf, reference.sf):
                function(point, factors, 20)

    ours, few = alternate(lambda: law.evaluate(x), theirs, repeats=2)
    error = _worst(law.pdf(some), some, factors)
    note = f"{FEW} points with 20 digits, scaled up; worst relative error of bnproof {error:.0e}"
    what = f"pdf, cdf and sf of {COUNT:,} points, M = {factors:g}"
    return Row(
        what,
        ours,
        few * COUNT / FEW,
        "bnproof.theory.random_matrices.fuss_catalan with mpmath",
        1.0,
        note,
    )


COMPARISONS = {
    **{f"sines {factors:g}": partial(_sines, factors) for factors in (1, 2, 64, 1000, 2.7, 0.5)},
    "separately": partial(_separately, 2),
    "freealg 1": partial(_freealg, 1, 100_000),
    "freealg 3": partial(_freealg, 3, 100_000),
    "freealg 10": partial(_freealg, 10, 1_000),
    "mpmath": partial(_mpmath, 2),
}
