"""Probes: against explicit formulas, and without a trace on the network."""

import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from bnproof.empirical.data.images import stream
from bnproof.empirical.metrics.table import (
    activation_moments,
    activation_shift,
    along_gradient,
    block_moments,
    convolution_sums,
    covariate_shift,
    dominance,
    gradient_landscape,
    growth,
    kernel_gradients,
    kurtosis,
    logit_gradients,
    loss_surface,
    losses_along_gradient,
    most_predicted,
    rank_correlation,
    row_agreement,
    sgd_step,
    sharpness,
    shuffled,
    shuffled_rows,
    theorem_terms,
)
from bnproof.empirical.networks.resnet import resnet
from bnproof.empirical.networks.undisturbed import captured, undisturbed

NORMS = pytest.mark.parametrize("norm", ["batch", "none"])


@pytest.fixture(params=["cpu", "cuda"])
def device(request):
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU here")
    return request.param


def network(norm="batch", depth=8):
    return resnet(depth, generator=stream(0, "network"), norm=norm)


def images(count=6):
    inputs = torch.randn(count, 3, 32, 32, generator=stream(1, "inputs"))
    return inputs, torch.arange(count) % 10


def explicit_summands(net, layer, inputs, labels):
    """Equation (4) of S3, index by index: d of shape (b, x, y, o, i, x', y'), in float64."""
    convolution = net.layer(layer)
    kept = {}

    def keep(_module, given, output):
        output.retain_grad()
        kept["given"], kept["output"] = given[0], output

    handle = convolution.register_forward_hook(keep)
    functional.cross_entropy(net(inputs), labels).backward()
    handle.remove()
    gradient = kept["output"].grad
    padded = functional.pad(kept["given"].detach(), (1, 1, 1, 1))
    stride = convolution.stride[0]
    side = gradient.shape[-1]
    windows = torch.stack(
        [
            torch.stack(
                [
                    padded[:, :, i : i + stride * side : stride, j : j + stride * side : stride]
                    for j in range(3)
                ],
                dim=-1,
            )
            for i in range(3)
        ],
        dim=-2,
    )
    summands = torch.einsum("boxy,bixypq->bxyoipq", gradient, windows)
    torch.testing.assert_close(summands.sum(dim=(0, 1, 2)), convolution.weight.grad)
    net.zero_grad()
    return summands


@NORMS
@pytest.mark.parametrize("layer", [2, 4, 7])  # stride 1, stride 2, last
def test_convolution_sums_are_those_of_equation_4(norm, layer):
    net = network(norm).double()
    inputs, labels = images(3)
    summands = explicit_summands(net, layer, inputs.double(), labels)
    found = convolution_sums(net, inputs.double(), labels, [layer])[layer]
    means = summands.mean(dim=(0, 1, 2)).abs()
    assert found.a == pytest.approx(summands.abs().mean().item(), rel=1e-12)
    assert found.b == pytest.approx(means.mean().item(), rel=1e-10)
    assert found.ratio == found.a / found.b
    assert found.ratio > 1
    # Control: the absolute value taken after summing over the kernel is another number.
    assert found.b != pytest.approx(summands.mean().abs().item(), rel=0.1)


def test_convolution_sums_of_several_layers_are_those_of_one():
    net, (inputs, labels) = network(), images()
    together = convolution_sums(net, inputs, labels, [3, 6, 2])
    assert list(together) == [3, 6, 2]
    for layer, sums in together.items():
        alone = convolution_sums(net, inputs, labels, [layer])[layer]
        assert sums.ratio == pytest.approx(alone.ratio, rel=1e-5)


def test_random_signs_keep_a_and_change_b():
    net, (inputs, labels) = network("none", depth=56), images()
    plain = convolution_sums(net, inputs, labels, [4])[4]
    first = convolution_sums(net, inputs, labels, [4], stream(0, "signs"))[4]
    again = convolution_sums(net, inputs, labels, [4], stream(0, "signs"))[4]
    assert first == again
    assert first.a == plain.a
    assert first.ratio > 5 * plain.ratio


