"""The worked example of CONTRIBUTING.md is a claim that verifies."""

import importlib
import re
from pathlib import Path

import pytest

from ledger import document, report
from ledger.verify import verify
from theory.catalogue import load_folder
from theory.claim import Claim, Scale, Settings

pytestmark = pytest.mark.sources


def test_the_worked_example(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    (name,) = re.findall(r"`theory/claims/(\w+)\.py`:", text)
    folder = tmp_path / "worked_example"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    (claim,) = load_folder(importlib.import_module("worked_example"))
    assert isinstance(claim, Claim), claim
    (record,) = verify([claim], Settings(scale=Scale.SMOKE), tmp_path)
    assert record["error"] is None
    assert record["verdict"] == record["expected"] == "proved"
    content = document.document([record], Settings(), "test", 1)
    assert 'id="gradient_shrinks"' in report.write(content, tmp_path).read_text(encoding="utf-8")
