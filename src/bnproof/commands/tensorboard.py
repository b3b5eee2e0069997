"""`bnproof tensorboard`: event files for TensorBoard from the training runs in a folder."""

from pathlib import Path
from typing import Final

from bnproof.commands.common import OUT

FOLDER: Final = "tensorboard"


def tensorboard(*, out: Path = OUT, to: Path | None = None) -> None:
    """Write an event file for each training run in a folder of runs.

    Calling it again adds what was recorded since, so it can run now and then beside a training run.

    Parameters
    ----------
    out
        Folder of all runs.
    to
        Folder of the event files, for `tensorboard --logdir`; OUT/tensorboard if not given.
    """
    from bnproof.results.event_files import write

    folder = to or out / FOLDER
    count = len(write(out, folder))
    print(f"{count} training run{'s' if count != 1 else ''}")
    print(folder.resolve())
