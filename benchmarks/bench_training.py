"""The training loop: time of an update, and the loss after a short run."""

from time import process_time

from bnproof.empirical.data.load import load
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.loop import Trainer

timer = process_time  # used by asv; less affected by other processes than wall-clock time
SHORT = 30  # updates


class Training:
    """ResNet-20 with batches of 32 augmented photographs."""

    params = (["float32", "bfloat16"],)
    param_names = ("precision",)

    def setup(self, precision: str) -> None:
        self.trainer = self.begin(precision)
        self.trainer.update()

    def begin(self, precision: str) -> Trainer:
        network = {"family": "resnet", "depth": 20}
        training_config = TrainingConfig(
            network=network, steps=10**6, rate=0.1, batch=32, augment=True, precision=precision
        )
        return Trainer(training_config, load("photos"))

    def time_update(self, precision: str) -> None:
        self.trainer.update()

    def peakmem_update(self, precision: str) -> None:
        self.trainer.update()

    def track_loss(self, precision: str) -> float:
        """Mean training loss of the last ten of thirty updates."""
        trainer = self.begin(precision)
        return sum([trainer.update() for _ in range(SHORT)][-10:]) / 10

    track_loss.unit = "nats"
