"""The spaces an adversary searches: one for every inequality, symbols right, exact data exact."""

import json
from dataclasses import replace
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
import sympy as sp
import torch

import bnproof.theory.claims
from bnproof.simulate.search import tightness
from bnproof.simulate.search.ascent import attack, climb, space_of
from bnproof.simulate.search.base import SearchSpace, stacked
from bnproof.simulate.search.earth_mover import SampleSpace
from bnproof.simulate.search.layer import LayerSpace
from bnproof.simulate.search.least_squares import PairSpace
from bnproof.simulate.search.normalizers import GroupSpace
from bnproof.simulate.search.rationalise import Judge
from bnproof.simulate.search.sgd import BatchSpace
from bnproof.simulate.search.weights import UnitSpace, WholeSpace
from bnproof.theory.claim import (
    Claim,
    Counterexample,
    ExactCase,
    RandomTest,
    Scale,
    Settings,
    Verdict,
)
from bnproof.theory.exact import least_squares as exact_least_squares
from bnproof.theory.exact import normalizers as exact_normalizers
from bnproof.theory.exact import sgd as exact_sgd
from bnproof.theory.exact import weights as exact_weights
from bnproof.theory.exact.curvature import along, exactly, top_eigenvalues
from bnproof.theory.exact.minimax import ball
from bnproof.theory.layer import curvature as cur
from bnproof.theory.layer import minimax
from bnproof.theory.loading import load_folder
from bnproof.theory.symbols import eps
from bnproof.theory.training import earth_mover, sgd

CLAIMS = {c.id: c for c in load_folder(bnproof.theory.claims) if isinstance(c, Claim)}
INEQUALITIES = [c for c in CLAIMS.values() if isinstance(c.relation, sp.LessThan)]
FALSE = [c for c in INEQUALITIES if c.expected is Verdict.REFUTED]
# Those of data that are not one layer before a loss.
OTHER_SPACES = [PairSpace, SampleSpace, BatchSpace, GroupSpace, UnitSpace, WholeSpace]
NAMES = {
    "Counterexample": Counterexample,
    "along": along,
    "ball": ball,
    "ExactCase": ExactCase,
    "earth_mover": earth_mover,
    "exact_least_squares": exact_least_squares,
    "exact_normalizers": exact_normalizers,
    "exact_sgd": exact_sgd,
    "exact_weights": exact_weights,
    "exactly": exactly,
    "minimax": minimax,
    "partial": partial,
    "top_eigenvalues": top_eigenvalues,
}


def built(kind: type) -> SearchSpace:
    return kind(kind.known, sp.true)


def drawn(space: SearchSpace, size: object, count: int = 12) -> dict[str, torch.Tensor]:
    params = space.random(count, size, torch.Generator().manual_seed(2))
    space.project(params)
    posed = space.posed(params)
    assert posed.sum() > count / 2
    return {name: tensor[posed] for name, tensor in params.items()}


@pytest.mark.parametrize("claim", INEQUALITIES, ids=lambda claim: claim.id)
def test_every_inequality_has_a_space_and_a_summary(claim: Claim, device: str) -> None:
    space = space_of(claim)  # says which symbols have no space: give them one, see `SPACES`
    assert space.usual in space.sizes
    found = tightness.summary(claim, Settings(scale=Scale.SMOKE, device=device))
    assert json.loads(json.dumps(found.numbers, allow_nan=False)) == found.numbers
    assert all(len(values) <= tightness.SHOWN for values in found.series.values())
    fails = claim.expected is Verdict.REFUTED
    assert (found.numbers["violations found by the adversary"] > 0) is fails


@pytest.mark.parametrize("claim", FALSE, ids=lambda claim: claim.id)
def test_every_false_inequality_is_refuted_exactly_from_scratch(claim: Claim, device: str) -> None:
    bare = replace(claim, checks=(RandomTest(),))
    found = attack(bare, restarts=30, steps=20, simplify=False, device=device)
    assert found.refutation is not None
    assert found.refutation.evidence.holds is False
    assert found.refutation.evidence.control_differs
    assert "exact" in found.refutation.evidence.provenance["arithmetic"]


