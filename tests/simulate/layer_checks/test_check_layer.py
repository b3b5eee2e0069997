"""Checks of a person's own layer: right layers pass, each wrong one fails by the check that names
its defect, PyTorch's fused layers fail where they are wrong, and nothing is left behind.
"""

import copy
import json
import re
import subprocess
import sys
import warnings
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import jvp

import bnproof.simulate
from benchmarks.layers import faulty as wrong
from bnproof.simulate.layer_checks import spec as axes
from bnproof.simulate.layer_checks.identify import identify
from bnproof.simulate.layer_checks.measure import PARTS, check_layer
from bnproof.simulate.layer_checks.module import ModuleUnderTest
from bnproof.simulate.layer_checks.results import Report, Status, judge
from bnproof.simulate.layer_checks.spec import NormalizerSpec
from bnproof.simulate.layer_checks.table import LAYERS, summary, table
from bnproof.simulate.layer_checks.terms import GroupTerms
from bnproof.simulate.layer_checks.wrong import Batch, Detached, EpsOutside, Unbiased
from bnproof.simulate.samplers.definitions.normalizers import KINDS
from bnproof.theory.common.errors import UserError

# Routes by which the fused layers of PyTorch give wrong second derivatives (issues 196699, 196700,
# 198017); vmap refuses to update running statistics.
FORWARD_TWICE = ("jacfwd(jacfwd)", "jvp(jvp)", "jacrev(jacfwd)")
SAVED = ("jvp(jacrev)", "hessian", "jacrev(jacrev)")


pytestmark = pytest.mark.xdist_group("layers")  # they share what is measured once


@pytest.fixture(scope="module")
def reports() -> dict[str, Report]:
    made = {name: make() for name, make in LAYERS.items()}
    return {
        name: check_layer(module, spec="batch" if isinstance(module, Batch) else None)
        for name, module in made.items()
    }


FUSED = ("BatchNorm1d", "BatchNorm2d", "LayerNorm", "InstanceNorm2d", "GroupNorm", "RMSNorm")


@pytest.mark.parametrize("name", FUSED)
def test_layers_of_pytorch_are_what_they_say(reports: dict[str, Report], name: str) -> None:
    """All but derivatives by unusual routes: there the installed version may be wrong."""
    report = reports[name]
    odd = ("first derivatives", "second derivatives")
    assert [row for row in report.faults if row.part not in odd] == []
    for check in ("backward", "jvp", "jacrev", "jacfwd", "grad", "double backward, x"):
        assert report.row(check).outcome is Status.PASS, check
    assert report.row("jvp(grad), x").outcome is Status.PASS
    both = report.row("double backward, x and parameters")
    assert both.outcome is Status.PASS
    assert both.measured < 1e-14


def test_primitives_pass_every_check(reports: dict[str, Report]) -> None:
    report = reports["BatchNorm1d from primitives"]
    assert report.passed, report.faults
    assert reports["RMSNorm"].passed, reports["RMSNorm"].faults
    worst = [row.measured for row in report.rows if row.tolerance == 1e-12]
    assert max(worst) < 1e-14
    assert len(worst) > 40


@pytest.mark.xfail(raises=AssertionError, reason="fused layers of PyTorch, issues 196699 ff.")
@pytest.mark.parametrize("name", ["BatchNorm1d", "BatchNorm2d", "LayerNorm", "InstanceNorm2d"])
@pytest.mark.parametrize(
    "check",
    [
        *(f"{route}, x" for route in FORWARD_TWICE),
        *(f"{route}, x and parameters" for route in SAVED),
    ],
)
def test_fused_layers_have_right_second_derivatives(
    reports: dict[str, Report], name: str, check: str
) -> None:
    """Reports by passing that PyTorch has mended a route."""
    row = reports[name].row(check)
    assert row.outcome is Status.PASS, row.note


def test_where_the_fused_layer_is_wrong_it_is_no_rounding(
    reports: dict[str, Report],
) -> None:
    """What fails is off by a million times the rounding of float64, or raises."""
    for name in FUSED:
        for row in reports[name].faults:
            assert "off by" in row.note or row.note.startswith("raises"), row
            assert row.measured is None or row.measured > 1e-6, row


