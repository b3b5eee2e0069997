"""Find, read and write the files of published measurements.

NumPy and PyTorch are not needed here; records are evaluated in `bnproof.results.published`.
"""

import json
from pathlib import Path
from typing import Any, Final

from bnproof.theory.common.checksum import checksum_matches, parse
from bnproof.theory.common.errors import UserError
from bnproof.theory.common.files import write_text

FOLDER: Final = Path(__file__).parent / "published"
SCHEMA: Final = 1
SCALES: Final = ("smoke", "quick", "long", "paper")  # from the smallest to the largest

Record = dict[str, Any]


def files(claim_id: str, folder: Path = FOLDER) -> list[Path]:
    """Return the published records of an experiment, the largest scale last."""
    paths = (folder / name_of(claim_id, scale) for scale in SCALES)
    return [path for path in paths if path.exists()]


def variants(claim_id: str, folder: Path = FOLDER) -> list[Path]:
    """Return the published records of the variants of an experiment, the largest scale last."""
    return [path for scale in SCALES for path in sorted(folder.glob(f"{claim_id}.{scale}.*.json"))]


def name_of(claim_id: str, scale: str, variant: str = "") -> str:
    """Return the name of the file of a record."""
    return ".".join(filter(None, (claim_id, scale, variant, "json")))


def largest(claim_id: str, folder: Path = FOLDER) -> Path | None:
    """Return the published record of an experiment at the largest scale, if any."""
    return next(reversed(files(claim_id, folder)), None)


def write(path: Path, content: Record) -> Path:
    """Write a record, replacing an older one, and return its path.

    Raises
    ------
    UserError
        If the folder is not writable.
    """
    write_text(path, json.dumps(content, allow_nan=False, separators=(",", ":")) + "\n")
    return path


def read(path: Path) -> Record:
    """Read a published record.

    Raises
    ------
    UserError
        If the file cannot be read, has another schema, or was modified.
    """
    try:
        record: Record = parse(path.read_text(encoding="utf-8"))
        schema, valid = record["schema"], checksum_matches(record)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        schema, valid = None, False
    if not valid:
        raise UserError(f"{path}: was changed after it was published; publish it again")
    if schema != SCHEMA:
        raise UserError(
            f"{path}: has schema {schema}, and this version of bnproof reads {SCHEMA}; publish it "
            "again, or use the version that wrote it"
        )
    return record
