"""Processes to be killed, what is looked at after each kill, and a watch over what is written."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bnproof import cli
from bnproof.empirical.training.run_folder import RunFolder, digest
from bnproof.report import document
from bnproof.results import published
from bnproof.theory.common.commit import commit

MOST = 300.0  # seconds; what takes longer hangs


class Victims:
    """The process of `victims.py`; one call of `run` is one process, killed or not."""

    def __init__(self, log: Path) -> None:
        self.log = log
        script = Path(__file__).parent / "victims.py"
        self._server = subprocess.Popen(
            [sys.executable, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "BNPROOF_CACHE": str(log.parent / "cache")},
        )
        assert self._server.stdout is not None
        assert self._server.stdout.readline() == "ready\n"

    def run(self, job: str, folder: Path, **moment: Any) -> tuple[int, int]:
        """Exit status, negative after a signal, and number of file operations, 0 if killed."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        order = {"job": job, "folder": str(folder), "log": str(self.log), **moment}
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()
        status, operations = json.loads(self._server.stdout.readline())
        return status, operations

    def said(self) -> str:
        """What all victims wrote to standard error since the last call."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        self.log.unlink(missing_ok=True)
        return text

    def close(self) -> None:
        self._server.communicate(timeout=MOST)


@pytest.fixture(scope="session")
def victims(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victims]:
    if not hasattr(os, "fork"):
        pytest.skip("processes cannot be forked here")
    server = Victims(tmp_path_factory.mktemp("victims") / "log")
    yield server
    server.close()


def _sound(folder: Path) -> None:
    """Every file below `folder` is whole; a half-written one has a name that nothing reads."""
    for path in folder.rglob("*"):
        if path.name.startswith(".") or not path.is_file():
            continue
        name = path.name
        if name == "config.json":
            config = json.loads(path.read_text(encoding="utf-8"))
            assert RunFolder(path.parent.parent, config).folder == path.parent
        elif name == "result.json":
            config = json.loads((path.parent / "config.json").read_text(encoding="utf-8"))
            assert RunFolder(path.parent.parent, config).result() is not None
        elif name.startswith("checkpoint-"):
            assert digest(path.read_bytes()) == path.stem.rsplit("-", 1)[1]
        elif name == document.NAME:
            assert document.load(path)["claims"]
        elif name == "index.html":
            assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")
        elif path.suffix == ".svg":
            assert path.read_text(encoding="utf-8").rstrip().endswith("</svg>")
        elif path.parent.name in ("published", "results"):
            assert published.read(path)["id"] == "tiny"
        elif path.suffix == ".csv":
            assert len(path.read_text(encoding="utf-8").splitlines()) == 5
        else:
            assert path.parent.name == "requests" or name in (
                *("lock", "metrics.jsonl", "sweep.toml", "workers"),
            ), path


@pytest.fixture
def sound() -> Any:
    return _sound


class Callback:
    """What this process writes outside one folder, and what it unpickles or starts."""

    def __init__(self) -> None:
        self.root: Path | None = None
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.root is None:
            return
        if event in ("pickle.find_class", "os.system", "subprocess.Popen", "os.exec"):
            self.seen.append(f"{event} {arguments[0]}")
        elif event in ("os.mkdir", "os.remove", "os.rename", "os.truncate", "os.symlink"):
            self._look(event, arguments[1 if event in ("os.rename", "os.symlink") else 0])
        elif event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            self._look(event, arguments[0])

    def _look(self, event: str, path: Any) -> None:
        if isinstance(path, int):
            return
        root, self.root = self.root, None  # resolving a path is not to be watched
        try:
            where = Path(os.fsdecode(path)).resolve()
            ours = where.is_relative_to(root or "/") or where == Path(os.devnull)
            # Notes on the examples, and modules that are compiled when they are first imported.
            if not ours and not {".hypothesis", "__pycache__"} & set(where.parts):
                self.seen.append(f"{event} {where}")
        finally:
            self.root = root


@pytest.fixture(scope="session")
def watch() -> Callback:
    return Callback()


@contextmanager
def _prompt() -> Iterator[None]:
    """Fail instead of hanging."""

    def ring(*_: object) -> None:
        raise AssertionError(f"still at work after {MOST:g} s of computing")

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, MOST)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@pytest.fixture
def confined(watch: Callback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder outside of which nothing may be written while the test runs; nothing may hang."""
    folder = tmp_path / "named"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("BNPROOF_CACHE", str(folder / "cache"))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(folder / "inductor"))  # PyTorch makes it
    commit()  # asks git once per process
    watch.seen, watch.root = [], folder.resolve()
    try:
        with _prompt():
            yield folder
    finally:
        watch.root = None
    assert watch.seen == []
    assert sorted(tmp_path.iterdir()) == [folder]


@pytest.fixture
def bnproof(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """The command line in this process: status, output and errors, which are one line or none."""

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bnproof", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = capsys.readouterr()
        status = int(stop.value.code or 0)
        assert status in (0, 1, 2)
        assert "Traceback" not in err
        if status == 2:
            assert err.startswith("bnproof: ")
            assert err.count("\n") == 1
        return status, out, err

    return call