@pytest.mark.parametrize(
    ("layer", "check", "note"),
    [
        (Unbiased, "divides by the biased variance", "m/(m-1) at m = 8: the unbiased one"),
        (Detached, "gradient sees the mean", "the mean was not differentiated"),
        (Detached, "gradient sees the scale", "the scale was not differentiated"),
        (EpsOutside, "eps stands where it should", "eps stands outside the root"),
        (wrong.FrozenMean, "gradient sees the mean", "the mean was not differentiated"),
        (wrong.FrozenScale, "gradient sees the scale", "the scale was not differentiated"),
        (wrong.MeanSquares, "mean 1e7 times the spread", "mean square less squared mean"),
        (wrong.DoubleEps, "eps stands where it should", "S is 1.002"),
        (wrong.Random, "the same call twice", "random or hidden state"),
        (wrong.OnlyWithGradients, "training under no_grad", "changed differently: running_mean"),
        (wrong.BatchAtEvaluation, "gradient in evaluation", "is not gamma g/S"),
        (wrong.BatchAtEvaluation, "evaluation uses the running statistics", "another mean"),
        (wrong.BatchAtEvaluation, "evaluation is affine", "bends"),
        (wrong.LearningAtEvaluation, "evaluation leaves the buffers", "running_mean"),
        (wrong.OtherAtEvaluation, "evaluation equals training", "the two modes differ"),
        (wrong.OtherMomentum, "running mean", "weighs 0.1, where momentum is 0.2"),
        (wrong.AlmostCentred, "shift", ""),
        (wrong.Undefined, "constant input: output", "is not beta"),
        (wrong.FirstSample, "order of samples", "the order of the samples enters"),
        (Unbiased, "m = 2: gradient", ""),
        (Detached, "m = 2: gradient", ""),
        (wrong.FrozenScale, "m = 2: gradient", ""),
    ],
)
def test_a_wrong_layer_fails_the_check_that_names_its_defect(
    cached: Callable[[type], Report], layer: type, check: str, note: str
) -> None:
    report = cached(layer)
    row = report.row(check)
    assert row.outcome is Status.FAULT
    assert note in row.note
    assert not report.passed


CHEAP = [part for part in PARTS if part != "second derivatives"]


@pytest.fixture(scope="module")
def cached() -> Callable[[type], Report]:
    found: dict[type, Report] = {}

    def get(layer: type) -> Report:
        if layer not in found:
            found[layer] = check_layer(layer(3), spec="batch", parts=CHEAP)
        return found[layer]

    return get


def test_every_check_fails_for_some_wrong_layer(
    cached: Callable[[type], Report], reports: dict[str, Report]
) -> None:
    """A check that cannot fail decides nothing."""
    layers = [
        entry
        for entry in vars(wrong).values()
        if isinstance(entry, type) and issubclass(entry, Batch) and entry is not Batch
    ]
    assert len(layers) > 12
    options = {"shape": (4, 6), "eps": 1e-5, "parts": CHEAP}
    found = [*map(cached, layers), *reports.values()]
    found.append(check_layer(EpsOutside(3), parts=CHEAP))
    found.append(check_layer(wrong.Leaking(), spec="layer", **options))
    found.append(check_layer(wrong.UndefinedAtZero(), spec="rms", **options))
    rows = [row for report in found for row in report.rows]
    stated = {"curvature bound (Theorem 4.2)", "x and parameters"}
    stated |= {"input times 1e+30 in float32", "computes in the precision of its input"}
    checks = {row.check for row in rows if row.outcome is not Status.NONE} - stated
    assert checks - {row.check for row in rows if row.outcome is Status.FAULT} == set()


def test_a_defect_leaves_the_other_checks_alone(cached: Callable[[type], Report]) -> None:
    assert cached(wrong.FrozenScale).row("gradient sees the mean").outcome is Status.PASS
    assert cached(Detached).row("agrees with the definition").outcome is Status.PASS
    assert cached(Detached).row("gradient bound (Theorem 4.1)").outcome is Status.FAULT
    assert cached(EpsOutside).row("divides by the biased variance").measured < 1e-5
    assert "differentiated" not in cached(EpsOutside).row("gradient sees the scale").note
    assert [row.check for row in cached(wrong.OtherMomentum).faults] == [
        "running mean",
        "running variance",
    ]
    random = cached(wrong.Random)
    assert random.row("agrees with the definition").outcome is Status.PASS


def test_what_a_layer_is_meant_to_do_is_no_fault(cached: Callable[[type], Report]) -> None:
    """It computes in float32, keeps a biased variance, or cannot be transformed."""
    single = cached(wrong.SinglePrecision)
    (row,) = single.of(Status.LIMIT)
    assert row.check == "computes in the precision of its input"
    assert "float32" in row.note
    running = cached(wrong.Remembering)
    (row,) = running.of(Status.NOTE)
    assert row.check == "running variance"
    assert "biased one, as in Keras" in row.note
    assert all("vmap" in row.check for row in running.of(Status.LIMIT))
    assert single.passed
    assert running.passed


