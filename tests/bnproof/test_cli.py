"""The command line as a person uses it: output, exit status, one line for bad input."""

import errno
import inspect
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import torch
from cyclopts import App

from bnproof import __version__, cli
from bnproof import catalogue as catalogue_module
from bnproof.commands.common import _integers as integers
from bnproof.theory.loading import LoadError

CLOSED = "bnproof: standard output is closed; redirect it to a file or to /dev/null\n"


class Result:
    """Exit status, standard output and standard error of one call."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> object:
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["bnproof", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capsys.readouterr()
        return Result(int(stop.value.code or 0), captured.out, captured.err)

    return call


def test_claims_lists_every_claim(run) -> None:
    result = run("claims")
    assert result.status == 0
    for claim_id in catalogue_module.catalogue():
        assert claim_id in result.out
    listed = json.loads(run("claims", "--json").out)
    assert {entry["id"] for entry in listed} == set(catalogue_module.catalogue())
    assert all(entry["source"] and entry["title"] for entry in listed)
    assert all(bool(entry["reads"]) == bool(entry["quotation"]) for entry in listed)


def test_output_that_a_full_disk_refuses_at_the_end_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    class Full(io.StringIO):
        """Takes what is printed, as a buffer does, and cannot write it."""

        def flush(self) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def fileno(self) -> int:
            return file.fileno()

    with (tmp_path / "out").open("w") as file:
        monkeypatch.setattr(sys, "stdout", Full())
        monkeypatch.setattr(sys, "argv", ["bnproof", "show", "bn_jacobian"])
        with pytest.raises(SystemExit) as stop:
            cli.main()
    assert stop.value.code == 2
    told = capsys.readouterr().err
    reason = os.strerror(errno.ENOSPC)
    assert told == f"bnproof: cannot write the output: {reason}; write it to another disk\n"


def test_an_argument_too_many_is_named(run) -> None:
    result = run("report", "one", "two")
    assert result.status == 2
    assert result.err == (
        "bnproof: unexpected argument: two; `bnproof report --help` shows the usage\n"
    )


def test_claims_lists_files_of_ones_own_and_says_which_do_not_load(run, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("1/0\n")
    result = run("claims", "--claims", tmp_path)
    assert result.status == 1
    assert result.out.splitlines()[-1].split(maxsplit=2)[:2] == ["bad", "error"]
    assert result.out.endswith("ZeroDivisionError: division by zero\n")
    listed = json.loads(run("claims", "--json", "--claims", tmp_path).out)
    assert listed[-1]["error"] == "bad.py does not load: ZeroDivisionError: division by zero"


def test_the_version_is_that_of_the_package(run) -> None:
    assert run("--version").out.strip() == __version__


def test_show_prints_statement_source_and_relation(run) -> None:
    out = run("show", "santurkar_4_1").out
    assert "A18, 4.2 Theoretical Results, Theorem 4.1" in out
    assert "as printed  For a BatchNorm network with loss" in out
    assert "sentence    A18.theorem_4_1: " in out
    assert "arXiv:1805.11604" in out
    assert "|v|^2 <= gamma**2" in out
    assert "\nchecks      Proof, RandomTest\n" in out
    assert "\nremark      An identity at eps = 0" in out


def test_show_of_a_claim_without_relation(run) -> None:
    out = run("show", "blog_saturating_tanh").out
    assert "relation" not in out
    assert "\nchecks      Experiment\n" in out
    assert "4 rates, chosen for each network" in out  # which the file computes


@pytest.mark.parametrize("claim_id", ["bn_hessian", "report_3_4", "santurkar_4_1_eps"])
def test_derive_prints_numbered_steps(run, claim_id: str) -> None:
    text, latex = run("derive", claim_id), run("derive", claim_id, "--format", "latex")
    assert text.status == latex.status == 0
    assert "\n1. Definition of the layer" in text.out
    assert "Conclusion confirmed" in text.out
    assert r"\hat y" in latex.out


def test_derive_of_a_refuted_claim_gives_the_counterexample(run) -> None:
    out = run("derive", "report_3_4").out
    assert "5 <= 0, which is false" in " ".join(out.split())


def test_derive_of_an_experiment_says_that_there_is_none(run) -> None:
    result = run("derive", "bjorck_table1")
    assert result.status == 2
    assert "decided by Experiment" in result.err


def test_verify_writes_report_and_evidence(run, tmp_path: Path) -> None:
    result = run(
        *("verify", "santurkar_4_1", "report_3_4", "--scale", "smoke", "--device", "cpu"),
        *("--json", "out/evidence.json", "--report", "page", "--jobs", 1),
    )
    assert result.status == 0
    assert result.out.splitlines()[-1] == str(tmp_path / "page" / "index.html")
    assert (tmp_path / "page" / "index.html").stat().st_size > 10_000
    evidence = json.loads((tmp_path / "out" / "evidence.json").read_text())
    assert evidence == json.loads((tmp_path / "page" / "evidence.json").read_text())
    refuted, proved = evidence["claims"]
    assert (refuted["id"], refuted["verdict"]) == ("report_3_4", "refuted")
    assert (proved["id"], proved["verdict"]) == ("santurkar_4_1", "proved")
    networks = next(e for e in proved["evidence"] if e["kind"] == "random instances")
    assert networks["provenance"]["seed"] == 0
    assert networks["numbers"]["violations"] == 0


def test_report_builds_the_page_again(run, tmp_path: Path) -> None:
    run("verify", "bn_jacobian", "--scale", "smoke")
    page = tmp_path / "bnproof-report" / "index.html"
    before = page.read_text()
    page.unlink()
    result = run("report")
    assert result.status == 0
    assert page.read_text() == before


def test_the_same_seed_gives_the_same_evidence(run, tmp_path: Path) -> None:
    def numbers(seed: int) -> list:
        run(
            "verify",
            "condition_number_lr",
            "--scale",
            "smoke",
            "--seed",
            seed,
            "--json",
            "e.json",
            "--fresh",
            "--jobs",
            1,
        )
        claims = json.loads((tmp_path / "e.json").read_text())["claims"]
        return [item["numbers"] for item in claims[0]["evidence"]]

    assert numbers(3) == numbers(3)
    assert numbers(3) != numbers(4)


def test_an_unexpected_verdict_exits_with_1(run, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from bnproof.theory.claim import Verdict
    from bnproof.theory.claims.sgd import condition_number_lr

    wrong = replace(condition_number_lr.CLAIM, expected=Verdict.REFUTED)
    monkeypatch.setattr(catalogue_module, "_files", lambda outside: {wrong.id: lambda: wrong})
    result = run("verify", "--scale", "smoke", "--jobs", 1)  # others have the true catalogue
    assert result.status == 1
    assert "proved (!)" in result.out
    assert "expected refuted" in result.out
    assert "0 of 1 verdicts as expected" in result.out


def test_a_broken_claim_is_an_error_and_the_others_run(
    run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from bnproof.theory.claims.sgd import condition_number_lr

    def fails() -> None:
        raise ZeroDivisionError("a bug in the claim")

    first, *rest = condition_number_lr.CLAIM.checks
    means = (replace(first, prove=fails), *rest)
    table = {
        "broken": LoadError("broken", "broken.py does not load: SyntaxError: invalid syntax"),
        "fails": replace(condition_number_lr.CLAIM, id="fails", checks=means),
        "condition_number_lr": condition_number_lr.CLAIM,
    }
    files = {name: partial(table.get, name) for name in table}
    monkeypatch.setattr(catalogue_module, "_files", lambda outside: files)
    result = run("verify", "--scale", "smoke", "--jobs", 1)  # others have the true catalogue
    assert result.status == 1
    assert "does not load: SyntaxError" in result.out
    assert "ZeroDivisionError: a bug in the claim" in result.out
    assert "1 of 3 verdicts as expected" in result.out
    assert run("claims").status == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["verify", "santurkar_4_11"], "did you mean santurkar_4_1"),
        (["show", "no_such"], "unknown claim 'no_such'"),
        (
            ["verify", "bn_jacobian", "--seed", "-1"],
            "--seed -1: must be an integer, 0 to",
        ),
        (["verify", "bn_jacobian", "--memory", "lots"], "memory 'lots': give bytes with a suffix"),
        (["verify", "bn_jacobian", "--memory", "1M"], "too little for one network; give 32M"),
        (
            ["verify", "bn_jacobian", "--seed", "1" + 30 * "0"],
            "--seed 1.00e+30: must be an integer",
        ),
        (["verify", "bn_jacobian", "--seed", "x"], "seed"),
        (["verify", "--scale", "huge"], "huge"),
        (["verify", "--device", "tpu"], "tpu"),
        (["verify", "--data", "nowhere"], "nowhere"),
        (["verify", "bn_jacobian", "--report", "file/below"], "cannot write file/below"),
        (["verify", "bn_jacobian", "--json", "file/x.json"], "cannot write file/x.json"),
        (["report", "nowhere"], "run `bnproof verify` first"),
        (["verify", "bn_jacobian", "--seed", "1.7"], "--seed: 1.7 is not an integer; give 1 or 2"),
        (["verify", "--claims", "."], "theory/claims/TEMPLATE.py"),
        (["attack", "nope_at_all"], "unknown claim 'nope_at_all'"),
        (["verify", "bn_jacobian", "--report", ""], "an argument is empty; give it a value or"),
        (["verify", "bn_jacobian", "--report", "file"], "file is a file; choose a folder"),
        (["verify", "bn_jacobian", "--report", "gone"], "gone is a link to nowhere, which does"),
        (["verify", "--jobs", "1e3"], "--jobs 1e3: must be an integer"),
        (["experiment", "run", "--minutes", "x"], "--minutes x: must be a number"),
        (["prove"], "prove"),
        (["verify", "--no-such-option"], "no-such-option"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    run, tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "gone").symlink_to("nowhere")
    result = run(*arguments)
    assert result.status == 2
    assert message in result.err
    assert result.err.startswith("bnproof: ")
    assert result.err.count("\n") == 1
    assert "Traceback" not in result.err
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["file"]


WITHOUT_NETWORK = [
    ("verify", "bn_jacobian"),
    ("experiment", "run", "bjorck_fig7"),
    ("sweep", "grid.toml"),
]


@pytest.mark.parametrize("command", WITHOUT_NETWORK, ids=" ".join)
def test_data_that_cannot_be_downloaded_are_one_line(
    run, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BNPROOF_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setitem(sys.modules, "pooch", None)
    (tmp_path / "grid.toml").write_text('experiment.id = "bjorck_fig7"\ngrid.seed = [0]\n')
    result = run(*command, "--data", "cifar10")
    assert (result.status, result.out) == (2, "")
    assert result.err == (
        f"bnproof: {tmp_path}/data/cifar10/cifar-10-binary.tar.gz: not found; to download it, run: "
        "pip install 'bnproof[data]'; or download https://www.cs.toronto.edu/~kriz/"
        "cifar-10-binary.tar.gz (170,052,171 bytes, SHA-256 c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25"
        "eb1ed8d9ddda3db29a59bca1dd) on another machine and save it as "
        f"{tmp_path}/data/cifar10/cifar-10-binary.tar.gz\n"
    )
    assert not (tmp_path / "data").exists()


def test_the_option_data_is_explained_in_the_same_words_everywhere() -> None:
    from bnproof.api import verify
    from bnproof.commands import experiment, sweep

    def explained(function: Callable[..., object]) -> str:
        text = inspect.getdoc(function) or ""
        return " ".join(text.partition("\ndata\n")[2].split()).partition(" used.")[0]

    words = {explained(function) for function in (cli.verify, experiment.run, sweep.sweep, verify)}
    assert words == {
        "Images: photos or digits (embedded), cifar10 (downloaded once), or a folder with CIFAR-10 "
        "(Parquet files or the official binary archive). By default the embedded data are"
    }


def test_a_missing_coq_is_usage(run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run("verify", "report_3_4", "--kernel", "coq", "--report", tmp_path / "report")
    assert result.status == 2
    assert result.err.startswith("bnproof: Coq is not installed (no coqc found); on Debian")
    assert result.err.count("\n") == 1
    assert not (tmp_path / "report").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there")
def test_a_missing_gpu_is_usage(run) -> None:
    result = run("verify", "bn_jacobian", "--device", "cuda")
    assert result.status == 2
    assert "finds no GPU" in result.err


class Full(io.TextIOBase):
    """A stream that refuses."""

    def __init__(self, error: OSError) -> None:
        self.error = error

    def write(self, text: str) -> int:
        raise self.error


def test_without_standard_output_nothing_is_done(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    result = run("verify", "bn_jacobian")
    assert result.status == 2
    assert result.err == CLOSED
    assert not list(Path.cwd().iterdir())


@pytest.mark.parametrize("arguments", [["show", "nope"], ["verify", "--seed", "x"]])
def test_an_error_that_nobody_reads_is_no_traceback(
    run, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setattr(sys, "stderr", Full(BrokenPipeError(32, "Broken pipe")))
    assert run(*arguments).status == 2


COMMANDS = ("claims", "show bn_jacobian", "experiment list", "--help")


def bnproof(command: str, streams: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own, its streams directed as a shell writes it."""
    line = f"exec {sys.executable} -m bnproof {command} {streams}"
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.run(["sh", "-c", line], text=True, check=False, **options)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_closed_standard_output_is_one_line(command: str) -> None:
    found = bnproof(command, ">&-")
    assert (found.returncode, found.stderr) == (2, CLOSED)


