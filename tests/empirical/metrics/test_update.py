"""The diverging update, on toys whose diverging step is known; moments along it."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from bnproof.empirical.data.images import stream
from bnproof.empirical.data.load import load
from bnproof.empirical.metrics.update import Update, diverging_update, nth_update, replay
from bnproof.empirical.networks.resnet import resnet
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.loop import Trainer

CURVATURE = 2.0


class Bowl(nn.Module):
    """The loss ``a |w|^2/2`` on every batch; descent multiplies w by ``1 - rate a``."""

    def __init__(self, start=1.0):
        super().__init__()
        self.w = nn.Parameter(torch.tensor([start, -start], dtype=torch.float64))

    def loss(self):
        return CURVATURE * self.w.square().sum() / 2

    def descent(self, rate):
        def step():
            value = self.loss()
            (gradient,) = torch.autograd.grad(value, self.w)
            with torch.no_grad():
                self.w -= rate * gradient
            return value.item()

        return step


def first_above(rate, limit):
    """The number of updates after which the bowl's loss, a r^(2n), first passes the limit."""
    growth = abs(1 - rate * CURVATURE)
    return math.floor(math.log(limit / CURVATURE) / (2 * math.log(growth))) + 1


@pytest.mark.parametrize("rate", [1.05, 1.3, 2.0, 40.0])
def test_the_first_diverging_update_of_a_quadratic_is_found(rate):
    bowl, number = Bowl(), first_above(rate, 1e3)
    update = diverging_update(bowl, bowl.descent(rate), limit=1e3, at_most=100)
    assert update.number == number
    factor = 1 - rate * CURVATURE
    start = torch.tensor([1.0, -1.0], dtype=torch.float64)
    torch.testing.assert_close(update.before, (factor ** (number - 1) * start,))
    torch.testing.assert_close(update.after, (factor**number * start,))
    assert update.loss_before <= 1e3 < update.loss_after
    assert update.loss_after == pytest.approx(CURVATURE * factor ** (2 * number))


def test_a_rate_below_two_over_the_curvature_has_no_diverging_update():
    bowl = Bowl()
    assert diverging_update(bowl, bowl.descent(0.99), limit=1e3, at_most=50) is None


def test_the_search_ends_with_the_updates_that_were_asked_for():
    rate = 1.05
    number = first_above(rate, 1e3)
    for at_most, found in ((number - 1, False), (number, True)):
        bowl = Bowl()
        update = diverging_update(bowl, bowl.descent(rate), limit=1e3, at_most=at_most)
        assert (update is not None) is found


def test_a_loss_that_is_no_number_is_divergence():
    losses = iter([1.0, 2.0, math.nan])
    update = diverging_update(Bowl(), lambda: next(losses), limit=1e3, at_most=5)
    assert update.number == 2
    assert math.isnan(update.loss_after)


def test_a_loss_above_the_limit_from_the_start_must_still_rise():
    falling, rising = Bowl(1e3), Bowl(1e3)
    assert diverging_update(falling, falling.descent(0.5), limit=1e3, at_most=5) is None
    update = diverging_update(rising, rising.descent(1.05), limit=1e3, at_most=5)
    assert update.number == 1
    assert update.loss_after > update.loss_before > 1e3


def test_numbers_of_updates_out_of_range_are_refused():
    bowl = Bowl()
    with pytest.raises(ValueError, match="at_most 0"):
        diverging_update(bowl, bowl.descent(0.1), limit=1e3, at_most=0)
    with pytest.raises(ValueError, match="update 0"):
        nth_update(bowl, bowl.descent(0.1), 0)


def test_an_update_has_its_length_and_its_shares():
    bowl = Bowl()
    update = nth_update(bowl, bowl.descent(0.25), 3)  # w halves each time
    assert (update.number, update.loss_before, update.loss_after) == (3, 2 / 16, 2 / 64)
    assert update.length == pytest.approx(2**0.5 / 8)
    for share in (0.0, 0.5, 1.0, 3.0):
        (w,) = update.at(share)
        torch.testing.assert_close(w, (1 - share / 2) * update.before[0])
    assert torch.equal(update.at(1.0)[0], update.after[0])


