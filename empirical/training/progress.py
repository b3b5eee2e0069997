"""How far a training run is, and what its losses so far mean for the steps to come."""

from dataclasses import dataclass, field
from typing import Final

from bnproof.empirical.training.config import DROP, PATIENCE, TrainingConfig

FIRST: Final = 5  # updates whose losses are kept: rounding has hardly grown yet


@dataclass
class Progress:
    """How far a run is, beside its weights; part of every checkpoint.

    Attributes
    ----------
    step, rate, diverged
        Updates taken, present learning rate, whether the loss passed the limit.
    window, epoch
        Sums of the mini-batch losses since the last evaluation and in the present epoch.
    best, waited
        Lowest mean loss of an epoch, and epochs since.
    first
        Losses before each of the first `FIRST` updates.
    seconds
        Time spent on steps and evaluations, in all parts of the run.
    """

    step: int = 0
    rate: float = 0.0
    diverged: bool = False
    window: float = 0.0
    epoch: float = 0.0
    best: float = float("inf")
    waited: int = 0
    first: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def count(
        self, step: int, loss: float, training_config: TrainingConfig, epoch_steps: int
    ) -> None:
        """Note the mini-batch loss before an update; updates are counted from 1."""
        if step <= FIRST:
            self.first.append(loss)
        if not loss <= training_config.limit:  # nor is a NaN
            self.diverged = True
            return
        self.window += loss
        self.epoch += loss
        if step % epoch_steps == 0:
            better = self.epoch < self.best
            self.best = min(self.epoch, self.best)
            self.waited = 0 if better else self.waited + 1
            self.epoch = 0.0
            if training_config.schedule == "plateau" and self.waited == PATIENCE:
                self.rate, self.waited = self.rate / DROP, 0
