"""`bnproof spectrum` as a person uses it."""

import importlib.util
import json
import sys

import numpy as np
import pytest

from bnproof import cli


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["bnproof", "spectrum", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    return call


@pytest.mark.parametrize(
    "arguments",
    [
        ("--factors", 3, "--size", 30, "--repeats", 2),
        ("--factors", 2, "--size", 30, "--field", "complex", "--log"),
        ("--widths", "30,20,10", "--repeats", 2),
        ("--figure", 8),
        ("--figure", 9, "--size", 30, "--repeats", 2),
        ("--figure", 20, "--size", 20, "--repeats", 2),
        ("--figure", 20, "--size", 8, "--repeats", 2, "--norm", "batch", "--batch", 5),
        ("--factors", 2, "--size", 8, "--norm", "batch", "--activation", "relu", "--log"),
        ("--widths", "30,20,10", "--norm", "layer", "--repeats", 2),
    ],
)
def test_it_writes_a_figure(run, tmp_path, arguments) -> None:
    status, out, err = run(*arguments, "--out", "a.svg", "--out", "a.png")
    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == str(tmp_path / "a.png")
    assert (tmp_path / "a.svg").read_text().rstrip().endswith("</svg>")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_values_and_numbers_agree(run, tmp_path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    options = ("--factors", 2, "--size", 20, "--repeats", 3, "--seed", 5)
    assert run(*options, "--out", "a.json", "--out", "a.parquet")[0] == 0
    (numbers,) = json.loads((tmp_path / "a.json").read_text())
    table = parquet.read_table(tmp_path / "a.parquet").to_pydict()
    logs = np.array(table["log s"])
    assert logs.shape == (3, 20)
    assert logs.max() == pytest.approx(numbers["largest log s"])
    assert table["product"] == [0, 1, 2]
    assert table["seed"] == [5, 5, 5]
    digits = np.median(logs[:, 0] - logs[:, -1]) / np.log(10)
    assert numbers["median of log10 of the condition number"] == pytest.approx(digits)
    first = (tmp_path / "a.json").read_text()
    run(*options, "--out", "a.json")
    assert (tmp_path / "a.json").read_text() == first


def test_the_seed_is_0_unless_given(run, tmp_path) -> None:
    options = ("--factors", 1, "--size", 9, "--repeats", 1)
    for name, seed in {"none": (), "0": ("--seed", 0), "1": ("--seed", 1)}.items():
        run(*options, *seed, "--out", f"{name}.json")
    none, zero, one = ((tmp_path / f"{name}.json").read_text() for name in ("none", "0", "1"))
    assert none == zero != one


def test_a_missing_package_is_said_before_the_work(run, tmp_path, monkeypatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "pyarrow" else find(name)
    )
    monkeypatch.setattr("bnproof.commands.spectrum._random", None)  # to work would fail
    status, _, err = run("--factors", 2, "--out", "a.parquet")
    assert status == 2
    assert err == "bnproof: pyarrow is not installed; run `pip install 'bnproof[parquet]'`\n"
    assert not list(tmp_path.iterdir())


def test_weights_of_a_file(run, tmp_path) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "w.npz", a=rng.standard_normal((20, 30)), b=rng.standard_normal((10, 20)))
    status, out, _ = run("--from", "w.npz", "--out", "w.json", "--out", "w.svg")
    assert status == 0
    found = json.loads((tmp_path / "w.json").read_text())
    assert [item["name"] for item in found] == ["a", "b", "product of 2"]
    assert [item["widths"] for item in found] == [[30, 20], [20, 10], [30, 20, 10]]
    assert "widths 30-20-10" in out


NETWORK = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2)
        self.convolution = nn.Conv2d(2, 4, 3, stride=2)
        self.linear = nn.Linear(8, 5)