def test_the_trainer_diverges_at_the_update_that_is_found():
    images = load("photos")
    network = {"family": "resnet", "depth": 8, "norm": "none"}
    training_config = TrainingConfig(network=network, steps=20, rate=1.0, batch=16)
    training = Trainer(training_config, images)
    update = diverging_update(
        training.model, training.update, limit=training_config.limit, at_most=20
    )
    assert training.progress.diverged
    assert training.progress.step == update.number + 1
    inputs, targets = training.task.batch(update.number)
    found = replay(
        training.model,
        training.task.loss,
        inputs,
        targets,
        update=update,
        layers={3: training.model.layer(3)},
        shares=[0.0, 1.0],
    )
    assert found.losses[0] <= training_config.limit
    assert not found.losses[1] <= training_config.limit


def moved(model, scale=1.0):
    """An update by random numbers."""
    before = tuple(p.detach().clone() for p in model.parameters())
    draws = stream(3, "update")
    after = tuple(p + scale * torch.randn(p.shape, generator=draws).to(p) for p in before)
    return Update(1, before, after, 0.0, 0.0)


def replayed(model, inputs, update, layers, shares):
    labels = torch.arange(len(inputs)) % 4
    return replay(
        model,
        functional.cross_entropy,
        inputs,
        labels,
        update=update,
        layers=layers,
        shares=shares,
    )


def test_moments_of_a_linear_layer_move_along_a_parabola():
    model = nn.Linear(5, 4).double()
    inputs = torch.randn(30, 5, generator=stream(0, "x"), dtype=torch.float64)
    update = moved(model)
    shares = [0.0, 0.25, 0.5, 1.0]
    found = replayed(model, inputs, update, {1: model}, shares)
    weight, bias = (update.before[k] for k in (0, 1))
    by_weight, by_bias = (update.after[k] - update.before[k] for k in (0, 1))
    centred = inputs - inputs.mean(0)
    covariance = centred.T @ centred / len(inputs)
    for row, share in enumerate(shares):
        at = weight + share * by_weight
        mean = at @ inputs.mean(0) + bias + share * by_bias
        torch.testing.assert_close(found.means[1][row], mean)
        torch.testing.assert_close(found.variances[1][row], (at @ covariance * at).sum(1))
        output = inputs @ at.T + bias + share * by_bias
        expected = functional.cross_entropy(output, torch.arange(30) % 4).item()
        assert found.losses[row] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_replay_leaves_the_network_and_is_that_of_a_network_with_these_weights(norm):
    model = resnet(8, generator=stream(0, "network"), norm=norm).eval()
    inputs = torch.randn(6, 3, 32, 32, generator=stream(1, "inputs"))
    update = moved(model, 0.01)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = replayed(model, inputs, update, {2: model.layer(2), 6: model.layer(6)}, [0.0, 1.0])
    assert not model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), update.after, strict=True):
            parameter.copy_(value)
    kept = {}
    model.layer(6).register_forward_hook(lambda _m, _i, output: kept.update(output=output))
    model.train()(inputs)
    output = kept["output"].detach().double().transpose(0, 1).flatten(1)
    torch.testing.assert_close(found.means[6][1], output.mean(1))
    torch.testing.assert_close(found.variances[6][1], output.var(1, correction=0))
    assert found.means[2].shape == (2, 16)


@pytest.mark.parametrize("share", [-0.1, math.inf, math.nan])
def test_shares_out_of_range_are_refused(share):
    model = nn.Linear(5, 4)
    with pytest.raises(ValueError, match="at least 0"):
        replayed(model, torch.ones(4, 5), moved(model), {1: model}, [share])
