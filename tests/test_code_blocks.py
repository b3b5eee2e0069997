"""Every code block of README.md and docs/ runs as it stands, or is checked as said here.

=========  ======================================================================================
block      what is done with it
=========  ======================================================================================
python     executed, all of one page in one namespace; it must print something
sh         `bnproof` is called in this process, at the smallest scale (`SMALLEST`)
console    the same; the words that the page shows must be printed, in that order.  Numbers are
           not compared, they belong to a machine; `...` stands for anything
toml       read by the reader of sweeps
bash       a script for a cluster: its syntax by ``bash -n``, its `bnproof` lines parsed
yaml       a file for a cluster: its `bnproof` lines parsed
=========  ======================================================================================

A block after a line that ends with "Save this as `FILE`:" is written to that file and not executed.
A line runs in a folder that the whole page shares, and must end with status 0, or with the one that
its comment names ("exit status 1").  Lines of `NOT_RUN` are parsed by the command line's own
parser, so that a wrong option fails; other programs than bnproof are checked by `_other`.
"""

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from bnproof import cli
from bnproof.sweep import plan

pytestmark = pytest.mark.sources

ROOT: Final = Path(__file__).resolve().parent.parent
PAGES: Final = ["README.md", *(str(p.relative_to(ROOT)) for p in sorted(ROOT.glob("docs/*.md")))]
# Files that a page uses and that another page shows.
FROM: Final = {"README.md": ("CONTRIBUTING.md", "docs/own-layer.md")}
LANGUAGES: Final = {"python", "sh", "console", "toml", "bash", "yaml"}

NOT_RUN: Final = {
    r"path/to/": "names data that are not here",
    r"--data cifar10": "downloads 170 MB",
    r"--engine ray": "needs Ray; tests/bnproof/scheduler/test_engines.py runs it",
    r"^bnproof verify( --scale \w+| --report \w+)*$": "verifies everything, which takes minutes",
    r"^bnproof sweep \S+ --jobs \d+$": "trains 18 networks; tests/bnproof/sweep runs one",
    r"^bnproof tensorboard": "reads finished runs; tests/bnproof/results runs it",
}
# Options that are added where a command does not have them.  `--scale` is replaced where it does.
SMALLEST: Final = {
    "verify": {"--scale": "smoke", "--jobs": "1"},
    "experiment run": {"--scale": "smoke", "--jobs": "1"},
    "attack": {"--restarts": "40"},
    "spectrum": {"--repeats": "2"},
}


@dataclass(frozen=True)
class Block:
    """One fenced block: language, text, and the file that it is to be saved as."""

    language: str
    text: str
    file: str | None


def blocks(page: str) -> list[Block]:
    """All blocks of a page; those that are Sphinx's directives are left to `make docs`."""
    text = (ROOT / page).read_text(encoding="utf-8")
    pattern = r"([^\n]*)\n+^```([^\n]*)\n(.*?)^```$"
    found = []
    for before, language, content in re.findall(pattern, text, flags=re.MULTILINE | re.DOTALL):
        if not language.startswith("{"):
            saved = re.search(r"[Ss]ave this as `([^`]+)`:$", before)
            found.append(Block(language, content, saved[1] if saved else None))
    assert len(found) == len(re.findall(r"^```[^{\n]", text, flags=re.MULTILINE)), page
    return found


def calls(text: str, *, console: bool = False) -> Iterator[tuple[str, int, list[str]]]:
    """Command, exit status and shown output of each line; continued lines are joined."""
    for entry in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:] if console else text.splitlines():
        line, *shown = entry.splitlines() or [""]
        command, _, comment = re.sub(r"\s+#\s", "\0", line, count=1).partition("\0")
        status = re.search(r"exit status (\d)", comment)
        if command.strip() and not command.startswith("#"):
            yield command.strip(), int(status[1]) if status else 0, shown


def why_not_run(command: str) -> str | None:
    """The reason why a command is parsed only, or None."""
    return next((why for pattern, why in NOT_RUN.items() if re.search(pattern, command)), None)


def parsed(command: str) -> None:
    """Let the real parser of the command line read a command."""
    words = shlex.split(command.replace("[", "").replace("]", ""))
    assert words[0] == "bnproof"
    if words[1:] not in (["--help"], ["--version"]):
        cli.app.parse_args(words[1:], print_error=False, exit_on_error=False)


def smallest(command: str) -> list[str]:
    """Words of a command with the smallest scale."""
    words = shlex.split(command)[1:]
    for name, options in SMALLEST.items():
        if words[: len(name.split())] == name.split() and "--from" not in words:
            for option, value in options.items():
                if option not in words:
                    words += [option, value]
                elif option == "--scale":
                    words[words.index(option) + 1] = value
    return words


