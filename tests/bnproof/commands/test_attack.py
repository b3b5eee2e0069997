"""The command `bnproof attack`, called as a function: what it prints, returns and writes."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import sympy as sp
import torch

from bnproof import catalogue as catalogue_module
from bnproof.commands.attack import attack
from bnproof.simulate.search.ascent import can_attack
from bnproof.theory.claim import Claim, Counterexample, RandomTest, Settings, Verdict
from bnproof.theory.claims.gradient import report_3_4, slides_4_1
from bnproof.theory.common.errors import UserError
from bnproof.theory.exact import evaluate as exact
from bnproof.theory.symbols import text

QUICK = {"restarts": 40, "steps": 30}


def only(claim: Claim, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue_module, "_files", lambda outside: {claim.id: lambda: claim})


def test_a_false_claim_gets_an_exact_counterexample_to_paste(capsys) -> None:
    assert attack("report_3_4", **QUICK) == 0
    out = capsys.readouterr().out
    assert out.startswith("report_3_4: refuted\n")
    assert "which is false." in out
    source = re.search(r"Counterexample\.of\(.*\)", out)
    assert source is not None
    case = eval(source[0], {"Counterexample": Counterexample})
    evidence = exact.check(replace(report_3_4.CLAIM, checks=(case, RandomTest())), Settings())
    assert evidence.holds is False
    assert evidence.control_differs


def test_a_proved_claim_gets_its_tightest_case(capsys) -> None:
    assert attack("slides_4_1", **QUICK) == 0
    out = capsys.readouterr().out
    assert out.startswith("slides_4_1: not refuted\n")
    assert "4,800 configurations; 0 of 160 ascents" in out
    ratio = re.search(r"tightest    left/right side: (\S+) at", out)
    assert ratio is not None
    assert 0.99 < float(ratio[1]) < 1.001
    assert "gamma = [" in out


def test_what_was_attacked_is_said_first(capsys) -> None:
    """The relation and the domain, in which alone a violation counts."""
    attack("slides_4_1", restarts=1, steps=1)
    said = {line[:12].strip(): line[12:] for line in capsys.readouterr().out.splitlines()[:4]}
    assert said["relation"] == text(slides_4_1.CLAIM.relation)
    assert said["where"] == text(slides_4_1.CLAIM.domain)


@pytest.mark.parametrize(
    ("claim", "expected", "words"),
    [
        (slides_4_1.CLAIM, Verdict.REFUTED, "expected    refuted"),
        (report_3_4.CLAIM, Verdict.PROVED, "expected    not refuted"),
    ],
    ids=["true", "false"],
)
def test_an_unexpected_outcome_returns_1(
    claim: Claim, expected: Verdict, words: str, monkeypatch, capsys
) -> None:
    only(replace(claim, expected=expected), monkeypatch)
    assert attack(claim.id, restarts=10, steps=10) == 1
    assert words in capsys.readouterr().out


def test_the_same_seed_prints_the_same(capsys) -> None:
    def printed(seed: int) -> str:
        attack("slides_4_1", restarts=10, steps=5, seed=seed)
        return capsys.readouterr().out

    assert printed(2) == printed(2)
    assert printed(2) != printed(3)


def test_the_result_is_written_as_numbers_or_figure(tmp_path: Path, capsys) -> None:
    for name in ("result.json", "result.svg"):
        assert attack("santurkar_4_2_eps", **QUICK, out=tmp_path / "new" / name) == 0
    content = json.loads((tmp_path / "new" / "result.json").read_text())
    assert content["outcome"] == "refuted"
    assert content["source"].startswith("Counterexample.of(")
    assert content["provenance"]["seed"] == 0
    assert content["ratio on random instances"]["50%"] > 0
    assert "violations found" in (tmp_path / "new" / "result.svg").read_text()


@pytest.mark.parametrize(
    ("claim_id", "options", "words"),
    [
        ("report_34", {}, "did you mean report_3_4"),
        ("bjorck_table1", {}, "`bnproof attack` without an ID lists the claims that can"),
        ("liu_origin", {}, "no search space has the symbols"),
        ("slides_4_1", {"seed": -1}, "--seed -1: must be an integer, 0 to"),
        ("slides_4_1", {"restarts": 0}, "restarts = 0: give 1 or more"),
        ("slides_4_1", {"steps": 10**14}, "steps = 100000000000000: give 10,000,000 or less"),
        ("slides_4_1", {"out": Path("result.txt")}, "must end in .json"),
    ],
)
def test_bad_input_is_one_line(claim_id: str, options: dict, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        attack(claim_id, **options)
    assert "\n" not in str(caught.value)


def test_without_an_id_all_that_can_be_attacked_is_listed(capsys) -> None:
    assert attack() == 0
    listed = {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    claims = [claim for claim in catalogue_module.catalogue().values() if isinstance(claim, Claim)]
    assert listed > {claim.id for claim in claims if isinstance(claim.relation, sp.LessThan)}
    assert listed == {claim.id for claim in claims if can_attack(claim)}


def test_an_equation_is_attacked(tmp_path: Path, capsys) -> None:
    assert attack("bn_jacobian", **QUICK, out=tmp_path / "result.json") == 0
    out = capsys.readouterr().out
    assert out.startswith("bn_jacobian: not refuted\n")
    difference = re.search(r"largest     difference of the sides: (\S+) of their terms, at", out)
    assert difference is not None
    assert float(difference[1]) < 1e-12
    content = json.loads((tmp_path / "result.json").read_text())
    assert content["largest scaled difference by the adversary"] < 1e-12
    assert attack("report_identity_recovery", **QUICK) == 0
    assert capsys.readouterr().out.startswith("report_identity_recovery: refuted\n")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_said() -> None:
    with pytest.raises(UserError, match="device cuda"):
        attack("slides_4_1", device="cuda")
