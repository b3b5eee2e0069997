"""A layer at its limits: no spread, two entries, huge and tiny numbers, half precision."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import torch
from torch import Tensor

from bnproof.simulate.layer_checks.case import LayerCase, State
from bnproof.simulate.layer_checks.identify import draw
from bnproof.simulate.layer_checks.module import ModuleUnderTest
from bnproof.simulate.layer_checks.results import CheckResult, Status, attempt, judge, reason, skip
from bnproof.simulate.layer_checks.terms import gradient_terms, output_terms
from bnproof.simulate.relation import TOLERANCE

EXTREMES: Final = "extreme input"
PRECISION: Final = "precision"
# Units in the last place, of the sum of the terms that cancel.  Written step by step in the type
# itself a layer rounds eight times: mean, difference, square, mean, root, quotient, gamma, beta.
ULPS: Final = 8.0
TYPES: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
SCALES: Final = (1e-30, 1e-15, 1e15, 1e30)
Layer = Callable[[Tensor, State], Tensor]


def _errors(
    case: LayerCase, tested: ModuleUnderTest, x: Tensor, state: State, constant: float
) -> tuple[float, float]:
    """Scaled errors of output and gradient in the type of `subject`, against float64.

    The oracle gets the numbers that the layer gets: rounded to its type.
    """
    x, low = x.to(tested.dtype), {k: v.to(tested.dtype) for k, v in state.items()}
    # Of another shape too no constant: a layer that centres sends it to 0, and so do wrong ones.
    b = case.loss.b if x.shape == case.x.shape else draw(tuple(x.shape), 6, str(x.device))
    b = b.to(tested.dtype)

    def both(layer: Layer, leaf: Tensor, given: State, weights: Tensor) -> tuple[Tensor, Tensor]:
        leaf = leaf.detach().requires_grad_()
        z = layer(leaf, given)
        return z.detach().double(), torch.autograd.grad(z, leaf, weights)[0].double()

    found = both(tested, x, low, b)
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
        for a, c, unit in zip(found, truth, units, strict=True)
    ]
    return worst[0], worst[1]


def extreme_rows(case: LayerCase) -> Iterator[CheckResult]:
    """Constant input, m = 2, and scales at which squares leave float32."""
    yield from _constant(case)
    yield from _pair(case)
    narrow = case.tested.at(torch.float32)
    constant = case.spec.constant(torch.float32)
    for scale in SCALES:
        yield _scaled(case, narrow, scale, constant)


def _constant(case: LayerCase) -> Iterator[CheckResult]:
    """At sigma = 0 the output is beta and the gradient gamma A g/sqrt(eps): finite for eps > 0."""
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
    """Two entries a group, where the gradient all but vanishes; the layer's axis must allow it."""
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
    """A shape with two entries a group, the channels as they are; None if there is none."""
    axis, shape = case.spec.axis, tuple(case.x.shape)
    channels, places = shape[1], len(shape) - 2
    options = [shape]
    if axis.channelwise and axis.dims != (1,):  # else gamma's own size is that of a group
        options = [(2, channels, *[1] * places), (2, channels, *[1] * (places - 1), 2)]
    return next((s for s in options if len(s) == len(shape) and axis.size(s) == 2), None)


def _scaled(case: LayerCase, narrow: ModuleUnderTest, scale: float, constant: float) -> CheckResult:
    """The output for input times `scale` in float32."""
    check = f"input times {scale:.0e} in float32"
    x = (case.x / case.x.std() * scale).float()
    limit = TOLERANCE[torch.float32]
    square = scale**2
    outside = square > torch.finfo(torch.float32).max
    lost = square < torch.finfo(torch.float32).tiny and constant == 0

    def measure() -> tuple[float, str]:
        z = narrow(x, {k: v.float() for k, v in case.state.items()})
        error = _errors(case, narrow, x, case.state, constant)[0]
        finite = bool(torch.isfinite(z).all())
        return error, "silently wrong" if finite else "not finite"

    row = attempt(EXTREMES, check, measure, limit)
    if row.outcome is Status.FAIL and (outside or lost):
        words = "overflow" if outside else "vanish, and eps = 0"
        return skip(EXTREMES, check, f"squares {words} in float32: {row.note}", row.measured)
    return row


def precision_rows(case: LayerCase) -> Iterator[CheckResult]:
    """Output and gradient in each type, in units in the last place of the terms that cancel."""
    for name, dtype in TYPES.items():
        ulp = torch.finfo(dtype).eps
        names = (f"{name}: output, ulp", f"{name}: gradient, ulp")
        try:
            constant = case.spec.constant(dtype)
            x = case.x / case.x.std()
            errors = _errors(case, case.tested.at(dtype), x, case.state, constant)
        except (RuntimeError, NotImplementedError) as failure:
            for check in names:
                yield skip(PRECISION, check, f"not on this device: {reason(failure)}")
            continue
        for check, error in zip(names, errors, strict=True):
            yield judge(PRECISION, check, error / ulp, ULPS)
