"""A file on a server, and how it is received: a download that breaks off is resumed."""

import http
import http.client
import re
import shutil
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.error import HTTPError, URLError

from tqdm import tqdm

from bnproof.empirical.data.images import DataError
from bnproof.theory.common.files import WriteError

VARIABLE: Final = "BNPROOF_DATA_DIR"
TIMEOUT: Final = 60.0  # seconds without a byte until a connection counts as broken
CHUNK: Final = 1 << 18  # bytes


@dataclass(frozen=True)
class RemoteFile:
    """A file on a server; its name is the last part of `url`."""

    url: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.url.rpartition("/")[2]

    def by_hand(self, target: Path) -> str:
        """What to do where there is no network, for a message."""
        return (
            f"download {self.url} ({self.size:,} bytes, SHA-256 {self.sha256}) on another machine "
            f"and save it as {target}"
        )


def unwritable(path: Path, reason: object) -> WriteError:
    """The error for a folder of data that cannot be written."""
    return WriteError(f"cannot write {path}: {reason}; set {VARIABLE} to another folder")


class Receiver:
    """A downloader for pooch that can resume.

    Bytes are received into a file that stays if the connection breaks off or the process ends.
    After a break it connects again, as long as each connection gets further than the one before.

    Parameters
    ----------
    remote
        The file.
    part
        Path of the file that bytes are received into.
    target
        Path of the complete file, for messages.
    """

    def __init__(self, remote: RemoteFile, part: Path, target: Path) -> None:
        self.remote, self.part, self.target = remote, part, target

    def __call__(self, url: str, output: str, pooch: object) -> None:
        """Receive the file and move it to `output`, where pooch checks it."""
        have = self._received()
        while have < self.remote.size:
            before, reason = have, "the connection was closed"
            try:
                self._receive(before)
            except _BrokenError as error:
                reason = str(error)
            have = self._received()
            if have <= before:
                raise DataError(self._unfinished(have, reason))
        self.part.replace(output)

    def _unfinished(self, have: int, reason: str) -> str:
        where = f" beyond {have:,} of {self.remote.size:,} bytes" if have else ""
        again = "repeat the command to resume" if have else "try again later"
        return (
            f"{self.remote.name}: cannot be downloaded{where} ({reason}); {again}, or "
            f"{self.remote.by_hand(self.target)}"
        )

    def _received(self) -> int:
        """Number of bytes that have arrived, in this process or earlier."""
        try:
            count = self.part.stat().st_size
        except FileNotFoundError:
            return 0
        if count > self.remote.size:
            self.part.unlink()
            return 0
        return count

    def _receive(self, have: int) -> None:
        """Receive what is missing over one connection.

        Raises
        ------
        _BrokenError
            If the connection is refused or breaks off.
        """
        with self._connect(have) as response:
            start = self._start(response, have)
            self._require_room(start)
            what = f"resuming at {start:,} of" if start else "downloading"
            print(f"{self.remote.url}: {what} {self.remote.size:,} bytes", file=sys.stderr)
            try:
                self._write(response, start)
            except OSError as error:
                self.part.unlink(missing_ok=True)
                raise unwritable(self.part, error.strerror) from None

    def _connect(self, have: int) -> http.client.HTTPResponse:
        headers = {"User-Agent": "bnproof", **({"Range": f"bytes={have}-"} if have else {})}
        request = urllib.request.Request(self.remote.url, headers=headers)
        try:
            response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=TIMEOUT)
        except HTTPError as error:
            error.close()
            if have and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                self.part.unlink()
                return self._connect(0)
            raise _BrokenError(f"HTTP {error.code} {error.reason}") from None
        except URLError as error:
            raise _BrokenError(_words(error.reason)) from None
        except (OSError, http.client.HTTPException) as error:
            raise _BrokenError(_words(error)) from None
        return response

    def _start(self, response: http.client.HTTPResponse, have: int) -> int:
        """Where the answer starts in the file: at `have`, or at 0 if the server cannot resume.

        Raises
        ------
        DataError
            If the server has a file of another size.
        """
        start, total = 0, response.headers["Content-Length"]
        if response.status == http.HTTPStatus.PARTIAL_CONTENT:
            span = re.fullmatch(
                r"bytes (\d{1,20})-\d+/(\d+|\*)", response.headers["Content-Range"] or ""
            )
            if span is None or int(span[1]) != have:
                raise _BrokenError("the server sent other bytes than those asked for")
            start, total = have, span[2]
        if total not in (None, "*", str(self.remote.size)):
            raise DataError(
                f"{self.remote.name}: the file on the server has {total} bytes instead of "
                f"{self.remote.size} and was not downloaded; try again later, or "
                f"{self.remote.by_hand(self.target)}"
            )
        return start

    def _require_room(self, start: int) -> None:
        """Check the free space, since a full disk would be noticed only at the end."""
        kept = start or self._received()  # what is written again needs no room
        needed, free = self.remote.size - kept, shutil.disk_usage(self.part.parent).free
        if needed > free:
            raise unwritable(self.part, f"{needed:,} bytes are needed and {free:,} are free")

    def _write(self, response: http.client.HTTPResponse, start: int) -> None:
        """Write what arrives; show the progress on a terminal."""
        have, size = start, self.remote.size
        bar = tqdm(total=size, initial=start, unit="B", unit_scale=True, leave=False, disable=None)
        if not start:
            self.part.write_bytes(b"")
        with self.part.open("ab") as file, bar:
            while have < size:
                chunk = _next(response, min(CHUNK, size - have))
                if not chunk:
                    return
                file.write(chunk)
                have += len(chunk)
                bar.update(len(chunk))


class _BrokenError(Exception):
    """A connection that was refused or broke off; the message is the reason."""


def _next(response: http.client.HTTPResponse, limit: int) -> bytes:
    """Up to `limit` bytes; none at the end."""
    try:
        return response.read1(limit)
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenError(_words(error)) from None


def _words(reason: object) -> str:
    """A reason in one line, without the number of an `OSError`."""
    text = reason.strerror if isinstance(reason, OSError) and reason.strerror else str(reason)
    return " ".join(text.split()) or type(reason).__name__