def test_hand_written_derivatives_are_seen() -> None:
    once = check_layer(wrong.OnceRight(), shape=(8, 3), eps=1e-5)
    assert once.spec.startswith("BatchNorm, eps inside")
    assert once.row("backward").outcome is Status.PASS
    row = once.row("double backward, x")
    assert row.outcome is Status.FAULT
    assert "off by" in row.note
    assert "raises" in once.row("jvp").note
    forgetful = check_layer(wrong.Forgetful(), shape=(8, 3), eps=1e-5)
    assert forgetful.row("backward").outcome is Status.FAULT
    assert forgetful.row("gradient sees the scale").outcome is Status.FAULT
    assert forgetful.row("gradient bound (Theorem 4.1)").outcome is Status.FAULT


def test_a_leak_between_samples_is_seen() -> None:
    part = ["invariances"]
    report = check_layer(wrong.Leaking(), shape=(4, 6), spec="layer", eps=1e-5, parts=part)
    assert report.row("other samples").outcome is Status.FAULT
    right = check_layer(nn.LayerNorm(6), parts=part)
    assert right.row("other samples").outcome is Status.PASS
    assert {row.part for row in right.rows} == {"invariances"}
    with pytest.raises(ValueError, match="part 'inverse': must be one of"):
        check_layer(nn.LayerNorm(6), parts=["inverse"])


