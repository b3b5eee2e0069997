"""Check one layer: identify it, then measure all that is claimed of such a layer."""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final

import torch
from torch import Tensor, nn

from bnproof.simulate.layer_checks.bounds import BOUNDS, bound_rows
from bnproof.simulate.layer_checks.case import LayerCase
from bnproof.simulate.layer_checks.derivatives import FIRST, SECOND, first_rows, second_rows
from bnproof.simulate.layer_checks.extremes import EXTREMES, PRECISION, extreme_rows, precision_rows
from bnproof.simulate.layer_checks.forward import (
    FORWARD,
    INVARIANCES,
    forward_rows,
    invariance_rows,
)
from bnproof.simulate.layer_checks.identify import default_shape, draw, draw_state, identify
from bnproof.simulate.layer_checks.modes import MODES, mode_rows
from bnproof.simulate.layer_checks.module import ModuleUnderTest, name_of, undisturbed
from bnproof.simulate.layer_checks.results import CheckResult, Report
from bnproof.simulate.relation import TOLERANCE
from bnproof.theory.common.errors import UserError

PARTS: Final[dict[str, Callable[[LayerCase], Iterable[CheckResult]]]] = {
    FORWARD: forward_rows,
    FIRST: first_rows,
    SECOND: second_rows,
    BOUNDS: bound_rows,
    INVARIANCES: invariance_rows,
    EXTREMES: extreme_rows,
    PRECISION: precision_rows,
    MODES: mode_rows,
}


def check_layer(
    module: nn.Module,
    *,
    spec: str | None = None,
    shape: tuple[int, ...] | None = None,
    eps: float | None = None,
    device: str = "cpu",
    seed: int = 0,
    parts: Collection[str] | None = None,
) -> Report:
    """Measure a layer against the normaliser that it should be.

    Copies of the module are measured, in float64 and in smaller types; the module itself, its
    mode, gradients and buffers, and PyTorch's random state stay as they are.

    Parameters
    ----------
    module
        Any module that normalises: one tensor in, one of the same shape out.
    declared
        What it should be: ``batch``, ``layer``, ``rms``, ``group``, ``group(4)``, ``instance``.
        By default PyTorch's own classes and those derived from them say so themselves; any other
        module is taken for the normaliser of `bnproof.theory.normalizers.table` that it agrees
        with.
    shape
        Shape of the input, (batch, channels or features, ...); by default from the module.
    eps
        The constant that it should have; by default its attribute ``eps``, else what it does.
    device
        Where to measure.
    seed
        Seed of input and parameters; loss and directions are the same for every seed.
    parts
        Names of `PARTS` to measure; all by default.

    Returns
    -------
    Report
        One row a check.

    Raises
    ------
    TypeError
        If `module` is no module.
    ValueError
        If a part is unknown.
    UserError
        If the module cannot be measured: nothing tells the input's shape, the module raises on
        it, returns another shape, no tensor, NaN or infinity; a group has one entry; eps is
        negative; or it agrees with no known normaliser.

    Examples
    --------
    >>> import bnproof, torch
    >>> report = bnproof.check_layer(torch.nn.RMSNorm(6, eps=1e-5))
    >>> report.passed
    True
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"check_layer takes a torch.nn.Module, not {type(module).__name__}")
    unknown = sorted(set(parts or ()) - PARTS.keys())
    if unknown:
        raise ValueError(f"unknown part {unknown[0]!r}; known: {', '.join(PARTS)}")
    size = default_shape(module) if shape is None else shape
    if len(size) < 2 or min(size) < 1:
        raise UserError(f"shape {size}: give two to five positive sizes, say 64,8 or 64,3,8,8")
    with undisturbed(device):
        tested = ModuleUnderTest(module, device, torch.float64, training=True)
        x = draw(size, seed, device)
        case = _trial(module, tested, x, spec, eps, seed)
        rows = tuple(_rows(case, PARTS if parts is None else parts))
    where = torch.cuda.get_device_name() if device.startswith("cuda") else device
    return Report(name_of(module), str(case.spec), tuple(size), where, torch.__version__, rows)


def _trial(
    module: nn.Module,
    tested: ModuleUnderTest,
    x: Tensor,
    named: str | None,
    eps: float | None,
    seed: int,
) -> LayerCase:
    spec = identify(module, tested, x, named, eps, seed)
    state = {k: v for k, v in draw_state(tested, seed).items() if k in (spec.gain, spec.bias)}
    # A layer that rounds its input to float32 gives the same bits for the rounded input.
    rounds = torch.equal(tested(x, state), tested(x.float().double(), state))
    return LayerCase(tested, spec, x, state, TOLERANCE[torch.float32 if rounds else x.dtype])


def _rows(case: LayerCase, parts: Collection[str]) -> Iterator[CheckResult]:
    for name, measure in PARTS.items():
        if name in parts:
            yield from measure(case)
