"""The file of a sweep: all combinations, the types of a recipe, and one line for what is wrong."""

import math
import re
from contextlib import suppress
from string import ascii_lowercase

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bnproof.empirical.training.config import TrainingConfig
from bnproof.sweep.plan import read, training_config, trials
from bnproof.theory.common.errors import UserError

FILE = """
[run]
steps = 3
data = "digits"
images = 40
network.family = "vgg"

[grid]
rate = [1, 0.5]
network.norm = ["batch", "none"]
seed = [0, 1, 2]
"""
RUN = '[run]\nsteps = 3\nrate = 0.1\nnetwork = {family = "resnet", depth = 8}\n'
GRID = "[grid]\nseed = [0]\n"


def test_every_combination_the_last_fastest() -> None:
    found = trials(FILE)
    assert [tuple(trial.point.values()) for trial in found] == [
        (rate, norm, seed) for rate in (1, 0.5) for norm in ("batch", "none") for seed in (0, 1, 2)
    ]
    assert len({str(trial.fields) for trial in found}) == 12
    assert training_config(found[3].fields) == TrainingConfig(
        network={"family": "vgg", "norm": "none"}, steps=3, rate=1.0, seed=0
    )
    assert isinstance(found[0].fields["rate"], float)  # 1 and 1.0 are one configuration
    assert found[0].fields["data"] == "digits"
    assert found[0].fields["images"] == 40


def test_tables_dots_and_quotes_are_one_spelling() -> None:
    tables = FILE.replace('network.norm = ["batch", "none"]\nseed', "seed")
    tables += '\n[grid.network]\nnorm = ["batch", "none"]\n'
    quotes = FILE.replace("network.norm", '"network.norm"')
    same = {str(trial.fields) for trial in trials(FILE)}
    assert {str(trial.fields) for trial in trials(tables)} == same
    assert {str(trial.fields) for trial in trials(quotes)} == same


def test_a_whole_network_may_vary_and_one_option_with_it() -> None:
    text = (
        "[run]\nsteps = 3\nrate = 0.1\n[grid]\n"
        'network = [{family = "vgg", width = 4}, {family = "resnet", depth = 8}]\n'
        '"network.norm" = ["none", "batch"]\n'
    )
    networks = [trial.fields["network"] for trial in trials(text)]
    assert networks[1] == {"family": "vgg", "width": 4, "norm": "batch"}
    assert networks[2] == {"family": "resnet", "depth": 8, "norm": "none"}


def test_experiments() -> None:
    text = '[experiment]\nscale = "smoke"\n[grid]\nid = ["bjorck_fig2"]\nseed = [3, 4]\n'
    (first, second) = trials(text, data="digits")
    said = {"id": "bjorck_fig2", "scale": "smoke", "seed": 3, "data": "digits"}
    assert first.fields == said | {"precision": "float32", "mode": "exact"}
    assert second.point == {"id": "bjorck_fig2", "seed": 4}


