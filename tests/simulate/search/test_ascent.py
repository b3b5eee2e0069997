"""The adversary: its symbols are right, it finds what is false, and nothing in what is proved."""

from dataclasses import replace
from math import ceil

import numpy as np
import pytest
import sympy as sp
import torch
from matplotlib.figure import Figure

import bnproof.theory.claims
from bnproof.simulate.relation import inside
from bnproof.simulate.samplers.base import Measurements
from bnproof.simulate.search import ascent as adversary
from bnproof.simulate.search import tightness
from bnproof.simulate.search.adam import Adam
from bnproof.simulate.search.ascent import attack, can_attack, climb, space_of
from bnproof.simulate.search.layer import LayerSpace
from bnproof.simulate.search.minimax import RegressionSpace
from bnproof.simulate.search.statement import compiled
from bnproof.theory import symbols as sym
from bnproof.theory.claim import Claim, RandomTest, Scale, Settings, Verdict
from bnproof.theory.common.errors import UserError
from bnproof.theory.layer import curvature as cur
from bnproof.theory.loading import load_folder

CLAIMS = {c.id: c for c in load_folder(bnproof.theory.claims) if isinstance(c, Claim)}


def bare(claim: Claim, **changes: object) -> Claim:
    """The claim without the means that know its answer."""
    return replace(claim, checks=(RandomTest(),), **changes)


INEQUALITIES = [c for c in CLAIMS.values() if isinstance(c.relation, sp.LessThan)]
EQUATIONS = [c for c in CLAIMS.values() if isinstance(c.relation, sp.Eq) and can_attack(c)]
PROVED = [c for c in INEQUALITIES if c.expected is Verdict.PROVED]
IDENTITIES = [c for c in EQUATIONS if c.expected is Verdict.PROVED]
FALSE = [c for c in EQUATIONS if c.expected is Verdict.REFUTED]


def restarts(claim: Claim, configurations: int, steps: int) -> int:
    """So many at each size that all sizes together make `configurations`."""
    return ceil(configurations / (steps * len(space_of(claim).sizes)))


def layers(count: int = 6, size: int = 5, device: str = "cpu") -> dict[str, torch.Tensor]:
    space = LayerSpace(LayerSpace.known, sp.true)
    params = space.random(count, size, torch.Generator().manual_seed(3))
    space.project(params)
    return {name: tensor.to(device) for name, tensor in params.items()}


def measured(params: dict[str, torch.Tensor], *, graph: bool = False) -> Measurements:
    return LayerSpace(LayerSpace.known, sp.true).measured(params, graph=graph)


def test_a_graph_changes_no_symbol(device: str) -> None:
    params = layers(device=device)
    ours = measured({name: t.requires_grad_() for name, t in params.items()}, graph=True)
    theirs = measured(params)
    for symbol in LayerSpace.known:
        value, other = ours.value(symbol), theirs.value(symbol)
        scale = theirs.magnitude(symbol).abs() + 1e-300
        assert ((value - other).abs() / scale).max() < 1e-12, symbol


def test_regressions_to_climb_on_agree_with_the_sampler(device: str) -> None:
    space = RegressionSpace(RegressionSpace.known, sp.true)
    for size in space.sizes:
        drawn = space.random(50, size, torch.Generator().manual_seed(1))
        posed = space.posed(drawn)
        params = {name: tensor[posed].to(device) for name, tensor in drawn.items()}
        ours, theirs = space.measured(params, graph=True), space.measured(params)
        for symbol in space.known:
            assert torch.allclose(ours.value(symbol), theirs.value(symbol), rtol=1e-7), symbol


@pytest.mark.parametrize("symbol", [sym.vKv, cur.qKq, sym.PvHPv, cur.lamK, sym.ly], ids=str)
def test_symbols_have_the_slopes_of_finite_differences(symbol: sp.Symbol) -> None:
    names = ("y", "b", "A", "gamma", "beta", "eps")
    params = {name: tensor[:2].requires_grad_() for name, tensor in layers(size=3).items()}
    params["eps"].data.fill_(0.4)

    def value(*tensors: torch.Tensor) -> torch.Tensor:
        data = params | dict(zip(names, tensors, strict=True))
        return measured(data, graph=True).value(symbol)

    assert torch.autograd.gradcheck(value, [params[name] for name in names])


@pytest.mark.parametrize("claim", PROVED, ids=lambda claim: claim.id)
def test_what_is_proved_is_not_refuted(claim: Claim) -> None:
    space = space_of(claim)
    sizes = space.sizes[:: ceil(len(space.sizes) / 3)]  # all of them in the slow test below
    found = attack(bare(claim), restarts=ceil(75 / len(sizes)), steps=20, sizes=sizes)
    assert found.configurations >= 1_500
    assert (found.violations, found.refutation) == (0, None)
    assert 0.5 < found.ratio < 1 + 1e-6