def _other(command: str) -> None:
    """A command that is not bnproof's: what it names must be there."""
    words = shlex.split(command.removeprefix(".venv/bin/"))
    if words[0] == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
        assert {word for word in words[1:] if "=" not in word} <= set(targets), command
    elif words[:2] == ["pip", "install"]:
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        asked = re.findall(r"\[([\w,-]+)\]", words[-1])
        assert set(",".join(asked).split(",")) - {""} <= set(extras["optional-dependencies"])
    elif words[0] == "python" and words[1] != "-m":
        assert (ROOT / words[1]).is_file(), command
    else:
        assert words[:3] in (["python", "-m", "venv"], ["python", "-m", "pytest"]), command


def normal(line: str) -> str:
    """A line of output without numbers and without the width of its gaps."""
    return " ".join(re.sub(r"[-+]?\d[\d,]*(\.\d+)?(e[-+]?\d+)?", "#", line).split())


def assert_shown(shown: list[str], printed: str, command: str) -> None:
    """Each shown line must be printed, in that order."""
    lines = iter([normal(line) for line in printed.splitlines()])
    for line in filter(None, map(normal, shown)):
        pattern = ".*".join(re.escape(part.strip()) for part in line.split("..."))
        assert any(re.fullmatch(pattern, one) for one in lines), f"{command}: not shown: {line}"


def save(page: str) -> None:
    """Write the files that a page shows to the current folder."""
    for block in blocks(page):
        if block.file:
            path = Path(block.file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")


@pytest.fixture
def own_modules() -> Iterator[None]:
    """Forget the modules that a page wrote and imported."""
    known = set(sys.modules)
    yield
    for name in set(sys.modules) - known:
        if str(Path.cwd()) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.mark.parametrize("page", PAGES)
def test_what_is_not_run_is_right_in_form(page: str) -> None:
    for block in blocks(page):
        assert block.language in LANGUAGES, f"{page}: a block of language {block.language!r}"
        if block.language in ("sh", "console"):
            for command, _, _ in calls(block.text, console=block.language == "console"):
                inner = re.findall(r'"(bnproof [^"]*)"', command)
                if inner:  # wrapped in a command of the cluster
                    assert command.startswith("sbatch ")
                    parsed(inner[0])
                elif command.startswith("bnproof "):
                    parsed(command)
                else:
                    _other(command)
        elif block.language == "toml":
            assert plan.trials(block.text)
        elif block.language in ("bash", "yaml"):
            text = block.text.replace("\\\n", " ")
            found = re.findall(r"^\s*(?:entrypoint: |srun .* )?(bnproof .*)$", text, re.MULTILINE)
            assert found
            for command in found:
                parsed(command)
            if block.language == "bash":
                subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)


RUN: Final = [
    page
    for page in PAGES
    if any(block.language in ("python", "sh", "console") for block in blocks(page))
]


@pytest.mark.parametrize("page", RUN)
def test_a_page_runs_from_top_to_end(
    page: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    own_modules: None,
) -> None:
    monkeypatch.chdir(tmp_path)
    for other in FROM.get(page, ()):
        save(other)
    names: dict[str, object] = {}
    for block in blocks(page):
        if block.file:
            Path(block.file).parent.mkdir(parents=True, exist_ok=True)
            Path(block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            exec(compile(block.text, page, "exec"), names)
            assert capsys.readouterr().out
        elif block.language in ("sh", "console"):
            for command, status, shown in calls(block.text, console=block.language == "console"):
                if command.startswith("bnproof ") and why_not_run(command) is None:
                    monkeypatch.setattr(sys, "argv", ["bnproof", *smallest(command)])
                    with pytest.raises(SystemExit) as stop:
                        cli.main()
                    printed = capsys.readouterr()
                    assert (stop.value.code or 0) == status, f"{command}: {printed.err}"
                    assert_shown(shown, printed.out, command)


def test_a_wrong_option_is_seen() -> None:
    with pytest.raises(Exception, match="--scael"):
        parsed("bnproof verify --scael smoke")
    with pytest.raises(AssertionError, match="not shown"):
        assert_shown(["  FAIL  scale  3e-5"], "pass scale 3e-5\nFAIL shift 1", "")
    assert_shown(["FAIL  scale  3e-5 ... off"], "a\nFAIL scale 4.1e-6 <= 1 so off", "")
    assert why_not_run("bnproof verify santurkar_4_2") is None
    assert why_not_run("bnproof verify --scale smoke")
