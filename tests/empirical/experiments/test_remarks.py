"""Remarks hold no measured number typed by hand: it is in the record, and a new run changes it.

Numbers of the sources and of our choices have their place: sentences that begin with a label, such
as *From the source:* or *Our choices:*. All other sentences say in words what was measured.
"""

import re

import pytest

from bnproof.catalogue import experiments

SENTENCES = re.compile(r"(?<=\.) (?=[A-Z'])")
LABEL = re.compile(
    r"(?:From (?:the source|[A-Z]\w+ et al\.[^:]*(?::\d[^:]*)?)|Our choices?(?: here)?"
    r"|Changed after [^:]+): "
)
# Where digits are no measurements: names, such as A18, CIFAR-10 and ids of claims; figures, layers
# and equations; years.
REFERENCE = re.compile(
    r"arXiv:\d+\.\d+"
    r"|\b[A-Za-z][\w-]*\d\w*"
    r"|\b(?:figure|table|section|theorem|definition|layer)s? \d+(?:\.\d+)*(?:(?:, | and )\d+)*"
    r"|\(\d\)"
    r"|\b(?:19|20)\d\d(?=[,)])",
    re.IGNORECASE,
)
COUNT = "(?:two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|hundreds?|thousands?)"
NUMBER = re.compile(
    rf"[^ ]*\d[^ ]*|per cent|\w+fold\b|\b{COUNT} (?:of )?(?:times|decades|orders of magnitude)"
)
# These announce measurements, also in a sentence with a label.
WORDING = re.compile(rf"Measured (?:with|on)|Measured:|\bwith (?:\d+|{COUNT}) seeds|\bby seed\b")


def measured(remark: str) -> list[str]:
    """What reads like a number that was measured."""
    unlabelled = [text for text in SENTENCES.split(remark) if not LABEL.match(text)]
    numbers = [word for text in unlabelled for word in NUMBER.findall(REFERENCE.sub("", text))]
    return WORDING.findall(remark) + numbers


@pytest.mark.parametrize("claim", experiments(), ids=lambda claim: claim.id)
def test_a_remark_has_no_measured_number(claim):
    assert measured(claim.remark) == []


@pytest.mark.parametrize(
    ("remark", "found"),
    [
        ("From the source: rate 0.1. It learns less, by 0.2.", ["0.2."]),
        ("Our choices: width 16. Accuracies are 54 % and 30 %.", ["54", "30"]),
        ("Our choices: by seed, less. Measured with rounding.", ["Measured with", "by seed"]),
        ("From He's initialisation: 23 times as much.", ["23"]),
        ("With BN it drifts three times as far, without it tenfold.", ["three times", "tenfold"]),
    ],
)
def test_measured_numbers_are_found(remark, found):
    assert sorted(measured(remark)) == sorted(found)


@pytest.mark.parametrize(
    "remark",
    [
        "Our choices: width 16; at quick 32 layers. With BN it learns faster.",
        "From Yang et al. (2019, arXiv:1902.08129): it grows by 1.467 per layer.",
        "Changed after a first look: the threshold, from 0.15 to 0.2.",
        "Like Theorem 4.1 and layers 3, 6 and 9 of VGG-16 in figure 2 (Li et al. 2018, section 3).",
        "Units move several times as far, with most seeds by many orders of magnitude.",
    ],
)
def test_other_numbers_are_not(remark):
    assert measured(remark) == []