def test_data_of_the_call_goes_before_those_of_the_file() -> None:
    assert {trial.fields["data"] for trial in trials(FILE, data="photos")} == {"photos"}
    varied = RUN + '[grid]\ndata = ["photos", "digits"]\n'
    assert [trial.fields["data"] for trial in trials(varied)] == ["photos", "digits"]
    with pytest.raises(ValueError, match="cannot be combined with --data"):
        trials(varied, data="photos")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"must have exactly one table \[run\] or \[experiment\]"),
        ("[runs]\n", "table 'runs': must be one of .*; the nearest is run"),
        (RUN, r"\[grid\] is empty"),
        (RUN + "[grid]\n", r"\[grid\] is empty"),
        (RUN + "[grid]\nseed = []\n", r"\[grid\] seed: must be a list of at least one value"),
        (RUN + "[grid]\nseed = 3\n", r"\[grid\] seed: must be a list"),
        (RUN + "[grid]\nseed = [0, 1, 0]\n", r"\[grid\] seed: 0 is given twice"),
        (RUN + "[grid]\nsede = [0]\n", "name 'sede': must be one of .*; the nearest is seed"),
        (RUN + "[grid]\nrate = [0.5]\n", r"rate: is set in both \[run\] and \[grid\]; remove one"),
        (RUN + '[grid]\nnetwork.nrom = ["none"]\n', "the nearest is network.norm"),
        (RUN + '[grid]\n"network.norm" = ["none"]\nnetwork.norm = ["none"]\n', "is given twice"),
        (RUN + "[grid]\nrate.x = [1]\n", "rate.x: rate is not a table"),
        ("[run]\nsteps = 3\nrate = 0.1\n" + GRID, "network is missing"),
        (RUN.replace("0.1", '"0.1"') + GRID, "rate '0.1': must be a number"),
        (RUN.replace("0.1", "nan") + GRID, "rate nan: must be finite"),
        (RUN.replace("0.1", "-1") + GRID, "rate -1.0: must be positive"),
        (RUN.replace("3", "3.5") + GRID, "steps 3.5: must be an integer"),
        (RUN + "augment = 1\n" + GRID, "augment 1: must be true or false"),
        (RUN.replace("3", "true") + GRID, "steps True: must be an integer"),
        (RUN.replace("= 8", "= 1979-05-27") + GRID, "network.depth .*must be an integer"),
        (RUN.replace("resnet", "resent") + GRID, "network.family 'resent'.*nearest is resnet"),
        (RUN + "metrics = [1]\n" + GRID, "metrics .*must be a list of strings"),
        (RUN + "images = 0\n" + GRID, "images 0: must be an integer, at least 1"),
        (RUN + "[grid]\nseed = [-1]\n", "seed -1: must be an integer, 0 to 4294967295"),
        ("run = 1\n" + GRID, r"run: must be a table; write \[run\]"),
        (RUN + "[experiment]\n" + GRID, "must have exactly one table"),
        ('[experiment]\nid = "bjorck_fig22"\n' + GRID, "did you mean bjorck_fig2"),
        ('[experiment]\nid = "thm41_gradient"\n' + GRID, "unknown experiment"),
        ('[experiment]\nid = "bjorck_fig2"\nscale = "huge"\n' + GRID, "scale 'huge': must be one"),
        (
            '[experiment]\nid = "bjorck_fig2"\nprecision = "half"\n' + GRID,
            "precision 'half': must be one of float32, bfloat16",
        ),
        (
            '[experiment]\nid = "bjorck_fig2"\nmode = "quick"\n' + GRID,
            "mode 'quick': must be one of exact, fast",
        ),
        ("[experiment]\n" + GRID, "id is missing"),
        (
            '[run]\nsteps = 3\nrate = 0.1\nnetwork = {family = "dense"}\n' + GRID,
            "network.hidden is missing",
        ),
        ("[run\n", "Expected"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, text, message) -> None:
    path = tmp_path / "sweep.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as error:
        read(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_files_that_cannot_be_read(tmp_path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*No such file"):
        read(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"\xff")
    with pytest.raises(UserError, match="is not UTF-8"):
        read(tmp_path / "latin.toml")


NAMES = re.findall(r"^([\w.]+) =", FILE, re.MULTILINE)


@given(st.sampled_from(NAMES), st.integers(0, 20), st.sampled_from(ascii_lowercase))
@settings(max_examples=40)
def test_a_misspelt_name_is_refused(name, place, symbol) -> None:
    place %= len(name)
    wrong = name[:place] + symbol + name[place + 1 :]
    assume(wrong != name)
    with pytest.raises(ValueError, match=r"must be one of|is not a table|is missing"):
        trials(re.sub(rf"^{re.escape(name)} =", f"{wrong} =", FILE, flags=re.MULTILINE))


VALUES = st.one_of(
    st.integers(-5, 5).map(str),
    st.floats().map(lambda x: str(x) if math.isfinite(x) else "inf"),
    st.sampled_from(["true", '"x"', "[]", "[1]", "{}", "{a = 1}", "1979-05-27", "'''\n'''"]),
)
KEYS = st.sampled_from(["steps", "rate", "network", "network.norm", "seed", "schedule", "id", "x"])


@given(
    st.sampled_from(["run", "experiment"]),
    st.lists(st.tuples(KEYS, VALUES), max_size=4),
    st.lists(st.tuples(KEYS, st.lists(VALUES, max_size=2)), max_size=3),
)
@settings(max_examples=100)
def test_any_file_is_understood_or_refused(kind, fixed, grid) -> None:
    lines = [f"[{kind}]", *(f"{name} = {value}" for name, value in fixed)]
    lines += ["[grid]", *(f"{name} = [{', '.join(values)}]" for name, values in grid)]
    with suppress(ValueError):
        assert all(trial.point for trial in trials("\n".join(lines)))
