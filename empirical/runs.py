"""A run: a folder named by the hash of its configuration, safe against being killed at any moment.

``config.json`` is written first and ``result.json`` last, each whole or not at all; the presence of
the latter means that the run is done.  In between stand ``metrics.jsonl``, a line a record, and the
newest checkpoints, each of which carries the hash of its content in its name and the length that
``metrics.jsonl`` had.
"""

import hashlib
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
from filelock import BaseFileLock, FileLock, Timeout

from theory.errors import UserError
from theory.files import probe, write_bytes, write_text

DIGITS: Final = 16  # of a hash in a name
KEPT: Final = 2  # checkpoints; the older one is for the case that the newer is damaged

State = dict[str, Any]


def canonical(config: Mapping[str, Any]) -> str:
    """The configuration as JSON in one spelling: sorted keys, no spaces, NaN refused."""
    return json.dumps(config, sort_keys=True, separators=(",", ":"), allow_nan=False)


def plain(value: Any) -> Any:
    """Arrays, tensors and numbers as JSON has them; ``"inf"``, ``"-inf"``, ``"nan"`` are strings.

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


def digest(content: bytes) -> str:
    """The first `DIGITS` hexadecimal digits of SHA-256."""
    return hashlib.sha256(content).hexdigest()[:DIGITS]


class Run:
    """The folder ``root/<hash of config>`` and what is in it.

    Parameters
    ----------
    root
        Folder of all runs; it is made when it is first written to.
    config
        What the numbers depend on, as JSON knows it.
    """

    def __init__(self, root: Path, config: Mapping[str, Any]) -> None:
        self.config = dict(config)
        self.folder = root / digest(canonical(config).encode())

    @contextmanager
    def held(self, wait: float = 0.0) -> Iterator[None]:
        """Hold the folder against other processes; the lock ends with the process that holds it.

        Parameters
        ----------
        wait
            Seconds to wait for another process; negative for as long as it takes.

        Raises
        ------
        UserError
            If another process holds it, the folder cannot be written, or it is of another
            configuration.
        """
        probe(self.folder / "config.json")
        lock = FileLock(self.folder / "lock")
        self._acquire(lock, wait)
        try:
            self._claim()
            yield
        finally:
            lock.release()

    def _acquire(self, lock: BaseFileLock, wait: float) -> None:
        busy = f"{self.folder}: another process is at work on this run"
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if wait:
                print(f"{busy}; waiting for it", file=sys.stderr)
        else:
            return
        try:
            lock.acquire(timeout=wait)
        except Timeout:
            raise UserError(f"{busy}; wait for it, or name another folder with --out") from None

    def _claim(self) -> None:
        for stray in self.folder.glob(".*"):  # half-written by a process that was killed
            stray.unlink(missing_ok=True)
        path = self.folder / "config.json"
        ours = canonical(self.config)
        if not path.exists():
            write_text(path, ours + "\n")
        elif path.read_text(encoding="utf-8").strip() != ours:
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
            whole = json.loads(path.read_text(encoding="utf-8"))
            result: State = whole["result"]
            intact = whole["sha256"] == digest(canonical(result).encode())
        except (ValueError, KeyError, TypeError):
            intact = False
        if not intact:
            raise UserError(f"{path}: was changed after it was written; remove it to run again")
        return result

    def finish(self, result: State) -> None:
        """Write the result; the checkpoints are then of no more use and go."""
        whole = {"sha256": digest(canonical(result).encode()), "result": result}
        write_text(self.folder / "result.json", json.dumps(whole, indent=1, allow_nan=False) + "\n")
        for path in self._checkpoints():
            path.unlink(missing_ok=True)

    def record(self, row: Mapping[str, Any]) -> None:
        """Append one line to ``metrics.jsonl``."""
        with self._metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(plain(row), allow_nan=False) + "\n")

    def records(self) -> list[State]:
        """All lines of ``metrics.jsonl``."""
        if not self._metrics.exists():
            return []
        return [json.loads(line) for line in self._metrics.read_text("utf-8").splitlines()]

    def save(self, step: int, state: State) -> None:
        """Write a checkpoint of `state` after `step`, and remove all but the newest `KEPT`.

        Raises
        ------
        UserError
            If it cannot be written (a full disk, say); the older ones stay.
        """
        length = self._metrics.stat().st_size if self._metrics.exists() else 0
        buffer = io.BytesIO()
        torch.save({"state": state, "metrics": length}, buffer)
        content = buffer.getvalue()
        if length:  # what the checkpoint counts on must not be lost while the checkpoint is kept
            with self._metrics.open("rb") as file:
                os.fsync(file.fileno())
        write_bytes(self.folder / f"checkpoint-{step:09d}-{digest(content)}.pt", content)
        for path in self._checkpoints()[KEPT:]:
            path.unlink(missing_ok=True)

    def restore(self) -> State | None:
        """The state of the newest sound checkpoint, or None; metrics are cut to its length.

        A damaged checkpoint is named on standard error and passed over.
        """
        for path in self._checkpoints():
            content = path.read_bytes()
            if digest(content) != path.stem.rsplit("-", 1)[1]:
                print(f"{path}: damaged; going back to the one before it", file=sys.stderr)
                continue
            whole = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
            self._cut(whole["metrics"])
            state: State = whole["state"]
            return state
        self._cut(0)
        return None

    @property
    def _metrics(self) -> Path:
        return self.folder / "metrics.jsonl"

    def _cut(self, length: int) -> None:
        if self._metrics.exists():
            os.truncate(self._metrics, length)

    def _checkpoints(self) -> list[Path]:
        """Newest first."""
        return sorted(self.folder.glob("checkpoint-*.pt"), reverse=True)
