"""The README's Python runs as it stands there."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.sources


def test_python_of_the_readme_runs(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (root / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
        assert capsys.readouterr().out
