"""The templates are whole: each verifies as a claim of one's own once its id is set."""

import re
from pathlib import Path

import pytest

from bnproof.catalogue import catalogue, select
from bnproof.theory.claim import Claim, Scale, Settings
from bnproof.theory.loading import LoadError
from bnproof.verification import verify

pytestmark = pytest.mark.sources
TEMPLATES = ("theory/claims", "empirical/experiments")


def copy(template: Path, folder: Path, name: str) -> Path:
    """The template under a new name, its id set and nothing else."""
    text = template.read_text(encoding="utf-8")
    path = folder / f"{name}.py"
    path.write_text(re.sub(r'id="TEMPLATE"', f'id="{name}"', text), encoding="utf-8")
    return path


@pytest.mark.parametrize("folder", TEMPLATES)
def test_a_template_is_a_claim_that_verifies(folder: str, root: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    copy(root / folder / "TEMPLATE.py", own, "mine")
    (claim,) = select([], own)
    assert isinstance(claim, Claim), claim
    (record,) = verify([claim], Settings(scale=Scale.SMOKE), tmp_path)
    assert record["as_expected"], record
    assert all(item["control_differs"] for item in record["evidence"])


@pytest.mark.parametrize("folder", TEMPLATES)
def test_a_template_as_it_is_names_its_id(folder: str, root: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    text = (root / folder / "TEMPLATE.py").read_text(encoding="utf-8")
    (own / "mine.py").write_text(text, encoding="utf-8")
    (entry,) = select([], own)
    assert isinstance(entry, LoadError)
    assert "id: 'TEMPLATE' must be the file's name" in entry.error


def test_templates_are_not_in_the_catalogue() -> None:
    assert "TEMPLATE" not in catalogue()
