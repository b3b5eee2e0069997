"""A pytest fixture that fails a test if a layer fails a check: `check_layer`.

pytest loads this module in every run, whether or not the tests are about layers, so it imports
nothing until the fixture is used.
"""

from collections.abc import Callable, Collection
from typing import Any

import pytest


@pytest.fixture
def check_layer() -> Callable[..., Any]:
    """Check a module as `bnproof.check_layer` does, with the same arguments.

    The test fails with one line for each row that fails. `known` names checks that may fail and,
    so that the list stays true, must: a defect of PyTorch, say.
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
        lines += [f"{name}: passes; take it out of `known`" for name in known if name not in failed]
        if lines:
            pytest.fail("\n".join([f"{report.layer} as {report.spec}", *lines]), pytrace=False)
        return report

    return check
