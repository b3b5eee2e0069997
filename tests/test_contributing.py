"""The worked example of CONTRIBUTING.md is a claim, in a folder of its own and in the catalogue."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bnproof import cli
from bnproof.theory.claim import Proof
from bnproof.theory.exact import evaluate
from bnproof.theory.loading import files_in

pytestmark = pytest.mark.sources


@pytest.fixture(scope="module")
def text(root: Path) -> str:
    return (root / "CONTRIBUTING.md").read_text(encoding="utf-8")


def save_example(text: str, folder: Path) -> str:
    """Write the example's file; its name is the id of the claim."""
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    (name,) = re.findall(r"`my_claims/(\w+)\.py`:", text)
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(code, encoding="utf-8")
    return name


def test_the_worked_example(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    name = save_example(text, Path("my_claims"))
    (command,) = re.findall(r"`bnproof (verify --claims [^`]*)`", text)
    monkeypatch.setattr(sys, "argv", ["bnproof", *command.split(), "--scale", "smoke"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 0
    assert "1 of 1 verdicts as expected" in capsys.readouterr().out
    (record,) = json.loads(Path("bnproof-report/evidence.json").read_text())["claims"]
    assert record["verdict"] == record["expected"] == "proved"
    assert f'id="{name}"' in Path("bnproof-report/index.html").read_text(encoding="utf-8")


def test_its_inequality_is_attained(text: str, tmp_path: Path) -> None:
    name = save_example(text, tmp_path)
    claim = files_in(tmp_path)[name]()
    case = claim.check_of(Proof).attained
    assert "both sides are" in evaluate.attained(claim.relation, claim.domain, case)


@pytest.mark.slow
def test_it_passes_the_tests_of_the_catalogue(root: Path, text: str, tmp_path: Path) -> None:
    """Moved in a copy of the tree as the text says, with every test that takes a claim."""
    tree = tmp_path / "tree"
    left = shutil.ignore_patterns(".*", "build", "results", "drawn", "__pycache__")
    shutil.copytree(root, tree, symlinks=True, ignore=left)
    shutil.copytree(root / "src" / "bnproof" / "results", tree / "src" / "bnproof" / "results")
    (folder,) = re.findall(r"move the file to `([\w/]+)/`\s+and run `make readme`", text)
    name = save_example(text, tree / folder)

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=tree,
            env=os.environ | {"PYTHONPATH": str(tree / "src")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("bnproof.readme", "README.md")
    assert f"`{name}`" in (tree / "README.md").read_text(encoding="utf-8")
    out = run("pytest", "-v", "tests", "-k", f"{name} or test_catalogue")
    files = re.findall(rf"^(\S+\.py)::.*\b{name}\b.* PASSED", out, re.MULTILINE)
    assert {Path(file).name for file in files} >= {"test_catalogue.py", "test_tightness.py"}, out
