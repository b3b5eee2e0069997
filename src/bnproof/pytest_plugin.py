"""The pytest fixture `check_layer`, which fails a test if a layer has a fault.

pytest loads this module in every run, so nothing else is imported until the fixture is used.
"""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def check_layer() -> Callable[..., Any]:
    """Check a module with `bnproof.check_layer`, which takes the same arguments.

    The test fails with one line per fault, or if the module cannot be measured. `known` lists
    checks in which a fault is expected; one that finds none fails the test.
    """
    from bnproof.theory.common.errors import UserError, not_importable

    try:
        from bnproof.simulate.layer_checks.measure import check_layer as measure
    except ImportError as error:
        pytest.fail(f"check_layer: {not_importable(error)}", pytrace=False)

    def check(module: Any, **options: Any) -> Any:
        try:
            report = measure(module, **options)
        except (UserError, TypeError, ValueError) as error:
            pytest.fail(f"check_layer: {error}", pytrace=False)
        lines = [
            f"{row.part}, {row.check}: measured {row.measured}, allowed {row.tolerance}; {row.note}"
            for row in report.faults
        ]
        if lines:
            pytest.fail("\n".join([f"{report.layer} as {report.spec}", *lines]), pytrace=False)
        return report

    return check
