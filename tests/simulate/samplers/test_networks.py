"""Random networks: what is drawn, that nothing but the seed decides it, and bad input."""

import numpy as np
import pytest
import torch

from bnproof.simulate.relation import compare, inside
from bnproof.simulate.samplers.autodiff import Measured
from bnproof.simulate.samplers.definitions.losses import LOSSES
from bnproof.simulate.samplers.definitions.regimes import CONDITION, OUTLIER, REGIMES, SPREAD
from bnproof.simulate.samplers.networks import EPSILONS, GAMMAS, Problems, block, draw
from bnproof.theory import symbols as sym

TENSORS = ("y", "gamma", "beta", "eps")


def same(left: Problems, right: Problems) -> bool:
    z = torch.linspace(-2, 2, left.y.shape[-1], dtype=left.y.dtype).expand_as(left.y)
    parts = [torch.equal(getattr(left, name), getattr(right, name)) for name in TENSORS]
    return all(parts) and torch.equal(left.loss(z), right.loss(z))


@pytest.mark.parametrize("m", [3, 700])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_problem_does_not_depend_on_what_is_drawn_with_it(loss: str, m: int) -> None:
    whole = draw(150, m, loss, 3, gammas=GAMMAS)
    for start, count in ((0, 1), (63, 3), (64, 64), (100, 50)):
        part = draw(count, m, loss, 3, start=start, gammas=GAMMAS)
        assert same(part, whole.take(slice(start, start + count)))


def test_blocks_hold_a_bounded_number_of_samples() -> None:
    assert [block(m) for m in (2, 64, 65, 513, 4096, 10_000)] == [64, 64, 63, 7, 1, 1]


@pytest.mark.parametrize("loss", LOSSES)
def test_float32_is_the_same_problem_rounded(loss: str, device: str) -> None:
    double, single = (
        draw(70, 6, loss, 4, device=device, dtype=dtype) for dtype in (torch.float64, torch.float32)
    )
    for name in TENSORS:
        assert torch.equal(getattr(double, name).float(), getattr(single, name))
    z = torch.linspace(-1, 1, 6, dtype=torch.float64, device=device).expand(70, 6)
    assert torch.allclose(double.loss(z).float(), single.loss(z.float()), rtol=1e-5)


def test_every_pair_of_eps_and_factor_appears_once() -> None:
    count = len(EPSILONS) * len(GAMMAS)
    plain, scaled = (draw(count, 3, "logistic", 5, gammas=g) for g in ((1.0,), GAMMAS))
    factors = (scaled.gamma / plain.gamma).squeeze(-1).tolist()
    pairs = {
        (e, round(np.log10(f))) for e, f in zip(scaled.eps[:, 0].tolist(), factors, strict=True)
    }
    assert len(pairs) == count
    assert {f for _, f in pairs} == {round(np.log10(g)) for g in GAMMAS}


def test_gamma_has_either_sign_and_a_log_normal_size() -> None:
    gamma = draw(4000, 2, "logistic", 6).gamma.squeeze(-1)
    assert 0.46 < (gamma > 0).double().mean() < 0.54  # 5 standard deviations
    assert gamma.abs().log().mean().abs() < 0.08
    assert 0.94 < gamma.abs().log().std() < 1.06


def test_regimes_are_what_they_say() -> None:
    """Each against what defines it, on the activations of 2,000 units."""
    y = {name: draw(2000, 64, "logistic", 7, regime=name).y for name in REGIMES}
    centred = {name: v - v.mean(-1, keepdim=True) for name, v in y.items()}

    def kurtosis(v: torch.Tensor) -> float:
        return float((v**4).mean(-1).div((v**2).mean(-1) ** 2).median())

    def spread(v: torch.Tensor) -> float:
        return float((v.std(-1) / v.mean(-1).abs()).median())

    assert 2.5 < kurtosis(centred["Gaussian"]) < 3.2
    assert kurtosis(centred["heavy-tailed"]) > 6
    assert kurtosis(centred["outliers"]) > 8
    assert spread(y["nearly constant"]) < 4 * SPREAD < spread(y["Gaussian"])
    size = y["outliers"].abs().mean(0)
    assert size[::16].min() > OUTLIER / 2 * size[1:16].max()


def test_the_ill_conditioned_inputs_have_the_stated_condition() -> None:
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(1, 8, 4096, generator=generator, dtype=torch.float64)
    scaled, _ = REGIMES["ill-conditioned"](X, X[..., 0], X[..., 0])
    found = torch.linalg.cond(scaled[0])
    assert CONDITION / 1.3 < found < CONDITION * 1.3


