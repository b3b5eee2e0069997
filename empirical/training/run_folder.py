"""A run: a folder named by the hash of its configuration; a kill at any time leaves it usable.

``config.json`` is written first and ``result.json`` last, both atomically; a run with a result is
done. In between there are ``metrics.jsonl``, one record per line, and the newest checkpoints, each
of which has the hash of its content in its name and stores the length that ``metrics.jsonl`` had.
"""

import io
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from bnproof.theory.common.checksum import canonical, parse
from bnproof.theory.common.checksum import digest as digest  # of `bnproof.empirical.runner` too
from bnproof.theory.common.errors import UserError
from bnproof.theory.common.files import WriteError, probe, write_bytes, write_text
from bnproof.theory.common.locks import locked

KEPT: Final = 2  # checkpoints; the older one is used if the newer is damaged

State = dict[str, Any]


def plain(value: Any) -> Any:
    """Convert arrays, tensors and numbers for JSON; ``"inf"``, ``"-inf"``, ``"nan"`` are strings.

    `float` and ``numpy.asarray(..., dtype=float)`` read these strings back.
    """
    if isinstance(value, Mapping):
        return {str(name): plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, torch.Tensor | np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def config_of(folder: Path) -> State:
    """The configuration in a run folder.

    Raises
    ------
    UserError
        If it was changed after it was written, that is, the folder's name is not its hash.
    """
    path = folder / "config.json"
    try:
        config: State = parse(path.read_text(encoding="utf-8"))
        checksum_matches = digest(canonical(config).encode()) == folder.name
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        checksum_matches = False
    if not checksum_matches:
        raise UserError(f"{path}: was changed after it was written; remove its folder")
    return config


class RunFolder:
    """The folder ``root/<hash of config>`` and its contents.

    Parameters
    ----------
    root
        Folder of all runs; created when it is first written to.
    config
        What the numbers depend on, as JSON values.
    """

    def __init__(self, root: Path, config: Mapping[str, Any]) -> None:
        self.config = dict(config)
        self.folder = root / digest(canonical(config).encode())

    @contextmanager
    def held(self, wait: float = 0.0) -> Iterator[None]:
        """Lock the folder; the lock is released if the process ends.

        Parameters
        ----------
        wait
            Seconds to wait for another process; negative to wait without limit.

        Raises
        ------
        UserError
            If another process holds the lock, the folder cannot be written, or it belongs to
            another configuration.
        """
        probe(self.folder / "config.json")
        self._refuse_links()
        with locked(
            self.folder / "lock",
            f"{self.folder}: another process is working on this run",
            "wait for it, or name another folder with --out",
            wait,
        ):
            self._claim()
            yield

    def _refuse_links(self) -> None:
        """Files that are appended to or truncated must be in this folder."""
        for path in self.folder.iterdir():
            if path.is_symlink():
                raise UserError(f"{path}: is a link; no run writes one, remove it")

    def _claim(self) -> None:
        for stray in self.folder.glob(".*"):  # left half-written by a killed process
            stray.unlink(missing_ok=True)
        path = self.folder / "config.json"
        ours = canonical(self.config)
        if not path.exists():
            write_text(path, ours + "\n")
        elif path.read_bytes().strip() != ours.encode():
            raise UserError(
                f"{self.folder}: holds a run of another configuration; name another folder with "
                "--out, or remove it"
            )

    def result(self) -> State | None:
        """The result, or None if the run is not done.

        Raises
        ------
        UserError
            If the file has been changed since it was written.
        """
        path = self.folder / "result.json"
        if not path.exists():
            return None
        try:
            whole = parse(path.read_text(encoding="utf-8"))
            result: State = whole["result"]
            checksum_matches = whole["sha256"] == digest(canonical(result).encode())
            checksum_matches = checksum_matches and isinstance(result, dict)
        except (ValueError, KeyError, TypeError):
            checksum_matches = False
        if not checksum_matches:
            raise UserError(f"{path}: was changed after it was written; remove it to run again")
        return result

    def finish(self, result: State) -> None:
        """Write the result and remove the checkpoints, which are no longer needed."""
        whole = {"sha256": digest(canonical(result).encode()), "result": result}
        write_text(self.folder / "result.json", json.dumps(whole, indent=1, allow_nan=False) + "\n")
        for path in self._checkpoints():
            path.unlink(missing_ok=True)

    def record(self, row: Mapping[str, Any]) -> None:
        """Append one line to ``metrics.jsonl``.

        Raises
        ------
        UserError
            If it cannot be written.
        """
        line = json.dumps(plain(row), allow_nan=False) + "\n"
        try:
            with self._metrics.open("a", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            raise WriteError(f"cannot write {self._metrics}: {error.strerror}") from None

    def records(self) -> list[State]:
        """All lines of ``metrics.jsonl``."""
        if not self._metrics.exists():
            return []
        return [json.loads(line) for line in self._metrics.read_text("utf-8").splitlines()]

    def save(self, step: int, state: State) -> None:
        """Write a checkpoint of `state` after `step`; only the newest `KEPT` are kept.

        Raises
        ------
        UserError
            If it cannot be written, for example because the disk is full; the older ones stay.
        """
        rows = self._metrics.read_bytes() if self._metrics.exists() else b""
        buffer = io.BytesIO()
        torch.save({"state": state, "metrics": len(rows), "rows": digest(rows)}, buffer)
        content = buffer.getvalue()
        if rows:  # the metrics that the checkpoint refers to must reach the disk before it does
            with self._metrics.open("rb") as file:
                os.fsync(file.fileno())
        write_bytes(self.folder / f"checkpoint-{step:09d}-{digest(content)}.pt", content)
        for path in self._checkpoints()[KEPT:]:
            path.unlink(missing_ok=True)

    def restore(self) -> State | None:
        """The state of the newest intact checkpoint, or None; metrics are truncated to its length.

        A damaged checkpoint is reported on standard error and skipped.
        """
        for path in self._checkpoints():
            try:
                state, length = self._read(path)
            except ValueError as error:
                print(f"{path}: {error}; going back to the one before it", file=sys.stderr)
                continue
            self._cut(length)
            return state
        self._cut(0)
        return None

    def _read(self, path: Path) -> tuple[State, int]:
        """The state in a checkpoint, and the length of the metrics at that time.

        Raises
        ------
        ValueError
            If it is damaged, or the metrics have changed since.
        """
        content = path.read_bytes()
        if digest(content) != path.stem.rsplit("-", 1)[-1]:
            raise ValueError("damaged")
        try:
            whole = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
            state: State = whole["state"]
            length, expected = int(whole["metrics"]), str(whole["rows"])
        except Exception as error:  # it may be hostile: nothing is unpickled
            raise ValueError(f"no checkpoint ({type(error).__name__})") from None
        rows = self._metrics.read_bytes()[:length] if self._metrics.exists() else b""
        if len(rows) != length or digest(rows) != expected:
            raise ValueError(f"{self._metrics.name} was changed after it was written")
        return state, length

    @property
    def _metrics(self) -> Path:
        return self.folder / "metrics.jsonl"

    def _cut(self, length: int) -> None:
        if self._metrics.exists():
            os.truncate(self._metrics, length)

    def _checkpoints(self) -> list[Path]:
        """Newest first."""
        return sorted(self.folder.glob("checkpoint-*.pt"), reverse=True)
