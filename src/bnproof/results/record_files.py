"""The files of published measurements: where they lie, and reading them.

Nothing here needs NumPy or PyTorch; what a record says is judged in `bnproof.results.published`.
"""

from pathlib import Path
from typing import Any, Final

from bnproof.theory.common.checksum import checksum_matches, parse
from bnproof.theory.common.errors import UserError

FOLDER: Final = Path(__file__).parent / "published"
SCHEMA: Final = 1
SCALES: Final = ("smoke", "quick", "paper")  # from the smallest to the largest

Record = dict[str, Any]


def largest(claim_id: str, folder: Path = FOLDER) -> Path | None:
    """The file of the largest scale at which an experiment is published; None if it is not."""
    paths = (folder / f"{claim_id}.{scale}.json" for scale in reversed(SCALES))
    return next((path for path in paths if path.exists()), None)


def read(path: Path) -> Record:
    """Read a published file.

    Raises
    ------
    UserError
        If it cannot be read, is of another schema, or was changed after it was written.
    """
    try:
        whole: Record = parse(path.read_text(encoding="utf-8"))
        sound = checksum_matches(whole) and whole["schema"] == SCHEMA
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, KeyError):
        sound = False
    if not sound:
        raise UserError(f"{path}: was changed after it was published; publish it again")
    return whole