@pytest.mark.parametrize("kind", OTHER_SPACES)
def test_symbols_to_climb_on_agree_with_the_sampler(kind: type, device: str) -> None:
    space = built(kind)
    for size in space.sizes:
        params = {name: tensor.to(device) for name, tensor in drawn(space, size).items()}
        ours, theirs = space.measured(params, graph=True), space.measured(params)
        for symbol in space.known:
            if symbol is sgd.noise_without and size[1] > size[0]:
                continue
            scale = torch.maximum(theirs.magnitude(symbol), ours.magnitude(symbol)).abs() + 1e-300
            gap = (ours.value(symbol) - theirs.value(symbol)).abs()
            assert not ((gap / scale) > 1e-11).any(), (size, symbol)


@pytest.mark.parametrize("kind", OTHER_SPACES)
def test_symbols_have_the_slopes_of_finite_differences(kind: type) -> None:
    space = built(kind)
    usual = {GroupSpace: ("l_4 BatchNorm", 2), UnitSpace: (3, 2), PairSpace: (3, 2)}
    size = usual.get(kind, (2, 1, 1)[: len(space.usual)])
    params = {name: tensor[1:3].clone() for name, tensor in drawn(space, size).items()}
    moved = sorted(params.keys() - space.fixed - {"eps"})
    if "A" in params:  # where the top eigenvalue is simple it has a slope
        params["A"] += torch.diag(torch.arange(1.0, 1 + params["A"].shape[-1]).double())
    for symbol in sorted(space.known, key=str):
        if not space.measured(params, graph=True).value(symbol).isfinite().all():
            continue  # the exponent of l_inf

        def value(*tensors: torch.Tensor, symbol: sp.Symbol = symbol) -> torch.Tensor:
            data = params | dict(zip(moved, tensors, strict=True))
            return space.measured(data, graph=True).value(symbol)

        leaves = [params[name].clone().requires_grad_() for name in moved]
        if value(*leaves).requires_grad:
            assert torch.autograd.gradcheck(value, leaves), symbol


@pytest.mark.parametrize("kind", [PairSpace, SampleSpace, BatchSpace, GroupSpace, UnitSpace])
def test_exact_symbols_agree_with_measured_ones(kind: type) -> None:
    space = built(kind)
    # Of two centred entries both are the largest: a corner.
    left_out = ((3, 3), (4, 3), ("l_inf BatchNorm", 2))
    sizes = [size for size in space.sizes if size[1] < 4 and size not in left_out]
    for size in sizes[::2]:
        params = {name: 3 * t if name == "u" else t for name, t in drawn(space, size, 4).items()}
        points = [point for index in range(2) for point in space.rounded(params, index)]
        kept = [point for point in points if space.posed(stacked([point])).all()]
        for point in kept[-1:]:
            data = space.exact(point)
            symbols = data.case.values()
            assert eval(data.source, NAMES).values() == symbols
            measured = space.measured(stacked([point]))
            for symbol in space.known & set(symbols):
                found = measured.value(symbol).flatten()[0].item()  # at the first entry
                assert found == pytest.approx(float(symbols[symbol]), rel=1e-9, abs=1e-9)


def test_exact_data_of_a_direction_and_of_a_ball_can_be_pasted() -> None:
    point = {
        "y": ["1", "-1"],
        "b": ["2", "1/2"],
        "gamma": ["-1"],
        "beta": ["0"],
        "eps": ["0"],
        "u": ["1", "3"],
        "tau": ["1/2"],
        "radius": ["3"],
    }
    rows = {name: np.array([*map(Fraction, row)], dtype=object) for name, row in point.items()}
    rows["A"] = np.array([[Fraction(i + j) for j in range(2)] for i in range(2)], dtype=object)
    symbols = frozenset({cur.uKu, cur.tau, cur.lamH, minimax.ghat, minimax.radius})
    space = LayerSpace(symbols, sp.Eq(eps, 0))
    data = space.exact(rows)
    values = data.case.values()
    assert eval(data.source, NAMES).values() == values
    measured = space.measured(stacked([rows]))
    for symbol in {*symbols, cur.u1, cur.uy, cur.uu, minimax.gstd, minimax.mu_g}:
        assert measured.value(symbol).item() == pytest.approx(float(values[symbol]), abs=1e-12)
    assert space.repaired(rows) is rows
    for name in ("tau", "radius"):
        assert space.repaired({**rows, name: 0 * rows[name]}) is None


