"""The worked example of CONTRIBUTING.md is a claim that verifies, from a folder of one's own."""

import json
import re
import sys
from pathlib import Path

import pytest

from bnproof import cli

pytestmark = pytest.mark.sources


def test_the_worked_example(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    (name,) = re.findall(r"`my_claims/(\w+)\.py`:", text)
    (command,) = re.findall(r"`bnproof (verify --claims [^`]*)`", text)
    monkeypatch.chdir(tmp_path)
    Path("my_claims").mkdir()
    Path("my_claims", f"{name}.py").write_text(code)
    monkeypatch.setattr(sys, "argv", ["bnproof", *command.split(), "--scale", "smoke"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 0
    assert "1 of 1 verdicts as expected" in capsys.readouterr().out
    (record,) = json.loads(Path("bnproof-report/evidence.json").read_text())["claims"]
    assert record["verdict"] == record["expected"] == "proved"
    assert f'id="{name}"' in Path("bnproof-report/index.html").read_text(encoding="utf-8")
