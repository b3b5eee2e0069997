"""Check one layer: identify its normaliser, then test everything claimed about it."""

import difflib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import torch
from torch import nn

from bnproof.simulate.layer_checks.bounds import BOUNDS, bound_rows
from bnproof.simulate.layer_checks.case import LayerCase
from bnproof.simulate.layer_checks.cause import cause
from bnproof.simulate.layer_checks.derivatives import FIRST, SECOND, first_rows, second_rows
from bnproof.simulate.layer_checks.extremes import EXTREMES, PRECISION, extreme_rows, precision_rows
from bnproof.simulate.layer_checks.forward import (
    FORWARD,
    INVARIANCES,
    forward_rows,
    invariance_rows,
)
from bnproof.simulate.layer_checks.fused import narrowest
from bnproof.simulate.layer_checks.identify import draw_state, identify, shapes
from bnproof.simulate.layer_checks.modes import MODES, mode_rows
from bnproof.simulate.layer_checks.module import ModuleUnderTest, name_of, undisturbed
from bnproof.simulate.layer_checks.results import CheckResult, Report, Status
from bnproof.simulate.relation import TOLERANCE
from bnproof.simulate.threads import one_thread
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


@one_thread()
def check_layer(
    module: nn.Module,
    *,
    spec: str | None = None,
    shape: tuple[int, ...] | None = None,
    eps: float | None = None,
    device: str = "cpu",
    seed: int = 0,
    parts: Collection[str] | None = None,
    known: Collection[str] = (),
) -> Report:
    """Check a normalisation layer against its definition.

    Copies of the module are measured in float64 and in smaller dtypes; the module itself, its
    mode, gradients and buffers, and PyTorch's random state do not change.

    Parameters
    ----------
    module
        Any module that normalises: one tensor in, one of the same shape out.
    spec
        What it should be: ``batch``, ``layer``, ``rms``, ``group``, ``group(4)``, ``instance``.
        By default from the type for PyTorch's own classes and classes derived from them; any other
        module is taken for the normaliser of `bnproof.theory.normalizers.table` that fits it.
    shape
        Shape of the input, (batch, channels or features, ...); by default from the module.
    eps
        The constant that it should have; by default its attribute ``eps``, else inferred from its
        output.
    device
        PyTorch device to measure on.
    seed
        Seed of input and parameters; loss and directions are the same for every seed.
    parts
        Names in `PARTS` to measure; all by default.
    known
        Names of checks in which a fault is expected, for example because of a bug in PyTorch: it
        becomes a note.  A check that finds no fault must not be named.

    Returns
    -------
    Report
        One row per check.

    Raises
    ------
    TypeError
        If `module` is not a `torch.nn.Module`.
    ValueError
        If a part is unknown, or `known` names an unknown check or one that finds no fault.
    UserError
        If the module cannot be measured: its input shape is unknown; it raises, or does not return
        a finite tensor of the input's shape; a group has one entry; eps is negative; or it fits no
        known normaliser.

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
        raise ValueError(f"part {unknown[0]!r}: must be one of {', '.join(PARTS)}")
    if shape is not None and (len(shape) < 2 or min(shape) < 1):
        raise UserError(f"shape {shape}: give two to five positive sizes, such as 64,8 or 64,3,8,8")
    with undisturbed(device):
        tested = ModuleUnderTest(module, device, torch.float64, training=True)
        options = shapes(module) if shape is None else [tuple(shape)]
        case = _case(module, tested, options, spec, eps, seed)
        rows = tuple(_excused(_rows(case, PARTS if parts is None else parts), known))
        words = cause(case, rows)
    where = torch.cuda.get_device_name() if device.startswith("cuda") else device
    shape = tuple(case.x.shape)
    return Report(name_of(module), str(case.spec), shape, where, torch.__version__, rows, words)


def _case(
    module: nn.Module,
    tested: ModuleUnderTest,
    options: Sequence[tuple[int, ...]],
    named: str | None,
    eps: float | None,
    seed: int,
) -> LayerCase:
    spec, x = identify(module, tested, options, named, eps, seed)
    state = {k: v for k, v in draw_state(tested, seed).items() if k in (spec.gain, spec.bias)}
    lowest = narrowest(tested, x, state)
    return LayerCase(tested, spec, x, state, TOLERANCE.get(lowest, TOLERANCE[torch.float32]))


def _rows(case: LayerCase, parts: Collection[str]) -> Iterator[CheckResult]:
    for name, measure in PARTS.items():
        if name in parts:
            yield from measure(case)


def _excused(rows: Iterator[CheckResult], known: Collection[str]) -> Iterator[CheckResult]:
    """Turn the faults that are expected into notes.

    Raises
    ------
    ValueError
        If an expected fault is not found.
    """
    left, names = set(known), []
    for row in rows:
        names.append(row.check)
        if row.check in left and row.outcome is Status.FAULT:
            left.remove(row.check)
            row = replace(row, outcome=Status.NOTE, note=f"known: {row.note}")
        yield row
    for name in sorted(left):
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        if name in names:
            raise ValueError(f"known {name!r}: this check finds no fault; remove it")
        raise ValueError(f"known {name!r}: there is no such check{hint}")
