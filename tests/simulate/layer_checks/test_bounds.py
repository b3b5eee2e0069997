"""The theorems on a layer's own derivatives: to which layers they apply, and what fails them."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from bnproof.simulate.layer_checks.bounds import NAMES, Groups, bound_rows
from bnproof.simulate.layer_checks.case import LayerCase
from bnproof.simulate.layer_checks.results import CheckResult, Status
from bnproof.simulate.layer_checks.spec import NormalizerSpec
from bnproof.simulate.samplers.definitions.normalizers import KINDS

TrialOf = Callable[..., LayerCase]
GRADIENT, EXACT, CURVATURE = NAMES


def rows_of(trial: LayerCase) -> dict[str, CheckResult]:
    rows = {row.check: row for row in bound_rows(trial)}
    assert tuple(rows) == NAMES
    return rows


class Right(nn.Module):
    """What is declared, without gamma and beta."""

    def __init__(self, spec: NormalizerSpec) -> None:
        super().__init__()
        self.normalised = spec.normalised

    def forward(self, x: Tensor) -> Tensor:
        return self.normalised(x)


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"WeightNorm"}))
def test_a_right_layer_passes_or_the_theorems_are_not_about_it(
    trial_of: TrialOf, kind: str
) -> None:
    """They speak of root mean squares of what is divided: of no l_1 norm, say."""
    rows, of = rows_of(trial_of(Right, kind, 0.1)), KINDS[kind]
    applies = of.power == 2 and of.centred == of.scale_centred
    inside = applies and of.eps_at != "outside"
    assert rows[GRADIENT].outcome is (Status.PASS if applies else Status.NONE)
    assert rows[EXACT].outcome is (Status.PASS if inside else Status.NONE)
    judged = inside and not of.eps_at  # Theorem 4.2 holds at eps = 0
    assert rows[CURVATURE].outcome is (Status.PASS if judged else Status.NONE)


class Pulled(torch.autograd.Function):
    """The identity, whose backward multiplies each channel by a number."""

    @staticmethod
    def forward(ctx: object, x: Tensor, factor: Tensor) -> Tensor:
        ctx.save_for_backward(factor)
        return x.clone()

    @staticmethod
    def backward(ctx: object, g: Tensor) -> tuple[Tensor, None]:
        return g * ctx.saved_tensors[0], None


@pytest.mark.parametrize(("share", "outcome"), [(0.999, Status.PASS), (1.001, Status.FAULT)])
def test_a_gradient_a_little_too_long_in_one_group_is_seen(
    trial_of: TrialOf, share: float, outcome: Status
) -> None:
    """Eps leaves all others far below the bound: what is judged is the largest excess."""
    trial = trial_of(Right, eps=0.5, shape=(8, 5))
    (right, *_), groups = bound_rows(trial), Groups(trial)
    assert right.outcome is Status.PASS
    assert "fails on 5 of 5 groups" in right.note
    Af = groups.f - groups.f.mean(-1, keepdim=True)
    bound = (Af.square().sum(-1) - (groups.f * groups.n).sum(-1) ** 2 / 8) / groups.S**2
    shares = groups.v.square().sum(-1) / bound
    assert (shares < 0.99).sum() > 2

    class Long(Right):
        def forward(self, x: Tensor) -> Tensor:
            factors = torch.ones(x.shape[1]).to(x)
            factors[-1] = (share / shares[-1]).sqrt()
            return super().forward(Pulled.apply(x, factors))

    assert rows_of(trial_of(Long, eps=0.5, shape=(8, 5)))[GRADIENT].outcome is outcome


def bent(size: float) -> type[nn.Module]:
    """A layer with the value and the gradient of the right one and another curvature."""

    class Bent(Right):
        def forward(self, x: Tensor) -> Tensor:
            off = x - x.detach()
            return super().forward(x) + size * off * off

    return Bent


def test_only_too_large_a_curvature_breaks_theorem_4_2(trial_of: TrialOf) -> None:
    kind = "l_2 BatchNorm"  # eps = 0, where it is an identity of the right layer
    right = Groups(trial_of(Right, kind, shape=(8, 1))).curvature()
    outcomes = []
    for size in (-1.0, 1.0):
        trial = trial_of(bent(size), kind, shape=(8, 1))
        found, exact, _ = Groups(trial).curvature()
        torch.testing.assert_close(exact, right[1])
        rows = rows_of(trial)
        assert rows[GRADIENT].outcome is Status.PASS
        assert rows[EXACT].outcome is Status.FAULT
        assert rows[CURVATURE].outcome is (Status.FAULT if found > exact else Status.PASS)
        outcomes.append(rows[CURVATURE].outcome)
    assert len(set(outcomes)) == 2


def test_a_curvature_wrong_in_one_group_is_seen(trial_of: TrialOf) -> None:
    class OneBent(Right):
        def forward(self, x: Tensor) -> Tensor:
            off = (x - x.detach()) * (torch.arange(x.shape[1]) == 1)
            return super().forward(x) + 1e-3 * off * off

    row = rows_of(trial_of(OneBent, shape=(8, 5)))[EXACT]
    assert row.outcome is Status.FAULT
    assert "of the largest" in row.note


@pytest.mark.parametrize(("share", "outcome"), [(0.5, Status.PASS), (2.5, Status.FAULT)])
@pytest.mark.parametrize("name", [EXACT, CURVATURE])
def test_a_curvature_a_little_wrong_in_one_group_is_seen(
    trial_of: TrialOf, name: str, share: float, outcome: Status
) -> None:
    """The largest error of a group counts, and not their mean, which is a fifth of it."""

    def bent_in_one(size: float) -> type[nn.Module]:
        class OneBent(Right):
            def forward(self, x: Tensor) -> Tensor:
                off = (x - x.detach()) * (torch.arange(x.shape[1]) == 1)
                return super().forward(x) + size * off * off

        return OneBent

    def trial(size: float) -> LayerCase:
        return trial_of(bent_in_one(size), "l_2 BatchNorm", shape=(8, 5))

    measured, exact, terms = Groups(trial(1.0)).curvature()
    error = ((measured - exact) / terms)[1].item()  # proportional to the size
    size = share * trial(1.0).tolerance / error
    assert rows_of(trial(size))[name].outcome is outcome


def test_terms_of_the_letters_are_at_least_the_letters(trial_of: TrialOf) -> None:
    groups = Groups(trial_of(Right, shape=(8, 5)))
    for symbol, terms in Groups.MAGNITUDES.items():
        assert (terms(groups) >= groups.value(symbol).abs()).all(), symbol
        assert (terms(groups) < 1e5 * groups.value(symbol).abs()).all(), symbol
