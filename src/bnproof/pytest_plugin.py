"""The pytest fixture `check_layer`, which fails a test if a layer fails a check.

pytest loads this module in every run, so nothing else is imported until the fixture is used.
"""

from collections.abc import Callable, Collection
from typing import Any

import pytest


@pytest.fixture
def check_layer() -> Callable[..., Any]:
    """Check a module with `bnproof.check_layer`, which takes the same arguments.

    The test fails with one line per failed check. `known` lists checks that are expected to fail,
    for example because of a bug in PyTorch; one that passes fails the test.
    """
    from bnproof.theory.common.errors import not_importable

    try:
        from bnproof.simulate.layer_checks.measure import check_layer as measure
    except ImportError as error:
        pytest.fail(f"check_layer: {not_importable(error)}", pytrace=False)

    def check(module: Any, *, known: Collection[str] = (), **options: Any) -> Any:
        report = measure(module, **options)
        failed = {row.check: row for row in report.failed}
        lines = [
            f"{row.part}, {row.check}: measured {row.measured}, allowed {row.tolerance}; {row.note}"
            for name, row in failed.items()
            if name not in known
        ]
        lines += [f"{name}: passes; remove it from `known`" for name in known if name not in failed]
        if lines:
            pytest.fail("\n".join([f"{report.layer} as {report.spec}", *lines]), pytrace=False)
        return report

    return check
