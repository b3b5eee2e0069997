"""The command `bnproof tensorboard`: export training runs as TensorBoard event files."""

from pathlib import Path
from typing import Final

from bnproof.commands.common import OUT

FOLDER: Final = "tensorboard"


def tensorboard(*, out: Path = OUT, to: Path | None = None) -> None:
    """Write a TensorBoard event file for each training run in a folder.

    Repeat the command, also during training, to add new records.

    Parameters
    ----------
    out
        Folder of runs.
    to
        Folder for the event files, for use with `tensorboard --logdir`; OUT/tensorboard by default.
    """
    from bnproof.results.event_files import write

    folder = to or out / FOLDER
    count = len(write(out, folder))
    print(f"{count} training run{'s' if count != 1 else ''}")
    print(folder.resolve())
