"""Does it hold on random instances: networks and random matrices, in PyTorch."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bnproof.simulate.layer_checks.measure import check_layer as check_layer

__all__ = ["check_layer"]


def __getattr__(name: str) -> Any:
    """Import `check_layer` when it is first asked for: `import bnproof.simulate` stays light."""
    if name != "check_layer":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from bnproof.simulate.layer_checks.measure import check_layer

    return check_layer