def test_width_is_the_number_of_inputs() -> None:
    """The variance of y is the sum of squared weights: chi-square with `width` degrees."""
    for width in (1, 8, 40):
        variance = draw(4000, 64, "logistic", 8, width=width).y.var(-1)
        assert abs(variance.mean() / width - 1) < 0.15


@pytest.mark.parametrize("loss", LOSSES)
def test_memory_of_a_problem_grows_like_m(loss: str) -> None:
    def numbers(m: int) -> int:
        parts = draw(1, m, loss, 0).loss.__dict__.values()
        return sum(tensor.numel() for tensor in parts)

    assert numbers(4096) <= 2 * numbers(2048)


@pytest.mark.parametrize("loss", ["cross-entropy", "squared error", "non-convex"])
def test_the_squared_error_couples_samples_and_the_non_convex_bends_down(loss: str) -> None:
    measured = Measured(draw(50, 5, loss, 9))
    u = torch.zeros(50, 5, dtype=torch.float64)
    u[:, 0] = 1
    column = measured.hessian_at_z(u)
    assert (column[:, 1:].abs().amax(-1) > 0).all() == (loss == "squared error")
    assert (column[:, 0] < 0).any() == (loss == "non-convex")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 0}, "count = 0"),
        ({"count": -3}, "count = -3"),
        ({"m": 1}, "batch size m >= 2"),
        ({"loss": "hinge"}, "loss 'hinge': must be one of cross-entropy"),
        ({"regime": "flat"}, "regime 'flat': must be one of Gaussian"),
        ({"dtype": torch.float16}, "dtype torch.float16: .* torch.float32"),
        ({"epsilons": ()}, "epsilons is empty"),
        ({"epsilons": (-1.0,)}, r"epsilons is \(-1.0,\)"),
        ({"gammas": (float("nan"),)}, r"gammas is \(nan,\)"),
        ({"start": -1}, "start = -1"),
        ({"width": 0}, "width = 0"),
        ({"seed": -1}, "seed = -1"),
    ],
)
def test_bad_arguments_say_what_is_allowed(change: dict, message: str) -> None:
    arguments = {"count": 5, "m": 4, "loss": "logistic", "seed": 0} | change
    with pytest.raises(ValueError, match=message) as caught:
        draw(**arguments)
    assert "\n" not in str(caught.value)


def broken(what: str) -> Problems:
    """Ten problems of which number 3 is unfit for a verdict."""
    p = draw(10, 4, "squared error", 0, epsilons=(0.0,))
    if what == "sigma":
        p.y[3] = 0.1
    elif what == "m":
        return Problems(p.y[:, :1], p.gamma, p.beta, p.eps, lambda z: z.sum(-1))
    elif what == "y":
        p.y[3, 1] = float("inf")
    elif what == "nan":
        p.y[3, 1] = float("nan")
    elif what == "eps":
        p.eps[3] = -1e-9
    else:
        p.gamma[3] = float("nan")
    return p


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("sigma", "instance 3: sigma = 0 with eps = 0"),
        ("m", "instance 0: m = 1"),
        ("y", "instance 3: y is not finite"),
        ("nan", "instance 3: y is not finite"),
        ("eps", "instance 3: eps < 0"),
        ("gamma", "instance 3: gamma, beta or eps is not finite"),
    ],
)
def test_an_unfit_problem_gives_no_verdict(what: str, message: str) -> None:
    measured = Measured(broken(what))
    for attempt in (
        lambda: compare(sym.vv <= sym.gg, measured),
        lambda: inside(sym.gy > 0, measured),
    ):
        with pytest.raises(ArithmeticError, match=message) as caught:
            attempt()
        assert "\n" not in str(caught.value)


def test_an_unfit_problem_outside_the_mask_does_no_harm() -> None:
    measured, mask = Measured(broken("sigma")), torch.arange(10) != 3
    assert len(compare(sym.vv <= sym.gg, measured, mask).excess) == 9


def test_an_overflowing_scale_hides_nothing() -> None:
    """The terms are infinite while their difference is not: that is no agreement."""
    problems = draw(4, 3, "squared error", 0, epsilons=(1e-3,))
    problems.gamma[1] = 1e200
    with pytest.raises(ArithmeticError, match="not finite on 1 of 4 instances"):
        compare(sym.vv <= sym.gg, Measured(problems))