def test_without_standard_error_the_result_is_printed_and_nothing_else() -> None:
    assert "P/s" in bnproof("show bn_jacobian", "2>&-").stdout
    found = bnproof("show nope", "2>&-")
    assert (found.returncode, found.stdout) == (2, "")
    assert bnproof("show bn_jacobian", ">&- 2>&-").returncode == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_a_reader_that_has_gone_ends_it_as_a_broken_pipe_does(command: str) -> None:
    read, write = os.pipe()
    os.close(read)
    found = bnproof(command, stdout=write)
    os.close(write)
    assert (found.returncode, found.stderr) == (141, "")


INTERRUPTED = """
import signal, time, weakref

class Thing:
    pass

thing = Thing()
reference = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
del thing
time.sleep(60)
"""


def test_ctrl_c_in_a_callback_is_not_lost(run, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(INTERRUPTED)
    result = run("claims", "--claims", tmp_path)
    assert (result.status, result.err) == (130, "bnproof: interrupted\n")


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_out_of_memory_is_one_line(run, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(catalogue_module, "entry", fails)
    result = run("show", "bn_jacobian")
    assert (result.status, result.err) == (
        2,
        "bnproof: out of memory; reduce --memory, --jobs or the problem size\n",
    )


def test_another_error_of_the_program_is_shown_in_full(
    run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(catalogue_module, "entry", fails)
    monkeypatch.setattr(sys, "argv", ["bnproof", "show", "bn_jacobian"])
    with pytest.raises(RuntimeError, match="a bug"):
        cli.main()


def commands(app: App, *before: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and its function."""
    for name in app:
        if not name.startswith("-"):
            inner = app[name]
            if inner.default_command is not None:
                yield (*before, name), inner.default_command
            yield from commands(inner, *before, name)


def integer_options() -> Iterator[tuple[str, ...]]:
    """Each option of any command whose values are integers, after what the command needs."""
    for words, function in commands(cli.app):
        hints = get_type_hints(function)
        for name, parameter in inspect.signature(function).parameters.items():
            if integers(hints[name]) is not None:
                needed = [
                    "x"
                    for one in inspect.signature(function).parameters.values()
                    if one.kind is one.POSITIONAL_ONLY
                ]
                assert parameter.kind is parameter.KEYWORD_ONLY or words == ("experiment", "run")
                yield (*words, *needed, f"--{name.replace('_', '-')}")


OPTIONS = list(integer_options())


def test_there_are_integer_options() -> None:
    assert len(OPTIONS) > 12
    assert ("experiment", "run", "--seeds") in OPTIONS
    assert ("spectrum", "--figure") in OPTIONS


@pytest.mark.parametrize("words", OPTIONS, ids=" ".join)
def test_no_integer_is_rounded(run, words: tuple[str, ...]) -> None:
    for value in ("2.5", "-0.5", "1.5e3", "1.0e30"):
        result = run(*words[:-1], f"{words[-1]}={value}")
        assert result.status == 2
        assert f"Invalid value for {words[-1]}: {value} is not an integer; give " in result.err
        assert result.err.count("\n") == 1


def test_a_read_only_folder_is_usage(run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root every folder can be written, so the operating system's answer is imitated."""
    import tempfile

    def refuse(**kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    result = run("verify", "bn_jacobian")
    assert result.status == 2
    assert "Permission denied; choose another folder" in result.err


MINE = """
import empirical
import simulate
import theory
from torch import nn

assert theory.OWN == simulate.OWN == empirical.OWN == True


class Layer(nn.RMSNorm):
    def __init__(self):
        super().__init__(6, eps=1e-5)
"""


def test_modules_of_the_same_names_do_no_harm(tmp_path: Path) -> None:
    """In the current folder, which `python -m` and check-layer search first."""
    for name in ("theory.py", "empirical.py", "ledger.py", "simulate/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("OWN = True\n")
    (tmp_path / "mine.py").write_text(MINE)
    for words in (("--version",), ("check-layer", "mine:Layer", "--shape", "4,6")):
        command = [sys.executable, "-m", "bnproof", *words]
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (run.returncode, run.stderr) == (0, ""), run.stdout


@pytest.mark.parametrize(
    ("package", "words"),
    [
        ("torch", "check-layer mine:Layer"),
        ("sympy", "derive bn_jacobian"),
        ("matplotlib", "verify bn_jacobian"),
    ],
)
def test_a_missing_package_is_one_line(tmp_path: Path, package: str, words: str) -> None:
    code = f"import sys; sys.modules[{package!r}] = None; from bnproof.cli import main; main()"
    command = [sys.executable, "-c", code, *words.split()]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert run.stderr == (
        f"bnproof: {package} is not installed; run `pip install bnproof`, which installs it\n"
    )


def test_what_bnproof_itself_fails_to_import_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bnproof.catalogue", None)
    monkeypatch.setattr(sys, "argv", ["bnproof", "claims"])
    with pytest.raises(ImportError, match=r"bnproof\.catalogue"):
        cli.main()


def test_a_damaged_package_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise ImportError("libcudart.so.13: cannot open shared object file", name="torch._C")

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert capsys.readouterr().err == (
        "bnproof: torch cannot be imported (libcudart.so.13: cannot open shared object file); "
        "install it again\n"
    )
