"""The public names of `bnproof`, and what `verify` and `spectrum` return."""

import ast
import doctest
import importlib
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
import torch

import bnproof
from bnproof.theory.claim import Evidence, Kind, Verdict
from bnproof.theory.claims.gradient import bn_jacobian
from bnproof.theory.common.errors import UserError
from bnproof.verdicts import Result, Results

STUB = Path(bnproof.__file__).with_suffix(".pyi")
# Public name -> module that defines it.
NAMES = {
    alias.name: f"bnproof.{node.module}"
    for node in ast.parse(STUB.read_text(encoding="utf-8")).body
    if isinstance(node, ast.ImportFrom) and node.module
    for alias in node.names
}


def test_every_public_name_is_there() -> None:
    assert {"verify", "check_layer", "spectrum", "Claim", "FussCatalan", "sharpness"} <= set(NAMES)
    assert set(bnproof.__all__) == set(NAMES) | {"theory", "simulate", "empirical"}
    assert sorted(dir(bnproof)) == sorted(bnproof.__all__)
    for name, module in NAMES.items():
        assert getattr(bnproof, name) is getattr(importlib.import_module(module), name)
    with pytest.raises(AttributeError, match="nothing"):
        bnproof.nothing  # noqa: B018


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_documented(name: str) -> None:
    assert (getattr(bnproof, name).__doc__ or "").strip()


def test_importing_it_loads_nothing_heavy() -> None:
    code = "import sys, bnproof; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert "bnproof" in loaded
    assert not {name for name in loaded if name.startswith("bnproof.")}
    assert not loaded & {"numpy", "sympy", "torch", "matplotlib", "scipy", "cyclopts"}


# Names that do something; the others are data.
LAWS = ("FiniteProduct", "FussCatalan", "HardEdge", "MarchenkoPastur", "ProductLaw", "TracyWidom")
TOOLS = [name for name in NAMES if name.islower() or name in LAWS]


@pytest.mark.parametrize("name", ["bnproof", *TOOLS])
def test_the_examples_of_a_docstring_run(name: str) -> None:
    found = bnproof if name == "bnproof" else getattr(bnproof, name)
    (test,) = doctest.DocTestFinder(recurse=False).find(found, name, globs={})
    assert test.examples
    torch.manual_seed(0)
    assert doctest.DocTestRunner().run(test).failed == 0


USE = """
import bnproof

reveal_type(bnproof.check_layer)
reveal_type(bnproof.verify("santurkar_4_1"))
reveal_type(bnproof.FussCatalan(2))
reveal_type(bnproof.spectrum)
bnproof.no_such_name
"""


@pytest.mark.slow  # unless mypy has been run before
@pytest.mark.sources
def test_type_checkers_know_the_names(root: Path, tmp_path: Path) -> None:
    if shutil.which("mypy", path=str(Path(sys.executable).parent)) is None:
        pytest.skip("mypy is not installed: the extra `dev` has it")
    (tmp_path / "use.py").write_text(USE)
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-pretty", str(tmp_path / "use.py")],
        cwd=root,  # where the settings are
        capture_output=True,
        text=True,
        check=False,
    )
    *told, _ = run.stdout.splitlines()
    assert len(told) == 5, run.stdout
    for line, words in zip(
        told,
        ("results.Report", "verdicts.Results", "FussCatalan", "spectrum.Spectrum", "no_such"),
        strict=True,
    ):
        assert words in line
        assert '"Any"' not in line


# --- verify ---------------------------------------------------------------------------------------


def test_verify_returns_results_by_id() -> None:
    results = bnproof.verify("santurkar_4_1", "bn_jacobian", scale="smoke", device="cpu")
    assert list(results) == ["santurkar_4_1", "bn_jacobian"]  # in the order asked for
    found = results["santurkar_4_1"]
    assert found.verdict is found.expected is Verdict.PROVED
    assert results.as_expected
    assert found.error is None
    assert [item.kind for item in found.evidence] == [Kind.PROOF, Kind.INSTANCES]
    assert all(item.holds and item.control_differs for item in found.evidence)
    assert found.evidence[1].provenance["seed"] == 0
    shown = repr(results).splitlines()
    assert shown[0] == "santurkar_4_1: proved, as expected"
    assert shown[1].startswith("  proof: SymPy confirms")
    assert shown[-1] == "2 of 2 verdicts as expected"
    assert max(map(len, shown)) <= 88


