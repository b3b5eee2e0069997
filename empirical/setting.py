"""The setting of an experiment beside that of its source, in words.

An experiment reproduces a statement, or does not, only at the source's own setting: its network,
its images and its length.  Anything smaller is a miniature.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bnproof.theory.claim import Scale

IMAGES: Final = "CIFAR-10"
UNKNOWN: Final = "not recorded"
OWN: Final = "the source describes no experiment: network and protocol are ours"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The source's own setting, and the scales that meet it.

    Attributes
    ----------
    network
        The network of each scale, compared with the source's; by default its architecture.
    updates
        Updates of a training run of the source; 0 if nothing is trained or the number is unknown.
    scales
        Scales at the source's own setting; by default all that are not smoke if nothing is trained,
        else the largest.
    deviations
        What differs from the source even there.
    """

    network: Mapping[Scale, str] | None = None
    updates: int = 0
    scales: frozenset[Scale] | None = None
    deviations: tuple[str, ...] = ()

    def met(self, about: Mapping[str, Any], *, trains: bool, own_data: bool) -> bool:
        """Whether measurements with this provenance were made at the source's setting."""
        scales = self.scales
        if scales is None:
            scales = frozenset({Scale.PAPER} if trains else set(Scale) - {Scale.SMOKE})
        images = own_data or str(about["data set"]).startswith(IMAGES)
        return Scale(about["scale"]) in scales and images and not about.get("variant")

    def words(self, about: Mapping[str, Any], *, updates: int) -> str:
        """The setting of measurements with this provenance.

        Parameters
        ----------
        about
            Their provenance: scale, data set, precision, device and architecture.
        updates
            Updates of a training run.
        """
        scale = Scale(about["scale"])
        network = self.network[scale] if self.network else str(about.get("architecture", ""))
        of = f" of {self.updates:,}" if updates < self.updates else ""
        variant = about.get("variant")
        # A network with a precision of its own names it.
        unsaid = "float64" in network or about.get("precision") == UNKNOWN
        precision = "" if unsaid else str(about.get("precision", ""))
        parts = [
            network,
            f"changed: {variant}" if variant else "",
            f"{updates:,}{of} updates" if updates else "",
            "" if about["data set"] == IMAGES else str(about["data set"]),
            precision,
            {"cpu": "CPU", "cuda": "GPU"}.get(str(about.get("device")), ""),
        ]
        return ", ".join(filter(None, parts))


def widths(full: int, width: Mapping[Scale, int], name: str) -> dict[Scale, str]:
    """Networks of each scale that are narrower than the source's, in words."""
    shares = {1: "", 2: " at half the width", 4: " at a quarter of the width"}
    return {
        scale: name + shares.get(full // one, f" at 1/{full // one} of the width")
        for scale, one in width.items()
    }


def depths(full: int, depth: Mapping[Scale, int]) -> dict[Scale, str]:
    """Residual networks of each scale that are shallower than the source's, in words."""
    return {
        scale: f"ResNet-{one}" + (f" for ResNet-{full}" if one < full else "")
        for scale, one in depth.items()
    }
