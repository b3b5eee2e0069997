"""The state of a training run besides its weights, and its update by each loss."""

from dataclasses import dataclass, field
from typing import Final

from bnproof.empirical.training.config import DROP, PATIENCE, TrainingConfig

FIRST: Final = 5  # updates whose losses are recorded, in which rounding errors are still small


@dataclass
class Progress:
    """The state of a run besides its weights; part of every checkpoint.

    Attributes
    ----------
    step, rate, diverged
        Updates taken, current learning rate, and whether the loss exceeded the limit.
    window, epoch
        Sums of the mini-batch losses since the last evaluation and in the current epoch.
    best, waited
        Lowest mean loss of an epoch, and the number of epochs since.
    first
        Losses before each of the first `FIRST` updates.
    seconds
        Time spent on steps and evaluations, over all sessions of the run.
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
        """Record the mini-batch loss before an update; updates are numbered from 1."""
        if step <= FIRST:
            self.first.append(loss)
        if not loss <= training_config.limit:  # true for NaN too
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
