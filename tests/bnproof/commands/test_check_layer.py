"""`bnproof check-layer` as a person uses it: a file in the current folder, status, one line."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from cyclopts import App

from bnproof.commands.check_layer import check_layer
from bnproof.theory.common.errors import UserError

LAYERS = """
import torch
from torch import nn


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(6))

    def forward(self, x):
        return self.weight * x / torch.sqrt((x * x).mean(-1, keepdim=True) + 1e-5)


def good():
    return Plain()


def bad():
    layer = Plain()
    layer.register_forward_hook(lambda module, given, z: z * 1.01)
    return layer


ready = Plain()
number = 3


def raises():
    raise RuntimeError("first line\\nsecond line")


def leaves():
    raise SystemExit(0)


def leaves_later():
    layer = Plain()
    layer.register_forward_hook(lambda module, given, z: leaves())
    return layer


def returns_number():
    return 3


def splits():
    layer = Plain()
    layer.register_forward_hook(lambda module, given, z: z[:, :2])
    return layer


def pairs():
    layer = Plain()
    layer.register_forward_hook(lambda module, given, z: (z, z))
    return layer


def sleeping():
    import time
    layer = Plain()
    layer.register_forward_hook(lambda module, given, z: time.sleep(60))
    return layer


def broken():
    layer = Plain()
    layer.register_forward_hook(lambda module, given, z: z * float("nan"))
    return layer
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The command in a folder with a file of layers of its own name."""
    (tmp_path / "layers_of_a_person.py").write_text(LAYERS)
    (tmp_path / "needs_more.py").write_text("import nothing_of_that_name\n")
    (tmp_path / "wrong_syntax.py").write_text("def f(:\n")
    monkeypatch.chdir(tmp_path)
    app = App(result_action="return_value")
    app.command(check_layer)

    def call(target: str, *options: str) -> int:
        return app(["check-layer", target, "--device", "cpu", *options], exit_on_error=False)

    return call


def test_a_right_layer_passes(run, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run("layers_of_a_person:good", "--json", "out/layer.json") == 0
    out = capsys.readouterr().out
    assert "measured against RMSNorm (one sample over its last axis, eps 1e-05), by fit" in out
    assert "FAULT" not in out
    assert out.splitlines()[-1] == "61 checks passed, 0 faults"
    content = json.loads((tmp_path / "out" / "layer.json").read_text())
    assert content["passed"] is True
    assert {row["outcome"] for row in content["rows"]} == {"pass", "not applicable"}


def test_a_wrong_layer_fails(run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("layers_of_a_person:bad", "--as", "rms", "--eps", "1e-5", "--shape", "5,6") == 1
    out = capsys.readouterr().out
    assert "less beta, 1.01 to 1.01 times what it should be" in out
    assert "RMSNorm (one sample over its last axis, eps 1e-05), as named" in out
    assert "input 5 x 6" in out


def test_options_are_those_of_python(
    run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ("--as", "rms", "--eps", "1e-5", "--parts", "forward")
    assert run("layers_of_a_person:bad", *words, "--junit", "layer.xml") == 1
    out = capsys.readouterr().out
    assert "most probable cause: the output, less beta, is 1.01 times" in out
    suite = ElementTree.parse(tmp_path / "layer.xml").getroot()
    assert int(suite.get("failures")) == len(suite.findall(".//failure")) == out.count("FAULT")
    faults = [case.get("name") for case in suite if case.find("failure") is not None]
    assert run("layers_of_a_person:bad", *words, "--known", *faults) == 0
    assert f"{len(faults)} notes" in capsys.readouterr().out


def test_a_layer_that_does_not_return_is_given_up(run) -> None:
    with pytest.raises(UserError, match=r"does not finish in 0\.5 s; allow more with --timeout"):
        run("layers_of_a_person:sleeping", "--timeout", "0.5")
    with pytest.raises(UserError, match="--timeout 0: must be a positive number of seconds"):
        run("layers_of_a_person:good", "--timeout", "0")


def test_a_module_or_a_class_serves_as_well(run) -> None:
    assert run("layers_of_a_person:ready", "--seed", "3") == 0
    assert run("layers_of_a_person:Plain", "--as", "rms") == 0


def test_files_named_like_libraries_do_not_replace_them(tmp_path: Path) -> None:
    for name in ("tqdm", "token", "torch", "simulate"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(5)")
    (tmp_path / "mine.py").write_text("from torch import nn\nlayer = nn.RMSNorm(6)\n")
    words = [sys.executable, "-P", "-m", "bnproof", "check-layer", "mine:layer"]
    found = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")
    assert "checks passed" in found.stdout


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("layers_of_a_person", (), "must have the form package.module:factory"),
        ("layers_of_a_persn:good", (), "did you mean layers_of_a_person?"),
        (
            "layers_of_a_person.more:good",
            (),
            "no module 'layers_of_a_person.more'; layers_of_a_person does not contain it",
        ),
        (
            "mine/layers_of_a_person.py:good",
            (),
            "run `bnproof check-layer layers_of_a_person:good`",
        ),
        ("zzz:good", (), "no module 'zzz'; it must be installed, or be the file zzz.py in the"),
        ("layers_of_a_person:zzz", (), "name a module, class or function that it defines"),
        ("layers_of_a_person:goood", (), "did you mean good"),
        ("layers_of_a_person:raises", (), "raised RuntimeError: first line"),
        ("layers_of_a_person:returns_number", (), "returned int; it must return a torch Module"),
        ("layers_of_a_person:number", (), "is a int; name a factory or a module"),
        ("layers_of_a_person:splits", (), "maps shape 8x6 to 8x2"),
        ("layers_of_a_person:pairs", (), "returns tuple; it must return a tensor"),
        ("layers_of_a_person:broken", (), "NaN or infinity for a finite input of shape 8x6"),
        ("layers_of_a_person:good", ("--shape", "8"), "must be at least two positive integers"),
        ("layers_of_a_person:good", ("--shape", "8,0"), "must be at least two positive integers"),
        ("layers_of_a_person:good", ("--shape", "8,5"), "raises for an input of shape 8x5"),
        ("layers_of_a_person:good", ("--as", "rsm"), "did you mean rms?"),
        ("layers_of_a_person:good", ("--as", "instance"), "forms no group"),
        ("layers_of_a_person:good", ("--eps", "-1"), "eps = -1: must be finite and at least 0"),
        (
            "layers_of_a_person:good",
            ("--seed", "-1"),
            "--seed -1: must be an integer, 0 to",
        ),
        ("layers_of_a_person:good", ("--eps", "nan"), "eps = nan: must be finite and at least 0"),
        ("layers_of_a_person:good", ("--shape", "²,8"), "must be at least two positive integers"),
        ("layers_of_a_person:number.foo", (), "has no 'number.foo'"),
        ("layers_of_a_person:leaves", (), "calls sys.exit; remove the call"),
        ("layers_of_a_person:leaves_later", (), "calls sys.exit; remove the call"),
        ("torch.nn:LayerNorm", (), "raised TypeError"),
        ("needs_more:good", (), "imports nothing_of_that_name, which is not installed"),
        ("wrong_syntax:good", (), "cannot import wrong_syntax: SyntaxError"),
    ],
)
def test_what_cannot_be_measured_is_one_line(
    run, target: str, options: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UserError) as caught:
        run(target, *options)
    assert message in " ".join(str(caught.value).split())
