"""Extreme inputs: constant groups, two entries, huge and tiny numbers, half precision."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Final

import torch
from torch import Tensor

from bnproof.simulate.layer_checks import fused
from bnproof.simulate.layer_checks.case import LayerCase, State
from bnproof.simulate.layer_checks.identify import draw
from bnproof.simulate.layer_checks.module import ModuleUnderTest
from bnproof.simulate.layer_checks.results import CheckResult, Status, attempt, judge, reason, skip
from bnproof.simulate.layer_checks.terms import gradient_terms, output_terms
from bnproof.simulate.relation import TOLERANCE

EXTREMES: Final = "extreme input"
PRECISION: Final = "precision"
# Units in the last place, relative to the sum of the terms that cancel.  A layer written step by
# step in one dtype rounds eight times: mean, difference, square, mean, root, quotient, gamma, beta.
ULPS: Final = 8.0
LEEWAY: Final = 2.0  # times the error of PyTorch's own layer
TYPES: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
SCALES: Final = (1e-30, 1e-15, 1e15, 1e30)
Layer = Callable[[Tensor, State], Tensor]


def _errors(
    case: LayerCase,
    tested: Layer,
    x: Tensor,
    state: State,
    constant: float,
    dtype: torch.dtype = torch.float64,
) -> tuple[float, float]:
    """Scaled errors of output and gradient of a layer in `dtype`, against float64.

    The reference gets the same inputs as the layer, rounded to its dtype.
    """
    x, low = x.to(dtype), {k: v.to(dtype) for k, v in state.items()}
    # The gradient at z must not be constant: a layer that centres maps constants to 0.
    b = case.loss.b if x.shape == case.x.shape else draw(tuple(x.shape), 6, str(x.device))
    b = b.to(dtype)

    def both(layer: Layer, leaf: Tensor, given: State, weights: Tensor) -> tuple[Tensor, Tensor]:
        leaf = leaf.detach().requires_grad_()
        z = layer(leaf, given)
        return z.detach().double(), torch.autograd.grad(z, leaf, weights.to(z))[0].double()

    measured = both(tested, x, low, b)
    wide, exact = x.double(), {k: v.double() for k, v in low.items()}

    def definition(leaf: Tensor, given: State) -> Tensor:
        return case.spec.output(leaf, given, constant)

    truth = both(definition, wide, exact, b.double())
    units = (
        output_terms(case.spec, wide, exact, constant),
        gradient_terms(case.spec, wide, exact, b.double(), constant),
    )
    worst = [
        ((a - c).abs() / torch.where(unit > 0, unit, 1.0)).max().item()
        for a, c, unit in zip(measured, truth, units, strict=True)
    ]
    return worst[0], worst[1]


def extreme_rows(case: LayerCase) -> Iterator[CheckResult]:
    """Check constant input, m = 2, and scales whose squares leave the range of float32."""
    yield from _constant(case)
    yield from _pair(case)
    narrow = case.tested.at(torch.float32)
    constant = case.spec.constant(torch.float32)
    for scale in SCALES:
        yield _scaled(case, narrow, scale, constant)


def _constant(case: LayerCase) -> Iterator[CheckResult]:
    """At sigma = 0 and eps > 0 the output is beta and the gradient gamma A g/sqrt(eps)."""
    constant, kind = case.spec.constant(case.x.dtype), case.spec.kind
    words = "constant input" if kind.scale_centred else "zero input"
    names = (f"{words}: output", f"{words}: gradient")
    if constant == 0:
        for name in names:
            yield skip(EXTREMES, name, "eps = 0: the definition is 0/0 there")
        return
    x = torch.full_like(case.x, 0.7 if kind.scale_centred else 0.0)
    limit = case.tolerance
    yield attempt(EXTREMES, names[0], lambda: (case.error(x), "is not beta"), limit)
    if kind.eps_at != "inside":
        yield skip(EXTREMES, names[1], "with eps outside the root the layer has a corner there")
        return

    def gradient() -> tuple[float, str]:
        error = _errors(case, case.tested, x, case.state, constant)[1]
        return error, "is not gamma A g/sqrt(eps)"

    yield attempt(EXTREMES, names[1], gradient, limit)


def _pair(case: LayerCase) -> Iterator[CheckResult]:
    """Groups of two entries, where the gradient almost vanishes, if the axis allows them."""
    shape = _pair_shape(case)
    names = ("m = 2: output", "m = 2: gradient")
    if shape is None:
        for name in names:
            yield skip(EXTREMES, name, "the size of a group is fixed by the layer")
        return
    x = draw(shape, 5, str(case.x.device))
    constant = case.spec.constant(x.dtype)

    def pair(number: int) -> tuple[float, str]:
        return _errors(case, case.tested, x, case.state, constant)[number], ""

    for number, name in enumerate(names):
        yield attempt(EXTREMES, name, partial(pair, number), case.tolerance)


def _pair_shape(case: LayerCase) -> tuple[int, ...] | None:
    """A shape with the same channels and two entries per group, or None."""
    axis, shape = case.spec.axis, tuple(case.x.shape)
    channels, places = shape[1], len(shape) - 2
    options = [shape]
    if axis.channelwise and axis.dims != (1,):  # otherwise gamma has the size of a group
        options = [(2, channels, *[1] * places), (2, channels, *[1] * (places - 1), 2)]
    return next((s for s in options if len(s) == len(shape) and axis.size(s) == 2), None)


def _scaled(case: LayerCase, narrow: ModuleUnderTest, scale: float, constant: float) -> CheckResult:
    """Check the output in float32 for the input times `scale`."""
    check = f"input times {scale:.0e} in float32"
    x = (case.x / case.x.std() * scale).float()
    limit = TOLERANCE[torch.float32]
    power = case.spec.kind.power
    size = scale ** (power if math.isfinite(power) else 1.0)
    outside = size > torch.finfo(torch.float32).max
    lost = size < torch.finfo(torch.float32).tiny and constant == 0

    def measure() -> tuple[float, str]:
        z = narrow(x, {k: v.float() for k, v in case.state.items()})
        error = _errors(case, narrow, x, case.state, constant, torch.float32)[0]
        finite = bool(torch.isfinite(z).all())
        return error, "silently wrong" if finite else "not finite"

    row = attempt(EXTREMES, check, measure, limit)
    if row.outcome is Status.FAULT and (outside or lost):
        words = "overflow" if outside else "vanish, and eps = 0"
        powers = "squares" if power == 2 else "powers"
        return skip(EXTREMES, check, f"{powers} {words} in float32: {row.note}", row.measured)
    return row


def precision_rows(case: LayerCase) -> Iterator[CheckResult]:
    """Check output and gradient in each dtype, in units in the last place of their terms.

    What PyTorch's own layer of that specification rounds as well, or cannot do, is no fault.
    """
    own = fused.own_layer(case.spec)
    for name, dtype in TYPES.items():
        names = (f"{name}: output, ulp", f"{name}: gradient, ulp")
        theirs = None if own is None else _in_type(case, own, dtype)
        errors = _in_type(case, case.tested.at(dtype), dtype)
        if isinstance(errors, str):
            raising = Status.FAULT if isinstance(theirs, tuple) else Status.NONE
            for check in names:
                yield CheckResult(PRECISION, check, raising, note=f"raises {errors}")
            continue
        for number, (check, error) in enumerate(zip(names, errors, strict=True)):
            row = judge(PRECISION, check, error, ULPS)
            if isinstance(theirs, tuple):
                words = f"PyTorch's own layer: {theirs[number]:.1e}"
                limit = row.outcome is Status.FAULT and error <= LEEWAY * theirs[number]
                row = replace(row, outcome=Status.LIMIT if limit else row.outcome, note=words)
            yield row


def _in_type(case: LayerCase, layer: Layer, dtype: torch.dtype) -> tuple[float, float] | str:
    """Errors of output and gradient in units in the last place, or why there are none."""
    x, constant = case.x / case.x.std(), case.spec.constant(dtype)
    try:
        errors = _errors(case, layer, x, case.state, constant, dtype)
    except Exception as failure:
        return reason(failure)
    ulp = torch.finfo(dtype).eps
    return errors[0] / ulp, errors[1] / ulp