CONTROLS = [
    "bjorck_condition_number",
    "bjorck_sgd_noise",
    "hessian_spectral_bound_eps",
    "hessian_spectral_bound_weights",
    "layer_norm_bound",
    "lp_constant",
]


@pytest.mark.parametrize("claim_id", CONTROLS)
def test_the_controls_of_proved_claims_are_refuted_exactly(claim_id: str) -> None:
    claim = CLAIMS[claim_id]
    wrong = replace(claim, relation=claim.control, control=claim.relation, checks=(RandomTest(),))
    found = attack(wrong, restarts=40, steps=20, simplify=False)
    assert found.refutation is not None
    assert found.refutation.evidence.control_differs


def test_a_violation_without_exact_symbols_is_not_called_a_refutation() -> None:
    claim = CLAIMS["hessian_layer_bound"]
    wrong = replace(claim, relation=claim.control, control=claim.relation)
    found = attack(wrong, restarts=20, steps=10)
    assert found.violations > 0
    assert found.refutation is None
    with pytest.raises(NotImplementedError, match="whole layer"):
        built(WholeSpace).exact({})


@pytest.mark.parametrize("name", ["l_1 BatchNorm", "l_inf BatchNorm"])
def test_where_a_scale_has_a_corner_nothing_is_certified(name: str) -> None:
    claim = CLAIMS["lp_contraction"]
    space = space_of(claim)
    size = next(size for size in space.sizes if size == (name, 3))
    params = space.random(1, size, torch.Generator())
    params["u"].copy_(torch.tensor([[-1.0, 0.0, 1.0]]))
    point = next(space.rounded(params, 0))
    assert Judge(claim, space).certify(space.exact(point)) is None
    with pytest.raises(ValueError, match="corner"):
        space.exact(point).case.values()


def test_groups_that_differ_in_axes_alone_are_searched_once() -> None:
    names = {size[0] for size in space_of(CLAIMS["layer_norm_bound"]).sizes}
    assert "RMSNorm" in names
    assert "WeightNorm" in names
    assert not names & {"LayerNorm", "GroupNorm", "InstanceNorm"}
    powers = {size[0] for size in space_of(CLAIMS["lp_contraction"]).sizes}
    assert {"l_1 BatchNorm", "l_3/2 BatchNorm", "l_inf BatchNorm"} < powers
    assert not any("printed" in name for name in powers)


def test_what_belongs_to_a_size_is_never_changed() -> None:
    claim = CLAIMS["bjorck_sgd_noise"]
    one = climb(claim, space_of(claim), (3, 2, 1), 8, 5, 0)
    assert (one.worst["B"] == 2).all()
    groups = space_of(CLAIMS["lp_contraction"])
    found = climb(CLAIMS["lp_contraction"], groups, ("l_inf BatchNorm", 3), 8, 5, 0)
    assert len(found.worst["kind"].unique()) == 1


def test_exact_data_that_are_not_a_problem_are_refused() -> None:
    case = Counterexample.of(y=[0, 1], b=[0, 1])
    with pytest.raises(ValueError, match="must equal Xw"):
        exact_weights.unit([[1], [2]], [1], case)
    with pytest.raises(ValueError, match="columns are dependent"):
        exact_least_squares.pair([[1, 1], [1, 1]], [[1, 0], [0, 1]])
    with pytest.raises(ValueError, match="is 0"):
        exact_normalizers.group("RMSNorm", [0, 0], [1, 0])
