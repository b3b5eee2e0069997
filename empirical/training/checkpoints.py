"""How far a training run has come, as its folder tells."""

from pathlib import Path


def saved_step(folder: Path) -> int:
    """Return the step of the newest checkpoint in the folder of a run; 0 if there is none."""
    newest = max(folder.glob("checkpoint-*.pt"), default=None)
    return int(newest.name.split("-")[1]) if newest else 0
