"""Downloads from a server on the loopback interface, with every way in which they can fail."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bnproof.empirical.data import cifar10, remote
from bnproof.empirical.data.download import WORK, data_folder, fetch
from bnproof.empirical.data.images import DataError
from bnproof.empirical.data.remote import RemoteFile
from bnproof.theory.common.files import WriteError

CUT = 100_000  # bytes that arrive before a connection breaks
SCRIPT = """
import sys
from bnproof import cli
from bnproof.empirical.data import cifar10, load, remote

remote.TIMEOUT = 600.0  # the server waits for a second process
url, size, sha256 = sys.argv[1:]
cifar10.OFFICIAL = remote.RemoteFile(url, int(size), sha256)
cli.app = lambda *_, **__: load.locate("cifar10") and 0
cli.main()
"""


@pytest.fixture
def pooch() -> Any:
    return pytest.importorskip("pooch", reason="pooch is not installed: extra `data`")


@pytest.fixture
def without_pooch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)


def part(folder: Path) -> Path:
    return folder / WORK / f"{cifar10.ARCHIVE}.part"


def left(folder: Path) -> set[str]:
    """Names of the files in the folder, apart from the lock."""
    files = {path for path in folder.rglob("*") if path.is_file() or path.is_symlink()}
    return {str(path.relative_to(folder)) for path in files} - {f"{WORK}/lock"}


def refusal(error: type[Exception], file: RemoteFile, folder: Path) -> str:
    """The message with which the download fails; one line."""
    with pytest.raises(error) as caught:
        fetch(file, folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


def assert_says_how_to_bring_it(message: str, file: RemoteFile, folder: Path) -> None:
    how = (
        f"download {file.url} ({file.size:,} bytes, SHA-256 {file.sha256}) on another machine and "
        f"save it as {folder / cifar10.ARCHIVE}"
    )
    assert message.endswith(how)


def until(condition: Callable[[], bool]) -> None:
    for _ in range(2400):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("nothing happened for two minutes")


# --- what arrives ---------------------------------------------------------------------------------


def test_a_file_is_downloaded_once(server, pooch, tmp_path, capsys) -> None:
    folder = tmp_path / "new" / "cifar10"
    path = fetch(server.file, folder)
    assert path == folder / cifar10.ARCHIVE
    assert path.read_bytes() == server.content
    assert left(folder) == {cifar10.ARCHIVE}
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"{server.url}: downloading {len(server.content):,} bytes\n")
    assert fetch(server.file, folder) == path
    assert len(server.seen) == 1


def test_a_file_that_is_there_needs_no_pooch_and_no_network(
    server, without_pooch, tmp_path
) -> None:
    path = tmp_path / cifar10.ARCHIVE
    path.write_bytes(server.content)
    assert fetch(server.file, tmp_path) == path
    assert server.seen == []
    assert left(tmp_path) == {cifar10.ARCHIVE}


def test_a_cut_connection_is_resumed_at_once(server, pooch, tmp_path, capsys) -> None:
    server.plan = [CUT, CUT]
    assert fetch(server.file, tmp_path).read_bytes() == server.content
    assert [asked for _, asked in server.seen] == [None, f"bytes={CUT}-", f"bytes={2 * CUT}-"]
    assert f"resuming at {2 * CUT:,} of {len(server.content):,} bytes" in capsys.readouterr().err


def test_a_broken_download_is_resumed_by_the_next_call(server, pooch, tmp_path) -> None:
    server.plan = [CUT, "503"]
    message = refusal(DataError, server.file, tmp_path)
    assert f"beyond {CUT:,} of {len(server.content):,} bytes (HTTP 503 Service" in message
    assert "repeat the command to resume" in message
    assert_says_how_to_bring_it(message, server.file, tmp_path)
    assert part(tmp_path).read_bytes() == server.content[:CUT]
    assert fetch(server.file, tmp_path).read_bytes() == server.content
    assert server.seen[-1][1] == f"bytes={CUT}-"
    assert left(tmp_path) == {cifar10.ARCHIVE}


@pytest.mark.parametrize("announced", [True, False])
def test_a_server_that_cannot_resume_starts_anew(server, pooch, tmp_path, announced) -> None:
    server.ranges, server.announced = False, announced
    server.plan = [CUT]
    assert fetch(server.file, tmp_path).read_bytes() == server.content
    assert [asked for _, asked in server.seen] == [None, f"bytes={CUT}-"]


def test_a_server_that_cannot_resume_and_breaks_off_again_is_not_asked_for_ever(
    server, pooch, tmp_path
) -> None:
    server.ranges = False
    server.plan = [CUT, CUT]
    assert "(the connection was closed)" in refusal(DataError, server.file, tmp_path)
    assert len(server.seen) == 2


def test_a_server_that_refuses_ranges_starts_anew(server, pooch, tmp_path) -> None:
    server.plan = [CUT, "416"]
    assert fetch(server.file, tmp_path).read_bytes() == server.content
    assert [asked for _, asked in server.seen] == [None, f"bytes={CUT}-", None]


def test_more_bytes_than_the_file_has_are_not_resumed(server, pooch, tmp_path) -> None:
    (tmp_path / WORK).mkdir()
    part(tmp_path).write_bytes(server.content + b"x")
    assert fetch(server.file, tmp_path).read_bytes() == server.content
    assert [asked for _, asked in server.seen] == [None]


def test_a_process_killed_before_the_last_step_leaves_no_second_download(
    server, pooch, tmp_path
) -> None:
    (tmp_path / WORK).mkdir()
    part(tmp_path).write_bytes(server.content)
    (tmp_path / WORK / "tmpabcdefgh").write_bytes(server.content)
    assert fetch(server.file, tmp_path).read_bytes() == server.content
    assert server.seen == []
    assert left(tmp_path) == {cifar10.ARCHIVE}


def test_progress_is_shown_on_a_terminal(server, pooch, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    fetch(server.file, tmp_path)
    assert "B/s" in capsys.readouterr().err


# --- what is refused ------------------------------------------------------------------------------


def test_a_wrong_checksum_keeps_nothing(server, pooch, tmp_path) -> None:
    file = server.file
    server.content = server.content[:-1] + b"x"
    message = refusal(DataError, file, tmp_path)
    assert "what was downloaded has another checksum and was removed; try again" in message
    assert_says_how_to_bring_it(message, file, tmp_path)
    assert left(tmp_path) == set()


def test_a_damaged_beginning_is_not_resumed_twice(server, pooch, tmp_path) -> None:
    (tmp_path / WORK).mkdir()
    part(tmp_path).write_bytes(b"x" * CUT)
    refusal(DataError, server.file, tmp_path)
    assert fetch(server.file, tmp_path).read_bytes() == server.content


@pytest.mark.parametrize("resumed", [False, True])
def test_a_file_of_another_size_is_not_downloaded(server, pooch, tmp_path, resumed) -> None:
    file = server.file
    if resumed:
        server.plan = [CUT, "503"]
        refusal(DataError, file, tmp_path)
    server.content += b"x"
    message = refusal(DataError, file, tmp_path)
    assert f"has {file.size + 1} bytes instead of {file.size} and was not downloaded" in message
    assert_says_how_to_bring_it(message, file, tmp_path)
    assert part(tmp_path).exists() == resumed


@pytest.mark.parametrize("change", [b"", b"x"])
def test_a_file_of_unknown_length_is_checked_too(server, pooch, tmp_path, change) -> None:
    file = server.file
    server.announced = False
    server.content = change + server.content[:-1]
    refusal(DataError, file, tmp_path)
    assert not (tmp_path / cifar10.ARCHIVE).exists()


def test_no_network(server, pooch, tmp_path, capsys) -> None:
    with socket.socket() as closed:  # nobody listens
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/{cifar10.ARCHIVE}"
        file = replace(server.file, url=url)
        message = refusal(DataError, file, tmp_path)
    assert message.startswith(f"{cifar10.ARCHIVE}: cannot be downloaded (Connection refused); try")
    assert_says_how_to_bring_it(message, file, tmp_path)
    assert capsys.readouterr().err == ""
    assert left(tmp_path) == set()


def test_a_file_that_is_not_on_the_server(server, pooch, tmp_path) -> None:
    server.plan = ["404"]
    assert "(HTTP 404 Not Found)" in refusal(DataError, server.file, tmp_path)


def test_a_server_that_falls_silent(server, pooch, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(remote, "TIMEOUT", 0.3)
    server.hold.clear()
    server.plan = [CUT, 0]
    assert "(timed out)" in refusal(DataError, server.file, tmp_path)
    assert part(tmp_path).stat().st_size == CUT // 2


def test_without_pooch_one_line_says_what_to_install(server, without_pooch, tmp_path) -> None:
    message = refusal(DataError, server.file, tmp_path)
    assert "not found; to download it, run: pip install 'bnproof[data]'; or download" in message
    assert_says_how_to_bring_it(message, server.file, tmp_path)
    assert (server.seen, left(tmp_path)) == ([], set())


@pytest.mark.parametrize(
    ("change", "words"), [(b"", "has {} bytes; expected"), (b"x", "has another checksum")]
)
def test_another_file_in_its_place_is_named_and_kept(server, tmp_path, change, words) -> None:
    path = tmp_path / cifar10.ARCHIVE
    path.write_bytes(server.content[:-1] + change)
    message = refusal(DataError, server.file, tmp_path)
    assert message.startswith(f"{path}: {words.format(f'{server.file.size - 1:,}')}")
    assert message.endswith("delete it, so that it is downloaded again")
    assert path.exists()
    path.write_bytes(server.content)
    assert fetch(server.file, tmp_path) == path


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_leaves_no_half_file(server, pooch, tmp_path) -> None:
    (tmp_path / WORK).mkdir()
    part(tmp_path).symlink_to("/dev/full")
    message = refusal(WriteError, server.file, tmp_path)
    assert "No space left on device; set BNPROOF_DATA_DIR to another folder" in message
    assert left(tmp_path) == set()


def test_a_disk_that_is_too_small_is_noticed_first(server, pooch, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 8, CUT))
    message = refusal(WriteError, server.file, tmp_path)
    assert f"{server.file.size:,} bytes are needed and {CUT:,} are free" in message
    assert left(tmp_path) == set()


def test_a_folder_that_cannot_be_written(server, pooch, tmp_path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert "BNPROOF_DATA_DIR" in refusal(WriteError, server.file, tmp_path / "file" / "below")


def test_the_proxy_of_the_environment_is_used(server, pooch, tmp_path, monkeypatch) -> None:
    url = f"http://no-such-host.invalid/{cifar10.ARCHIVE}"
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
    fetch(RemoteFile(url, server.file.size, server.file.sha256), tmp_path)
    assert server.seen == [(url, None)]


# --- other processes ------------------------------------------------------------------------------


def started(file: RemoteFile, folder: Path) -> subprocess.Popen[str]:
    """A command that needs CIFAR-10, which is this file."""
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, file.url, str(file.size), file.sha256],
        cwd=folder,
        env=os.environ | {remote.VARIABLE: str(folder / "data"), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_download_once(server, pooch, tmp_path) -> None:
    server.hold.clear()
    folder = tmp_path / "data" / cifar10.NAME
    first = started(server.file, tmp_path)
    until(lambda: part(folder).exists() and part(folder).stat().st_size > 0)
    second = started(server.file, tmp_path)
    assert second.stderr is not None
    assert second.stderr.readline() == (
        f"{folder / cifar10.ARCHIVE}: another process is downloading it; waiting for it\n"
    )
    server.hold.set()
    for process in (first, second):
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    assert len(server.seen) == 1
    assert left(folder) == {cifar10.ARCHIVE}


def test_what_arrived_before_ctrl_c_is_not_downloaded_again(server, pooch, tmp_path) -> None:
    server.hold.clear()
    folder = tmp_path / "data" / cifar10.NAME
    process = started(server.file, tmp_path)
    until(lambda: part(folder).exists() and part(folder).stat().st_size > 0)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[1:] == ["bnproof: interrupted"]
    kept = part(folder).stat().st_size
    assert part(folder).read_bytes() == server.content[:kept]
    assert left(folder) == {f"{WORK}/{part(folder).name}"}
    server.hold.set()
    assert fetch(server.file, folder).read_bytes() == server.content
    assert server.seen[-1][1] == f"bytes={kept}-"


# --- where data are kept --------------------------------------------------------------------------


def test_the_folder_of_data_sets(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv(remote.VARIABLE, "~/data")
    assert data_folder() == Path.home() / "data"
    monkeypatch.setenv(remote.VARIABLE, "")
    monkeypatch.setattr(sys, "platform", "linux")
    assert data_folder() == tmp_path / "bnproof"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert data_folder() == Path.home() / ".cache" / "bnproof"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert data_folder() == Path.home() / "Library" / "Caches" / "bnproof"


def test_a_user_without_a_home_folder(monkeypatch) -> None:
    monkeypatch.setenv(remote.VARIABLE, "~no-such-user/data")
    with pytest.raises(DataError, match="set BNPROOF_DATA_DIR to a folder for data"):
        data_folder()


@pytest.mark.skipif(sys.platform == "win32", reason="pooch has another folder there")
def test_the_folder_of_data_sets_is_that_of_pooch(pooch, monkeypatch) -> None:
    monkeypatch.delenv(remote.VARIABLE, raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert data_folder() == pooch.os_cache("bnproof")


def test_the_official_file_is_the_one_that_is_published() -> None:
    """Size and SHA-256 as in TensorFlow Datasets, `url_checksums/cifar10.txt`."""
    assert cifar10.OFFICIAL.url == "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
    assert cifar10.OFFICIAL.size == 170052171
    published = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
    assert cifar10.OFFICIAL.sha256 == published