class Functional(nn.Module):
    """A module of no known type around a function."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def _over(dims: tuple[int, ...], power: float = 2.0, outside: float = 0.0) -> nn.Module:
    def function(x: Tensor) -> Tensor:
        centred = x - x.mean(dims, keepdim=True)
        mean = (centred.abs() ** power).mean(dims, keepdim=True)
        inside = 0.0 if outside or power != 2 else 1e-4
        return centred / ((mean + inside) ** (1 / power) + outside)

    return Functional(function)


@pytest.mark.parametrize(
    ("module", "shape", "expected"),
    [
        (_over((0,)), (8, 3), "BatchNorm, eps inside (one channel over the batch, eps 0.0001)"),
        (_over((0,), outside=1e-3), (8, 3), "BatchNorm, eps outside (one channel over the batch"),
        (_over((0, 2)), (4, 3, 5), "BatchNorm, eps inside (one channel over the batch"),
        (_over((0,), power=4.0), (8, 3), "l_4 BatchNorm"),
        (_over((1,)), (4, 6), "LayerNorm (one sample over its last axis"),
        (_over((1, 2)), (4, 3, 5), "LayerNorm (one sample over its last 2 axes"),
        (_over((2,)), (4, 3, 5), "LayerNorm (one sample over its last axis"),
        (_over((2, 3)), (4, 3, 3, 2), "LayerNorm (one sample over its last 2 axes"),
        (_over((1,)), (4, 3, 3, 2), "LayerNorm (one place of one sample over its channels"),
        (
            Functional(lambda x: nn.functional.group_norm(x, 2)),
            (3, 4, 3),
            "GroupNorm (one sample over its channels in 2 parts, eps 1e-05)",
        ),
        (Functional(lambda x: nn.functional.rms_norm(x, (6,), eps=1e-3)), (3, 6), "RMSNorm"),
    ],
)
def test_an_unknown_module_is_found_out(
    module: nn.Module, shape: tuple[int, ...], expected: str
) -> None:
    tested = ModuleUnderTest(module, "cpu", torch.float64, training=True)
    found, x = identify(module, tested, [shape], None, None, 0)
    assert x.shape == shape
    assert str(found).startswith(expected)
    assert str(found).endswith("by fit")


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_a_group_norm_may_have_any_number_of_groups_that_divides_the_channels(parts: int) -> None:
    module = Functional(lambda x: nn.functional.group_norm(x, parts))
    tested = ModuleUnderTest(module, "cpu", torch.float64, training=True)
    for named in (f"group({parts})", "group"):
        found, _ = identify(module, tested, [(3, 4, 3)], named, None, 0)
        assert f"GroupNorm (one sample over its channels in {parts} parts, eps 1e-05" in str(found)


def test_gamma_stored_less_one_is_found_out() -> None:
    class Offset(nn.RMSNorm):
        def forward(self, x: Tensor) -> Tensor:
            return (1 + self.weight) * nn.functional.rms_norm(x, (6,), eps=self.eps)

    report = check_layer(nn.Sequential(Offset(6, eps=1e-5)), shape=(4, 6))
    assert "gamma = 1 + its parameter" in report.spec
    assert report.passed


def test_eps_zero_makes_theorem_4_2_apply() -> None:
    report = check_layer(_over((0,), outside=0.0, power=2.0), shape=(8, 3), eps=0.0)
    assert report.row("agrees with the definition").outcome is Status.FAULT  # its eps is 1e-4
    exact = Functional(lambda x: (x - x.mean(0)) / x.std(0, correction=0))
    report = check_layer(exact, shape=(8, 3), spec="batch")
    assert report.row("curvature bound (Theorem 4.2)").outcome is Status.PASS
    assert report.row("constant input: output").outcome is Status.NONE
    assert report.passed, report.faults


def test_two_entries_a_group_are_measured(reports: dict[str, Report]) -> None:
    for name in ("BatchNorm1d", "BatchNorm2d", "GroupNorm", "InstanceNorm2d"):
        assert reports[name].row("m = 2: gradient").outcome is Status.PASS
    assert reports["LayerNorm"].row("m = 2: output").outcome is Status.NONE


def test_huge_input_is_stated_and_not_judged(reports: dict[str, Report]) -> None:
    """1e30 squared does not fit float32; 1e15 squared does."""
    for name in FUSED:
        assert reports[name].row("input times 1e+15 in float32").outcome is Status.PASS
        row = reports[name].row("input times 1e+30 in float32")
        assert row.outcome in (Status.PASS, Status.NONE)


class Watched(nn.BatchNorm1d):
    """A layer with something of everything that must stay as it is."""

    def __init__(self) -> None:
        super().__init__(3)
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        torch.rand(2)
        return super().forward(x)


@pytest.mark.parametrize("training", [True, False])
def test_the_module_and_the_random_state_stay_as_they_are(training: bool, device: str) -> None:
    module = Watched().train(training).to(device)
    module(torch.randn(8, 3, device=device)).square().sum().backward()
    module.calls = 0
    before = copy.deepcopy(module.state_dict())
    gradients = [parameter.grad.clone() for parameter in module.parameters()]
    same = [id(tensor) for tensor in (*module.parameters(), *module.buffers())]
    random, python = torch.get_rng_state(), list(warnings.filters)
    check_layer(module, device=device, parts=None if training else CHEAP)
    assert torch.equal(torch.get_rng_state(), random)
    assert list(warnings.filters) == python
    assert module.training is training
    assert module.calls == 0
    assert [id(tensor) for tensor in (*module.parameters(), *module.buffers())] == same
    after = module.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    for parameter, gradient in zip(module.parameters(), gradients, strict=True):
        assert torch.equal(parameter.grad, gradient)
        assert parameter.requires_grad


def test_the_same_seed_gives_the_same_report(device: str) -> None:
    layer, options = nn.RMSNorm(6, eps=1e-5), {"device": device, "parts": CHEAP}
    first, second = (check_layer(layer, **options) for _ in range(2))
    assert first == second
    assert first.passed, first.faults
    other = check_layer(layer, seed=1, **options)
    assert other.passed
    assert other != first


@pytest.mark.parametrize(
    ("module", "options", "message"),
    [
        (nn.BatchNorm1d(3), {"shape": (1, 3)}, "m = 1: a group needs at least 2 entries"),
        (nn.BatchNorm1d(3), {"shape": (8, 4)}, "raises for an input of shape 8x4"),
        (nn.BatchNorm1d(3), {"shape": (8,)}, "give two to five positive sizes"),
        (nn.BatchNorm1d(3), {"spec": "bach"}, "did you mean batch?"),
        (nn.BatchNorm1d(3), {"eps": -1.0}, "eps = -1: must be finite and at least 0"),
        (nn.GroupNorm(2, 4), {"spec": "group(3)"}, "forms no group"),
        (nn.LayerNorm(1), {}, "m = 1"),
        (nn.Identity(), {}, "is affine in its input"),
        (nn.Identity(), {"shape": (8, 3)}, "is affine in its input"),
        (nn.Linear(8, 8), {}, "is affine in its input, as a linear layer"),
        (nn.ReLU(), {}, "has an output that grows with its input"),
        (nn.Sigmoid(), {}, "acts on every entry by itself"),
        (nn.Softmax(-1), {}, "agrees with no known normaliser"),
        (nn.Bilinear(3, 4, 8), {}, "raises for an input of shape 4x8x3x2"),
        (nn.MultiheadAttention(8, 2), {}, "input shape unknown; give --shape"),
        (nn.Linear(3, 4), {"shape": (8, 3)}, "maps shape 8x3 to 8x4"),
        (Functional(lambda x: [x]), {"shape": (8, 3)}, "returns list; it must return a tensor"),
        (Functional(lambda x: x.sum()), {"shape": (8, 3)}, "to a scalar"),
        (Functional(lambda x: x / 0), {"shape": (8, 3)}, "NaN or infinity for a finite input"),
        (Functional(lambda x: x - x), {"shape": (8, 3)}, "returns a constant"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    module: nn.Module, options: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        check_layer(module, **options)
    assert "\n" not in str(caught.value)


def test_negative_eps_of_the_module_is_refused() -> None:
    with pytest.raises(UserError, match="must be finite and at least 0"):
        check_layer(nn.BatchNorm1d(3, eps=-1e-3))
    with pytest.raises(TypeError, match=r"torch\.nn\.Module"):
        check_layer(torch.tanh)


@given(seed=st.integers(0, 1000), name=st.sampled_from(sorted(set(KINDS) - {"WeightNorm"})))
@settings(max_examples=40)
def test_terms_are_at_least_what_they_are_terms_of(seed: int, name: str) -> None:
    """First and second derivatives by forward mode, entry by entry, for every normaliser."""
    generator = torch.Generator().manual_seed(seed)
    x, h, k = torch.randn(3, 5, 2, generator=generator, dtype=torch.float64)
    spec = NormalizerSpec(name, KINDS[name], axes.batch(2), 0.1)
    fold, terms = spec.axis.fold, GroupTerms(spec, x)
    first = jvp(spec.normalised, (x,), (h,))[1]
    second = jvp(lambda y: jvp(spec.normalised, (y,), (h,))[1], (x,), (k,))[1]
    loose = 1 + 1e-9
    assert (fold(spec.normalised(x)).abs() <= terms.n * loose).all()
    assert (fold(first).abs() <= terms.first(fold(h)) * loose).all()
    assert (fold(second).abs() <= terms.second(fold(h), fold(k)) * loose).all()


@given(
    sizes=st.lists(st.integers(1, 4), min_size=2, max_size=5),
    which=st.integers(0, 4),
    parts=st.integers(1, 2),
)
@settings(max_examples=40)
def test_groups_fold_and_unfold(sizes: list[int], which: int, parts: int) -> None:
    dim = len(sizes)
    sizes[1] *= parts
    axis = [
        axes.batch(dim),
        axes.layer(dim, 1),
        axes.channels(),
        axes.group(dim, parts),
        axes.layer(dim, dim - 1),
    ][which]
    x = torch.arange(torch.Size(sizes).numel()).reshape(sizes)
    groups = axis.fold(x)
    assert groups.shape[1] == axis.size(tuple(sizes))
    assert torch.equal(axis.unfold(groups, x.shape), x)


def test_not_a_number_fails() -> None:
    assert judge("p", "c", float("nan"), 1.0).outcome is Status.FAULT
    assert judge("p", "c", float("inf"), 1.0).as_dict()["measured"] is None


def test_the_table_is_json_and_catches_its_controls(reports: dict[str, Report]) -> None:
    rows = [{"layer": name, **summary(report)} for name, report in reports.items()]
    json.dumps(rows, allow_nan=False)
    assert len({tuple(row) for row in rows}) == 1
    by_name = {row["layer"]: row for row in rows}
    assert all(
        "fail" in by_name[name]["second derivatives"] for name in by_name if "control" in name
    )
    assert by_name["control: unbiased variance"]["forward"].startswith("5 of 7 fail")
    assert by_name["BatchNorm1d from primitives"]["second derivatives"] == "all 26 pass"


@pytest.mark.slow
def test_the_table_is_made_of_all_layers(device: str) -> None:
    assert [row["layer"] for row in table(device)] == list(LAYERS)


def test_report_as_text_and_json(reports: dict[str, Report]) -> None:
    report = reports["BatchNorm1d"]
    text = report.lines()
    assert text[-1] == "53 checks passed, 0 faults, 14 limits"
    wrong_text = reports["control: unbiased variance"].lines()
    assert sum("FAULT" in line for line in wrong_text) > 10
    content = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert content["passed"] is True
    assert len(content["rows"]) == len(report.rows)
    with pytest.raises(KeyError, match="no check"):
        report.row("nonsense")


def test_the_names_of_a_report_are_unique(reports: dict[str, Report]) -> None:
    for report in reports.values():
        names = [row.check for row in report.rows]
        assert len(set(names)) == len(names)


def test_simulate_exports_it_and_stays_light() -> None:
    assert bnproof.check_layer is check_layer
    with pytest.raises(AttributeError, match="no attribute"):
        bnproof.simulate.nothing  # noqa: B018
    code = "import sys, bnproof.simulate; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