@pytest.mark.parametrize("claim", IDENTITIES, ids=lambda claim: claim.id)
def test_an_identity_is_not_refuted_and_its_control_is(claim: Claim) -> None:
    space = space_of(claim)
    found = attack(bare(claim), restarts=20, steps=10, sizes=space.sizes[:: len(space.sizes) // 3])
    assert (found.violations, found.refutation) == (0, None)
    assert 0 <= found.excess < 1e-14
    assert np.isnan(found.ratio)
    wrong = bare(claim, relation=claim.control, control=claim.relation)
    refuted = attack(wrong, restarts=30, steps=20, simplify=False)
    assert refuted.refutation is not None
    assert refuted.excess > 1e-9


@pytest.mark.parametrize("claim", FALSE, ids=lambda claim: claim.id)
def test_a_false_equation_is_refuted_exactly(claim: Claim) -> None:
    found = attack(bare(claim), restarts=20, steps=10)
    assert found.refutation is not None
    assert found.refutation.evidence.holds is False
    assert found.refutation.evidence.control_differs


def test_an_equation_that_fails_by_a_billionth_is_refuted() -> None:
    claim = CLAIMS["bn_jacobian"]
    relation = sp.Eq(claim.relation.lhs, claim.relation.rhs * (1 + sp.Rational(1, 10**9)))
    found = attack(bare(claim, relation=relation), restarts=10, steps=10, sizes=[3], confirm=False)
    assert found.violations == 10


@pytest.mark.slow
@pytest.mark.parametrize("claim", IDENTITIES, ids=lambda claim: claim.id)
def test_an_identity_is_not_refuted_in_a_hundred_thousand(claim: Claim, device: str) -> None:
    count = restarts(claim, 100_000, 50)
    found = attack(bare(claim), restarts=count, steps=50, seed=1, device=device)
    assert found.configurations >= 100_000
    assert (found.violations, found.refutation) == (0, None)


@pytest.mark.slow
@pytest.mark.parametrize("claim", PROVED, ids=lambda claim: claim.id)
def test_what_is_proved_is_not_refuted_in_a_million(claim: Claim, device: str) -> None:
    count = restarts(claim, 1_000_000, 100)
    found = attack(bare(claim), restarts=count, steps=100, seed=1, device=device)
    assert found.configurations >= 1_000_000
    assert (found.violations, found.refutation) == (0, None)
    assert 0.95 < found.ratio < 1 + 1e-6


@pytest.mark.parametrize("claim_id", ["santurkar_4_1", "slides_4_1", "hessian_spectral_bound"])
def test_the_control_of_a_proved_claim_is_refuted(claim_id: str) -> None:
    claim = CLAIMS[claim_id]
    wrong = bare(claim, relation=claim.control, control=claim.relation)
    found = attack(wrong, restarts=40, steps=20, simplify=False)
    assert found.refutation is not None
    assert found.refutation.evidence.control_differs


def test_a_bound_too_small_by_a_millionth_is_refuted() -> None:
    """The bound is tight only where <g,yhat> = 0: ascent goes there, chance does not."""
    claim = CLAIMS["santurkar_4_1_eps"]
    relation = sp.Le(claim.relation.lhs, claim.relation.rhs * (1 - sp.Rational(1, 10**6)))
    wrong = bare(claim, relation=relation)
    one = climb(wrong, space_of(wrong), 4, restarts=50, steps=80, seed=0)
    assert one.violated.any()
    start = climb(wrong, space_of(wrong), 4, restarts=50, steps=1, seed=0)
    assert not start.violated.any()


def test_all_sizes_are_attacked_or_those_that_are_asked_for() -> None:
    sizes = space_of(CLAIMS["slides_4_1"]).sizes
    few = {"restarts": 2, "steps": 1}
    assert attack(CLAIMS["slides_4_1"], **few).ascents == 2 * len(sizes)
    assert attack(CLAIMS["slides_4_1"], **few, sizes=sizes[:1]).ascents == 2


def test_the_rate_falls_from_the_first_to_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = []
    monkeypatch.setattr(Adam, "step", lambda self, rate: rates.append(rate))
    claim = CLAIMS["slides_4_1"]
    climb(claim, space_of(claim), 2, restarts=2, steps=5, seed=0)
    assert rates == pytest.approx(np.geomspace(*adversary.RATE, 5).tolist())


def test_the_same_seed_gives_the_same_numbers() -> None:
    claim = CLAIMS["slides_4_1"]
    first, again, other = (attack(claim, restarts=20, steps=10, seed=s) for s in (5, 5, 6))
    assert (first.ratio, first.case) == (again.ratio, again.case)
    assert np.array_equal(first.ratios, again.ratios)
    assert not np.array_equal(first.ratios, other.ratios)


def test_violations_lie_inside_the_domain() -> None:
    claim = CLAIMS["santurkar_4_2_norm_preserving"]
    space = space_of(claim)
    one = climb(claim, space, 4, restarts=60, steps=30, seed=0)
    assert 0 < one.violated.sum() < 60
    bad = {name: tensor[one.violated] for name, tensor in one.worst.items()}
    assert inside(claim.domain, space.measured(bad)).all()


def test_rounding_is_no_violation() -> None:
    """Where v is 0 but for rounding the sides are noise, which the scale tells apart."""
    claim = CLAIMS["santurkar_4_2"]
    params = layers(200, 2)
    params["eps"].zero_()
    symbols = measured(params)
    judge = compiled(claim.relation, claim.domain)
    sides = judge.sides(symbols)
    assert (sides.lhs > sides.rhs).any(), "noise has either sign"
    judged = judge.judge(symbols, sides)
    assert (judged.excess < 1e-12).all()
    assert judged.ratio.isnan().all()


@pytest.mark.parametrize(
    ("relation", "words"),
    [
        (None, "neither an equation nor an inequality <="),
        (sp.Le(sym.gg, sym.rho), "no search space has the symbols rho"),
    ],
)
def test_what_cannot_be_attacked_is_said_in_one_line(relation: sp.Basic | None, words: str) -> None:
    claim = replace(CLAIMS["slides_4_1"], relation=relation, checks=(object(),))
    assert not can_attack(claim)
    with pytest.raises(UserError, match=words):
        attack(claim)


@pytest.mark.parametrize("wrong", [{"restarts": 0}, {"steps": -1}])
def test_sizes_below_one_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UserError, match="give 1 or more"):
        attack(CLAIMS["slides_4_1"], **wrong)


def test_the_summary_compares_attack_and_random_instances() -> None:
    smoke = Settings(scale=Scale.SMOKE)
    first, again = (tightness.summary(CLAIMS["slides_4_1"], smoke) for _ in range(2))
    assert first.numbers == again.numbers
    quantiles = first.numbers["ratio on random instances"]
    tightest = first.numbers["tightest ratio by the adversary"]
    assert 0 <= quantiles["0%"] <= quantiles["50%"] < tightest
    assert first.numbers["violations found by the adversary"] == 0
    assert max(first.series[tightness.BY_ADVERSARY]) == tightest
    assert "refutation found" not in first.numbers, "smoke confirms nothing"
    false = tightness.summary(CLAIMS["neurips_4_1_sqrt_m"], Settings(scale=Scale.QUICK)).numbers
    assert false["violations found by the adversary"] > 0
    assert false["refutation found"].startswith("L(z) = ")
    assert false["ratio on random instances"]["50%"] > 1


def test_a_figure_keeps_the_ends_of_long_series() -> None:
    found = attack(CLAIMS["slides_4_1"], restarts=4, steps=2)
    many = np.linspace(-1, 2, 3 * tightness.SHOWN)
    kept = tightness.series(found, many)[tightness.RANDOMLY]
    assert len(kept) == tightness.SHOWN
    assert (kept[0], kept[-1]) == (-1, 2)
    assert tightness.RANDOMLY not in tightness.series(found, many[:0])


@pytest.mark.parametrize(
    ("violations", "tightest", "random", "words"),
    [
        (12, 3.0, None, "12 violations found"),
        (0, None, None, "no right side above rounding"),
        (0, 0.5, None, "at most 0.5 under attack"),
        (0, 0.5, {"50%": 0.25}, "at most 0.5 under attack, 0.25 on the median instance"),
    ],
)
def test_what_was_found_is_said(
    violations: int, tightest: float | None, random: dict[str, float] | None, words: str
) -> None:
    known = {
        "violations found by the adversary": violations,
        "tightest ratio by the adversary": tightest,
        "ratio on random instances": random,
    }
    assert tightness.finding(known) == words


def test_the_figure_shows_both_distributions() -> None:
    claim = CLAIMS["slides_4_1"]
    found = attack(claim, restarts=20, steps=10)
    figure = Figure()
    alt = tightness.draw(figure, claim, tightness.random_ratios(claim, 20, 0), found)
    (axes,) = figure.axes
    labels = axes.get_legend_handles_labels()[1]
    assert labels == ["random instances", "best of each ascent"]
    assert "at most" in axes.get_title()
    assert claim.id in alt
    nothing = replace(found, ratios=np.empty(0))
    with pytest.raises(ValueError, match="no ratio to draw"):
        tightness.draw(Figure(), claim, np.empty(0), nothing)


def test_restarts_are_split_into_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adversary, "CHUNK", 8)
    found = attack(CLAIMS["slides_4_1"], restarts=20, steps=2)
    assert found.ascents == 20 * len(LayerSpace.sizes)
    assert found.configurations == 2 * found.ascents