def test_convolution_sums_work_on_frozen_parameters():
    net, (inputs, labels) = network(), images()
    expected = convolution_sums(net, inputs, labels, [2])
    with torch.no_grad():
        found = convolution_sums(net.requires_grad_(False), inputs, labels, [2])
    assert found == expected
    assert not inputs.requires_grad


@pytest.mark.parametrize("layer", [0, 8, 9])
def test_convolution_sums_refuse_what_is_no_convolution(layer):
    with pytest.raises(ValueError, match=f"layer {layer}"):
        convolution_sums(network(), *images(), [layer])


def outputs_gradient(net, number, inputs, labels):
    """Sum over (b, x, y) of the gradient at a convolution's output, float64."""
    with captured({0: net.layer(number)}) as (_, outputs):
        loss = functional.cross_entropy(net(inputs), labels)
    return torch.autograd.grad(loss, outputs[0])[0].double().sum(dim=(0, 2, 3))


@NORMS
def test_kernel_gradients_are_those_of_autograd(norm):
    net, (inputs, labels) = network(norm), images()
    layers = [5, 2, 4]
    found = kernel_gradients(net, inputs, labels, layers)
    assert list(found) == layers
    with captured({number: net.layer(number) for number in layers}) as (given, _):
        functional.cross_entropy(net(inputs), labels).backward()
    for number, kernel in found.items():
        expected = net.layer(number).weight.grad.double()
        torch.testing.assert_close(kernel.gradient, expected, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(kernel.given, given[number].double().mean(dim=(0, 2, 3)))
        # At the middle of the kernel no padding enters: (4) is linear in the input's mean.
        total = outputs_gradient(net, number, inputs, labels)
        middle = kernel.gradient[:, :, 1, 1] - total[:, None] * kernel.given
        torch.testing.assert_close(kernel.centred[:, :, 1, 1], middle, rtol=1e-3, atol=1e-5)
        assert kernel.sizes.shape == expected.shape[:2]
        assert kernel.sizes[3, 1] == pytest.approx(kernel.gradient[3, 1].abs().sum().item())
    # Control: the two axes of channels are not mixed up.
    assert found[4].sizes.shape == (32, 16)


def test_kernel_gradients_are_refused_for_the_linear_layer():
    with pytest.raises(ValueError, match="layer 8: the linear layer; convolutions are 1 to 7"):
        kernel_gradients(network(), *images(), [8])


def test_kurtosis_of_known_laws():
    normal = torch.randn(200_000, generator=stream(0, "normal"))
    # The sample kurtosis of a normal law has standard error sqrt(24/n) = 0.011.
    assert kurtosis(normal) == pytest.approx(3, abs=0.05)
    assert kurtosis(5 * normal - 2) == pytest.approx(kurtosis(normal), rel=1e-5)
    assert kurtosis(torch.tensor([1.0, -1.0])) == 1
    quantiles = torch.arange(1, 200_000) / 200_000
    laplace = torch.where(quantiles < 0.5, (2 * quantiles).log(), -(2 - 2 * quantiles).log())
    assert kurtosis(laplace) == pytest.approx(6, rel=0.01)
    with pytest.raises(ValueError, match="all values are equal"):
        kurtosis(torch.ones(4))


def test_dominance_needs_structure_not_positive_entries():
    positive = torch.rand(40, 40, generator=stream(0, "entries")) + 1
    assert dominance(positive) < 0.2
    squares = torch.linalg.svdvals(positive).square()
    assert squares[0] / squares[1:].sum() > 20  # not centred: large without any structure
    channels = torch.arange(40.0)
    rows = channels[:, None] + positive
    assert dominance(rows) > 100
    assert dominance(shuffled(rows, stream(0, "shuffle"))) < 0.2
    two = torch.diag(torch.tensor([3.0, -3.0, 2.0, -2.0]))  # entries of mean 0
    assert dominance(two) == pytest.approx(9 / (9 + 4 + 4))
    with pytest.raises(ValueError, match="must be a matrix"):
        dominance(torch.ones(3))
    with pytest.raises(ValueError, match="all entries are equal"):
        dominance(torch.ones(3, 3))


def test_rank_correlation():
    first = torch.tensor([1.0, 5.0, 2.0, 9.0])
    assert rank_correlation(first, first.exp()) == pytest.approx(1)
    assert rank_correlation(first, -first) == pytest.approx(-1)
    assert rank_correlation(first, torch.tensor([1.0, 2.0, 4.0, 3.0])) == pytest.approx(0.4)
    assert np.isnan(rank_correlation(first, torch.ones(4)))
    assert np.isnan(rank_correlation(torch.ones(4), first))
    with pytest.raises(ValueError, match="must be equal"):
        rank_correlation(first, first[:2])


@NORMS
def test_logit_gradients_are_those_of_autograd(norm):
    net, (inputs, labels) = network(norm), images()
    logits = net(inputs).detach().double().requires_grad_()
    functional.cross_entropy(logits, labels, reduction="sum").backward()
    found = logit_gradients(net, inputs, labels)
    torch.testing.assert_close(found, logits.grad)
    torch.testing.assert_close(found.sum(dim=1), torch.zeros(6).double())
    # Control: the gradient of the mean loss is smaller by the batch size.
    assert not torch.allclose(found, logits.grad / 6)


@NORMS
def test_block_moments_are_those_of_the_outputs(norm):
    net, (inputs, _) = network(norm), images()
    x = functional.relu(net.norm1(net.conv1(inputs)))
    found = block_moments(net, inputs)
    assert len(found.means) == len(found.variances) == 3
    for block, mean, variance in zip(net.blocks, found.means, found.variances, strict=True):
        x = block(x)
        torch.testing.assert_close(mean, x.double().mean(dim=(0, 2, 3)), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(
            variance, x.double().var(dim=(0, 2, 3), correction=0), rtol=1e-5, atol=1e-6
        )


def step(net):
    return [0.9 * parameter.detach() for parameter in net.parameters()]


# Every probe, as (network, images, labels, loss) -> what it measures.
METRICS = {
    "block_moments": lambda net, inputs, labels, loss: block_moments(net, inputs),
    "convolution_sums": lambda net, inputs, labels, loss: convolution_sums(
        net, inputs, labels, [2, 5]
    ),
    "random_signs": lambda net, inputs, labels, loss: convolution_sums(
        net, inputs, labels, [2], stream(0, "signs")
    ),
    "kernel_gradients": lambda net, inputs, labels, loss: kernel_gradients(
        net, inputs, labels, [2, 5]
    ),
    "logit_gradients": lambda net, inputs, labels, loss: logit_gradients(net, inputs, labels),
    "activation_moments": lambda net, inputs, labels, loss: activation_moments(
        net, ["blocks.0", "linear"], inputs
    ),
    "activation_shift": lambda net, inputs, labels, loss: activation_shift(
        net, inputs, step(net), ["blocks.0", "linear"]
    ),
}
OF_A_LOSS = {
    "along_gradient": lambda net, inputs, labels, loss: along_gradient(
        net, loss, inputs, labels, (1e-3, 1e-2)
    ),
    "losses_along_gradient": lambda net, inputs, labels, loss: losses_along_gradient(
        net, loss, inputs, labels, (1e-3, 1e-2)
    ),
    "gradient_landscape": lambda net, inputs, labels, loss: gradient_landscape(
        net, loss, inputs, labels, rate=0.01, steps=2
    ),
    "covariate_shift": lambda net, inputs, labels, loss: covariate_shift(
        net, loss, inputs, labels, step(net), [["conv1.weight"], ["linear.weight"]]
    ),
    "sgd_step": lambda net, inputs, labels, loss: [
        sgd_step(net, loss, inputs, labels, rate=0.1) for _ in range(2)
    ],
    "sharpness": lambda net, inputs, labels, loss: [
        sharpness(net, loss, inputs, labels, rate=0.1, tolerance=0.3) for _ in range(2)
    ],
    "loss_surface": lambda net, inputs, labels, loss: loss_surface(
        net, loss, inputs, labels, points=2
    ),
    "theorem_terms": lambda net, inputs, labels, loss: [
        theorem_terms(net, loss, inputs, labels, names=["norm1"], curvature=1) for _ in range(2)
    ],
}
METRICS |= OF_A_LOSS


def traces(net):
    """Everything that a probe must leave alone, bit for bit."""
    return {
        "state": {name: value.clone() for name, value in net.state_dict().items()},
        "gradients": {n: p.grad.clone() for n, p in net.named_parameters() if p.grad is not None},
        "objects": [id(p) for p in net.parameters()] + [id(p.grad) for p in net.parameters()],
        "training": [module.training for module in net.modules()],
        "tracking": [getattr(module, "track_running_stats", None) for module in net.modules()],
        "required": [parameter.requires_grad for parameter in net.parameters()],
        "hooks": [
            len(hooks)
            for module in net.modules()
            for hooks in (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
        ],
        "random": [torch.get_rng_state(), *torch.cuda.get_rng_state_all()],
        "enabled": torch.is_grad_enabled(),
    }


def same(before, after):
    def equal(name):
        return before[name].keys() == after[name].keys() and all(
            torch.equal(value, after[name][key]) for key, value in before[name].items()
        )

    random = zip(before["random"], after["random"], strict=True)
    exact = ("objects", "training", "tracking", "required", "hooks", "enabled")
    return (
        equal("state")
        and equal("gradients")
        and all(torch.equal(one, other) for one, other in random)
        and all(before[name] == after[name] for name in exact)
    )


class Fails(nn.Linear):
    def forward(self, x):
        raise RuntimeError("on purpose")


def in_training(norm="batch", device="cpu"):
    """A network with gradients of a step of its own in it, and a batch."""
    net, (inputs, labels) = network(norm).to(device), images()
    inputs, labels = inputs.to(device), labels.to(device)
    functional.cross_entropy(net(inputs), labels).backward()
    return net, inputs, labels


@pytest.mark.parametrize(("norm", "training"), [("batch", True), ("none", False)])
@pytest.mark.parametrize("metric", METRICS)
def test_probes_leave_no_trace(norm, training, metric, device):
    net, inputs, labels = in_training(norm, device)
    net.train(training).blocks[1].train(not training)  # flags that differ come back too
    before, pixels = traces(net), inputs.clone()
    if (metric, norm) == ("theorem_terms", "none"):
        with pytest.raises(ValueError, match="'norm1' is Identity, not batch normalisation"):
            METRICS[metric](net, inputs, labels, functional.cross_entropy)
    else:
        METRICS[metric](net, inputs, labels, functional.cross_entropy)
    assert same(before, traces(net))
    assert torch.equal(pixels, inputs)


@pytest.mark.parametrize("metric", METRICS)
def test_probes_leave_no_trace_after_an_error(metric, device):
    net, inputs, labels = in_training(device=device)
    net.linear = Fails(64, 10, device=device)
    before = traces(net)
    with pytest.raises(RuntimeError, match="on purpose"):
        METRICS[metric](net, inputs, labels, functional.cross_entropy)
    assert same(before, traces(net))


@pytest.mark.parametrize("calls", [1, 2])
@pytest.mark.parametrize("metric", OF_A_LOSS)
def test_probes_leave_no_trace_after_a_loss_that_fails(metric, calls, device):
    net, inputs, labels = in_training(device=device)
    before, left = traces(net), [calls]

    def fails(outputs, targets):
        left[0] -= 1
        if not left[0]:
            raise RuntimeError("on purpose")
        return functional.cross_entropy(outputs, targets)

    with pytest.raises(RuntimeError, match="on purpose"):
        METRICS[metric](net, inputs, labels, fails)
    assert same(before, traces(net))


@pytest.mark.parametrize("metric", [*OF_A_LOSS, "activation_moments", "activation_shift"])
def test_probes_measure_training_mode_whatever_the_mode(metric):
    net, (inputs, labels) = network(), images()
    rows = [
        repr(METRICS[metric](net.train(mode), inputs, labels, functional.cross_entropy))
        for mode in (True, False)
    ]
    found = [re.sub("0x[0-9a-f]+", "", row) for row in rows]
    assert found[0] == found[1]


@pytest.mark.parametrize("metric", [*OF_A_LOSS, "activation_moments", "activation_shift"])
def test_probes_refuse_a_model_without_parameters_that_need_gradients(metric):
    net, (inputs, labels) = network().requires_grad_(False), images()
    with pytest.raises(ValueError, match="no parameter that requires a gradient"):
        METRICS[metric](net, inputs, labels, functional.cross_entropy)


def test_an_unguarded_pass_does_leave_a_trace():
    net, (inputs, _) = network(), images()
    before = traces(net)
    net(inputs)
    assert not same(before, traces(net))


def test_probes_measure_at_batch_statistics():
    net, (inputs, labels) = network().eval(), images()
    evaluated = net(inputs).detach()
    found = logit_gradients(net, inputs, labels)
    training = net.train()(inputs).softmax(dim=1) - functional.one_hot(labels, 10)
    torch.testing.assert_close(found.float(), training.detach())
    assert not torch.allclose(
        found.float(), evaluated.softmax(dim=1) - functional.one_hot(labels, 10)
    )


def test_undisturbed_restores_the_random_state_that_dropout_moves():
    net = nn.Sequential(nn.Linear(4, 4), nn.Dropout())
    before = torch.get_rng_state()
    with undisturbed(net):
        net(torch.ones(2, 4))
        assert not torch.equal(before, torch.get_rng_state())
    assert torch.equal(before, torch.get_rng_state())


def test_captured_records_inputs_and_outputs_under_their_keys():
    net = network("none")
    inputs, _ = images(2)
    with captured({5: net.conv1, 7: net.linear}) as (given, outputs):
        logits = net(inputs)
    assert given[5] is inputs
    assert torch.equal(outputs[7], logits)
    assert list(outputs) == [5, 7]


def test_growth_of_an_exponential_and_of_a_constant():
    steps = np.arange(20)
    exact = growth(3 * 1.5**steps)
    assert exact.factor == pytest.approx(1.5**19)
    assert exact.straightness == pytest.approx(1)
    assert growth(2 + (-1.0) ** steps).factor == pytest.approx(1, rel=0.3)
    assert growth(1 + steps**4).straightness < 0.95  # a power is not taken for an exponential


def test_agreement_of_rows():
    dominated = torch.zeros(90, 10)
    dominated[:, 3] = 1
    true = torch.arange(90) % 9
    true[true >= 3] += 1
    dominated[torch.arange(90), true] = -1
    found = row_agreement(dominated)
    assert found.top_share == 1
    assert found.cosine == pytest.approx(0.5 + 0.5 * (9 * 10 * 9) / (90 * 89))
    even = torch.full((100, 10), 0.1) - functional.one_hot(torch.arange(100) % 10, 10)
    assert row_agreement(even).top_share == pytest.approx(0.1)
    assert abs(row_agreement(even).cosine) < 0.02


def test_agreement_is_the_mean_over_pairs_and_survives_a_row_of_zeros():
    rows = torch.randn(7, 10, generator=stream(0, "rows"))
    rows[2] = 0
    cosines = functional.cosine_similarity(rows[:, None], rows[None], dim=2)
    expected = cosines[~torch.eye(7, dtype=torch.bool)].mean().item()
    assert row_agreement(rows).cosine == pytest.approx(expected, abs=1e-6)


def test_shuffled_rows_keep_each_row_and_lose_the_column():
    rows = torch.zeros(200, 10)
    rows[:, 3], rows[:, 5] = 1, -1
    shuffled = shuffled_rows(rows, stream(0, "rows"))
    assert torch.equal(shuffled.sort(dim=1).values, rows.sort(dim=1).values)
    assert row_agreement(rows).top_share == 1
    assert row_agreement(shuffled).top_share < 0.2


@NORMS
def test_most_predicted_counts_the_predictions_of_the_network(norm):
    net, (inputs, labels) = network(norm), images(8)
    counts = net(inputs).argmax(dim=1).bincount()
    gradients = logit_gradients(net, inputs, labels)
    assert most_predicted(gradients, labels) == counts.max().item() / 8
    even = torch.full((10, 10), 0.1) + torch.eye(10) - functional.one_hot(torch.arange(10), 10)
    assert most_predicted(even, torch.arange(10)) == 0.1