"""


def test_a_network_in_python_with_parts_and_every_output(run, tmp_path, monkeypatch) -> None:
    (tmp_path / "mynet_of_a_test.py").write_text(NETWORK)
    monkeypatch.delitem(sys.modules, "mynet_of_a_test", raising=False)
    outputs = [f"w{end}" for end in (".html", ".csv", ".json", ".parquet", ".svg")]
    options = [part for name in outputs for part in ("--out", name)]
    source = ("--from", "mynet_of_a_test:Net", "--layers", "attention*,conv*,linear*")
    assert run(*source, "--heads", 2, "--image", 8, *options)[0] == 0
    found = json.loads((tmp_path / "w.json").read_text())
    names = [row["name"] for row in found]
    assert names.count("convolution.weight on 8x8") == 1
    assert sum("head" in name for name in names) == 8
    assert (tmp_path / "w.html").read_text().count("<article ") == len(names)
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(tmp_path / "w.parquet").to_pydict()
    assert table["name"] == names
    assert table["stable rank"] == [row["stable rank"] for row in found]
    assert len(table["log s"][names.index("convolution.weight on 8x8")]) == 16 * 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give one of --factors, --widths, --from, --figure, not none"),
        (("--factors", 2, "--widths", "3,3"), "not --factors and --widths"),
        (("--factors", 0), "--factors 0: must be an integer from 1 to 1000"),
        (("--factors", "two"), "factors"),
        (("--factors", 2, "--size", 0), "--size 0: must be at least 1"),
        (("--factors", 2, "--repeats", 0), "--repeats 0: must be at least 1"),
        (("--factors", 2, "--size", 10_000_000), "--size 10000000: takes "),
        (("--factors", 1, "--size", 10_000_000), "takes hours; give 200000 or less"),
        (("--widths", "10000000,900000,10000000"), "make the largest "),
        (("--factors", 2, "--size", 9, "--repeats", 10**12), "--repeats 1000000000000: memory"),
        (("--widths", "3"), "--widths 3: must be two or more integers"),
        (("--widths", "3,x"), "--widths 3,x: must be integers"),
        (("--widths", "3,0"), "each at least 1"),
        (("--factors", 2, "--seed", -1), "--seed -1: must be an integer, 0 to 4294967295"),
        (("--factors", 2, "--out", "a.gif"), "--out a.gif: must end in one of .svg"),
        (("--figure", 8, "--out", "a.json"), "--figure 8 plots laws"),
        (("--from", "missing.npz"), "missing.npz: cannot be read"),
        (("--factors", 450, "--size", 9, "--repeats", 1), "use --log"),
        (("--factors", 2, "--layers", "a"), "--layers does not go with --factors; leave it out"),
        (("--from", "w.npz", "--repeats", 3), "--repeats does not go with --from"),
        (("--from", "w.npz", "--size", 3), "--size does not go with --from"),
        (("--widths", "3,3", "--size", 3), "--size does not go with --widths"),
        (("--from", "no_module_here:Net"), "no module 'no_module_here'"),
        (("--from", "w.npz", "--image", "8,0"), "--image 8,0: must be one to three positive"),
        (("--from", "w.npz", "--heads", 0), "--heads 0: must be at least 1"),
        (("--factors", 2, "--heads", 2), "--heads does not go with --factors"),
        (("--factors", 2, "--batch", 8), "--batch 8: goes with --norm batch only"),
        (("--factors", 2, "--norm", "layer", "--field", "real"), "do not go with --field"),
        (("--figure", 9, "--norm", "layer"), "do not go with --figure 9"),
        (("--from", "w.npz", "--norm", "layer"), "--norm does not go with --from"),
        (("--factors", 2, "--norm", "batch", "--batch", 2), "--batch 2: must be at least 3"),
        (("--factors", 2, "--norm", "batch", "--size", 999), "--batch 16: the Jacobian of a batch"),
        (("--widths", "1,1", "--activation", "relu"), "no unit of a layer is active"),
        (("--widths", "9,2", "--norm", "layer"), "LayerNorm needs at least 3"),
        (("--figure", 8, "--out", "a.html"), "--figure 8 plots laws"),
        (("--figure", 9, "--log"), "--log does not go with --figure"),
        (("--factors", 2.5), "factors"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(run, tmp_path, arguments, message) -> None:
    status, _, err = run(*arguments)
    assert status == 2
    assert message in err
    assert err.startswith("bnproof: ")
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_bad_matrix_and_many_good_ones(run, tmp_path) -> None:
    rng = np.random.default_rng(0)
    good = {f"layer{k}": rng.standard_normal((24, 24)) for k in range(9)}
    bad = {"nan": np.full((3, 3), np.nan), "bias": np.ones(3), "ids": np.arange(4).reshape(2, 2)}
    np.savez(tmp_path / "w.npz", **good, **bad)
    outputs = ("--out", "w.json", "--out", "w.csv", "--out", "w.svg")
    status, out, err = run("--from", "w.npz", *outputs)
    assert (status, err) == (0, "")
    assert "left out: nan: holds NaN or infinity" in out
    assert "left out: bias: has no two axes" in out
    assert "left out: ids: is of type int64, not floating point" in out
    found = json.loads((tmp_path / "w.json").read_text())
    assert sum("left out" in row for row in found) == 3
    assert [row["name"] for row in found if "kind" in row] == sorted(good)
    lines = (tmp_path / "w.csv").read_text().splitlines()
    assert len(lines) == 1 + len(found)
    assert lines[0].startswith("name,kind,rows,columns,")
    assert (tmp_path / "w.svg").stat().st_size > 10_000


def test_nothing_but_bad_matrices(run, tmp_path) -> None:
    np.savez(tmp_path / "w.npz", a=np.zeros((3, 3)))
    status, _, err = run("--from", "w.npz", "--out", "w.json")
    assert status == 2
    assert err == "bnproof: w.npz: every matrix is left out, a because it is 0 everywhere\n"
    assert not (tmp_path / "w.json").exists()