def test_a_claim_of_ones_own() -> None:
    """As an object; and one whose expected verdict is not what the evidence gives."""
    claim = replace(bn_jacobian.CLAIM, id="mine", expected=Verdict.REFUTED)
    results = bnproof.verify(claim, scale="smoke", device="cpu")
    assert results["mine"].verdict is Verdict.PROVED
    assert not results.as_expected
    assert repr(results["mine"]).startswith("mine: proved, but expected refuted\n")
    with pytest.raises(UserError, match=r"mine: relation: unknown symbol q"):
        bnproof.verify(replace(claim, relation=sp.Eq(sp.Symbol("q"), 1)))


def test_a_folder_of_claims(tmp_path: Path) -> None:
    """Without ids just these; code that fails is a result without a verdict."""
    (tmp_path / "broken.py").write_text("1/0\n")
    results = bnproof.verify(folder=tmp_path, scale="smoke", device="cpu")
    (found,) = results.values()
    assert found.verdict is None
    assert not found.as_expected
    assert repr(results).splitlines() == [
        "broken: error: broken.py does not load: ZeroDivisionError: division by zero",
        "0 of 1 verdicts as expected",
    ]


@pytest.mark.parametrize(
    ("claims", "options", "message"),
    [
        (("santurkar_41",), {}, "unknown claim 'santurkar_41'; did you mean santurkar_4_1"),
        (("bn_jacobian", "bn_jacobian"), {}, "bn_jacobian: is given twice"),
        ((), {"scale": "huge"}, "scale 'huge': must be one of smoke, quick, long, paper"),
        ((), {"device": "tpu"}, "device 'tpu': must be one of auto, cpu, cuda"),
        ((), {"seed": -1}, "seed -1: must be an integer, 0 to 4294967295"),
        ((), {"seed": 1.5}, "seed 1.5: must be an integer"),
        ((), {"memory": 1000}, "memory '1000': too little for one network; give 32M or more"),
        ((), {"data": "nowhere"}, "nowhere"),
        ((), {"folder": "nowhere"}, "no folder of claims at nowhere"),
    ],
)
def test_bad_arguments_are_one_line(claims: tuple[str, ...], options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        bnproof.verify(*claims, **options)
    assert "\n" not in str(raised.value)


def test_results_are_a_mapping() -> None:
    wrong = Result("b", "B.", Verdict.SUPPORTED, Verdict.PROVED, (), None, 1.0)
    right = Result(
        "a", "A.", Verdict.PROVED, Verdict.PROVED, (Evidence(Kind.PROOF, True, True, "x"),)
    )
    results = Results([wrong, right])
    assert len(results) == 2
    assert dict(results) == {"b": wrong, "a": right}
    assert not results.as_expected
    assert Results([right]).as_expected
    with pytest.raises(KeyError):
        results["c"]


# --- spectrum -------------------------------------------------------------------------------------


def test_a_spectrum_has_the_singular_values() -> None:
    weights = np.random.default_rng(3).standard_normal((2, 20, 20)).astype(np.float32)
    first, second, product = bnproof.spectrum(list(weights))
    assert [found.name for found in (first, second, product)] == [
        "weights[0]",
        "weights[1]",
        "product of 2",
    ]
    for found, matrix in (
        (first, weights[0]),
        (second, weights[1]),
        (product, weights[1] @ weights[0]),
    ):
        values = np.exp(found.logs[0])
        expected = np.linalg.svd(matrix.astype(float), compute_uv=False)
        np.testing.assert_allclose(values / values[0], expected / expected[0], rtol=1e-5)
        assert found.condition[0] == pytest.approx(np.log10(expected[0] / expected[-1]), abs=1e-5)


def test_spectrum_takes_a_matrix_names_or_a_network() -> None:
    array = np.arange(6.0).reshape(2, 3)
    tensor = torch.tensor(array, requires_grad=True)
    (one,) = bnproof.spectrum(array)
    (turned,) = bnproof.spectrum(array[::-1])  # negative strides
    (named,) = bnproof.spectrum({"a": tensor})
    assert one.widths == (3, 2)
    assert named.name == "a"
    np.testing.assert_allclose(one.logs, named.logs)
    np.testing.assert_allclose(one.logs, turned.logs)
    assert len(bnproof.spectrum([array, array])) == 2  # do not chain: no product
    assert "array" not in repr(one)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([], "no weight matrices given"),
        (np.zeros((2, 2, 2)), r"weights: shape \(2, 2, 2\); it must be a matrix"),
        ([np.eye(2), np.full((2, 2), np.nan)], r"weights\[1\]: holds NaN or infinity"),
        ({"a": np.zeros((2, 2))}, "a: all entries are 0"),
        ("text", r"weights\[0\]: must be an array or a tensor, not str"),
        (None, "weights: must be an array or a tensor, not NoneType"),
    ],
)
def test_what_is_no_weight_is_one_line(weights: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        bnproof.spectrum(weights)  # type: ignore[arg-type]
