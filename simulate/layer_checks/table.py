"""Table of all checks for the layers of PyTorch, with faulty layers as controls."""

from collections.abc import Callable
from typing import Final

from torch import nn

from bnproof.simulate.layer_checks import wrong
from bnproof.simulate.layer_checks.measure import check_layer
from bnproof.simulate.layer_checks.results import CheckResult, Report, Status

SHOWN: Final = 2
LAYERS: Final[dict[str, Callable[[], nn.Module]]] = {
    "BatchNorm1d": lambda: nn.BatchNorm1d(3),
    "BatchNorm2d": lambda: nn.BatchNorm2d(3),
    "LayerNorm": lambda: nn.LayerNorm(6),
    "GroupNorm": lambda: nn.GroupNorm(2, 4),
    "InstanceNorm2d": lambda: nn.InstanceNorm2d(3, affine=True),
    "RMSNorm": lambda: nn.RMSNorm(6, eps=1e-5),
    "BatchNorm1d from primitives": lambda: wrong.Batch(3),
    "control: unbiased variance": lambda: wrong.Unbiased(3),
    "control: detached statistics": lambda: wrong.Detached(3),
    "control: eps outside the root": lambda: wrong.EpsOutside(3),
}


def table(device: str = "cpu", seed: int = 0) -> list[dict[str, str]]:
    """One row per layer, one column per part: the number of passed checks, names of failed ones."""
    rows = []
    for name, make in LAYERS.items():
        module = make()
        named = "batch" if isinstance(module, wrong.Batch) else None
        rows.append(
            {
                "layer": name,
                **summary(check_layer(module, spec=named, device=device, seed=seed)),
            }
        )
    return rows


def summary(report: Report) -> dict[str, str]:
    """For each part of the report, a summary of passed and failed checks."""
    parts: dict[str, list[CheckResult]] = {}
    for row in report.rows:
        parts.setdefault(row.part, []).append(row)
    return {part: _cell(rows) for part, rows in parts.items()}


def _cell(rows: list[CheckResult]) -> str:
    failed = [row.check for row in rows if row.outcome is Status.FAULT]
    limits = sum(row.outcome is Status.LIMIT for row in rows)
    count = len(failed) + sum(row.outcome is Status.PASS for row in rows)
    if not count:
        return "not applicable"
    if not failed:
        return f"all {count} pass" + (f", {limits} limits" if limits else "")
    more = f" and {len(failed) - SHOWN} more" if len(failed) > SHOWN else ""
    return f"{len(failed)} of {count} fail: {'; '.join(failed[:SHOWN])}{more}"
