"""The configuration of a training run: everything its numbers depend on except the device."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, Protocol, get_args

from bnproof.theory.common.errors import UserError, one_of
from bnproof.theory.common.modes import Mode, Precision

Schedule = Literal["constant", "step", "plateau"]

DROP: Final = 10.0  # what a schedule divides the learning rate by
MILESTONES: Final = (0.5, 0.75)  # shares of all steps where "step" drops, as He et al. (2015)
WARM_UP: Final = 0.01  # rate of a warm-up (He et al., 2015, section 4.2)
PATIENCE: Final = 10  # epochs without a lower training loss before "plateau" drops (ours)


class HasConfig(Protocol):
    """Data that a configuration can name."""

    @property
    def config(self) -> dict[str, Any]:
        """What a run's numbers depend on."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Everything that the numbers of a training run depend on except the device.

    Attributes
    ----------
    network
        What `bnproof.empirical.networks.table.build` takes:
        ``{"family": "resnet", "depth": 20, ...}``.
    steps
        Number of updates.
    rate
        Learning rate of SGD; with `momentum` and weight `decay` as PyTorch defines them.
    batch
        Images per batch; an epoch consists of all complete batches.
    schedule
        ``"constant"``; ``"step"``: divided by `DROP` at `MILESTONES`; ``"plateau"``: divided by it
        after `PATIENCE` epochs without a lower mean training loss.
    warm_up
        Updates at the beginning that are taken at the rate `WARM_UP`, if `rate` is larger.
    augment
        Whether images are randomly cropped, after padding by `PAD` zeros, and reflected.
    precision
        ``"float32"``, or ``"bfloat16"`` for the forward and backward pass under autocast.  It does
        not depend on the device: a configuration is the same everywhere.
    mode
        How the updates are computed.  ``"exact"``: in full float32, summed in a fixed order.
        ``"fast"`` on a GPU: products may be rounded to TF32, cuDNN chooses its algorithms by their
        speed, and steps are replayed from CUDA graphs, so that two runs agree only within rounding.
        ``"fast"`` on a CPU: BN and ReLU are computed by loops in C, rounded differently but in a
        fixed order; it needs a C compiler and one thread.  Evaluations and metrics are computed as
        in ``"exact"``.
    limit
        A run whose mini-batch loss exceeds it ends as diverged (S3, section 3: 10^3).
    every
        Steps between evaluations.
    tested
        Images of the test set, and of the training set, used for an evaluation.
    metrics
        Additional measurements at each evaluation: names in
        `bnproof.empirical.training.callbacks.CALLBACKS`.
    seed
        Seed of the initial weights, of the order of the images and of the augmentation.
    """

    network: Mapping[str, Any]
    steps: int
    rate: float
    batch: int = 128
    momentum: float = 0.9
    decay: float = 1e-4
    schedule: Schedule = "constant"
    warm_up: int = 0
    augment: bool = False
    precision: Precision = "float32"
    mode: Mode = "exact"
    limit: float = 1e3
    every: int = 100
    tested: int = 10_000
    metrics: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "every", "tested"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} {getattr(self, name)}: must be at least 1")
        if not 0 < self.rate < float("inf"):
            raise UserError(f"rate {self.rate}: must be positive and finite")
        if not 0 <= self.momentum < 1:
            raise UserError(f"momentum {self.momentum}: must be at least 0 and below 1")
        if self.warm_up < 0:
            raise UserError(f"warm_up {self.warm_up}: must be 0 or larger")
        if self.decay < 0:
            raise UserError(f"decay {self.decay}: must be 0 or larger")
        for name, kind in (("schedule", Schedule), ("precision", Precision), ("mode", Mode)):
            one_of(name, getattr(self, name), get_args(kind))

    @property
    def first_rate(self) -> float:
        """Learning rate of the first update."""
        return min(self.rate, WARM_UP) if self.warm_up else self.rate

    @property
    def words(self) -> str:
        """Network, rate and seed, for display."""
        network = " ".join(str(value) for value in self.network.values())
        return f"{network}, rate {self.rate:g}, seed {self.seed}"

    def config(self, data: HasConfig, device: str) -> dict[str, Any]:
        """The configuration of its run on `data` and `device`, with the code and the machine."""
        # Imported here, because reading a configuration needs neither PyTorch nor the networks.
        from bnproof.empirical.training.provenance import code_of_training, surroundings

        return {
            **asdict(self),
            "network": dict(self.network),
            "metrics": list(self.metrics),
            "data": data.config,
            "code": code_of_training(self.network.get("family", ""), self.metrics),
            **surroundings(device),
        }
