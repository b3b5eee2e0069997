"""An attack in numbers: how tight an inequality is, how far the sides of an equation differ.

The ratio of the sides of an inequality is compared with that on random instances.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import sympy as sp
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bnproof.simulate.samplers.table import sampler_of
from bnproof.simulate.search import ascent as adversary
from bnproof.simulate.search.ascent import Attack, space_of
from bnproof.simulate.search.statement import compiled
from bnproof.theory.claim import Claim, RandomTest, Scale, Settings

EFFORT: Final = {
    Scale.SMOKE: (16, 8),
    Scale.QUICK: (64, 25),
    Scale.LONG: (2_000, 200),
    Scale.PAPER: (2_000, 200),
}
RANDOM: Final = {
    Scale.SMOKE: 16,
    Scale.QUICK: 200,
    Scale.LONG: 20_000,
    Scale.PAPER: 20_000,
}  # for each loss
SIZE: Final = 8  # batch size; at 2 most sides are 0, and large batches are all similar
SHOWN: Final = 2_000  # ratios kept for a figure
RANDOMLY, BY_ADVERSARY = "ratio, random instances", "ratio, best of each ascent"
REACHED: Final = "ascents inside the domain"
DIFFERENCE: Final = "largest scaled difference by the adversary"
ATTACKED: Final = "violations found by the adversary"
QUANTILES: Final = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def random_ratios(claim: Claim, total: int, seed: int, device: str = "cpu") -> np.ndarray:
    """Ratios of left to right side on random instances of the claim's sampler, (N,).

    About `total` instances of batch size `SIZE` are drawn for each loss.  Instances outside the
    domain, or with a right side not above rounding, have no ratio.  The array is empty for an
    equation, and for a claim without `RandomTest`.
    """
    check = claim.check_of(RandomTest)
    if check is None or isinstance(claim.relation, sp.Eq):
        return np.empty(0)
    spec = replace(check, sizes=(SIZE,))
    statement = compiled(claim.relation, claim.domain)
    ratios = []
    for _, measured in sampler_of(spec).batches(spec, claim.domain, total, seed, device):
        verdicts = statement.judge(measured, statement.sides(measured))
        ratio = verdicts.ratio[verdicts.inside]
        ratios.append(ratio[torch.isfinite(ratio)].cpu())
    return torch.cat(ratios).numpy()


@dataclass(frozen=True)
class Summary:
    """Results of an attack and of random instances.

    Attributes
    ----------
    numbers
        Results by name, ready for JSON.
    series
        Ratios for a figure, at most `SHOWN` of each kind; empty kinds are omitted.
    """

    numbers: dict[str, Any]
    series: dict[str, np.ndarray]

    @property
    def words(self) -> str:
        """The numbers in a few words, by `finding`."""
        return finding(self.numbers)


def summary(claim: Claim, settings: Settings) -> Summary:
    """Attack a claim with the effort of the scale, and compare with random instances.

    At smoke scale only one size is searched, and violations are not turned into exact data.

    Returns
    -------
    Summary
        The number of configurations judged, the confirmed violations, the exact refutation in words
        (or None); for an inequality the tightest ratio, and quantiles of the ratio on random
        instances, for an equation the largest scaled difference.  Deterministic for a given seed.

    Raises
    ------
    UserError
        If no search space fits the claim (`bnproof.simulate.search.ascent.space_of`).
    """
    restarts, steps = EFFORT[settings.scale]
    smoke = settings.scale is Scale.SMOKE
    attack = adversary.attack(
        claim,
        restarts=restarts,
        steps=steps,
        seed=settings.seed,
        device=settings.device,
        simplify=False,
        confirm=not smoke,
        sizes=[space_of(claim).usual] if smoke else None,
    )
    random = random_ratios(claim, RANDOM[settings.scale], settings.seed, settings.device)
    known = numbers(attack, random)
    if smoke:
        del known["refutation found"]
    return Summary(known, series(attack, random))


def numbers(attack: Attack, random: np.ndarray) -> dict[str, Any]:
    """Results of an attack and ratios on random instances, ready for JSON."""
    if attack.equation:
        closest: dict[str, Any] = {DIFFERENCE: attack.excess if attack.case else None}
        chance = {}
    else:
        closest = {"tightest ratio by the adversary": attack.ratio if attack.case else None}
        chance = {"ratio on random instances": _quantiles(random)}
    return {
        **closest,
        "configurations tried by the adversary": attack.configurations,
        REACHED: attack.reached,
        ATTACKED: attack.violations,
        "refutation found": attack.refutation.data.words if attack.refutation else None,
        **chance,
    }


def series(attack: Attack, random: np.ndarray) -> dict[str, np.ndarray]:
    """Ratios for `panel`, thinned to quantiles including the smallest and the largest."""
    every = {RANDOMLY: random, BY_ADVERSARY: attack.ratios}
    return {
        name: np.quantile(values, np.linspace(0, 1, SHOWN)) if len(values) > SHOWN else values
        for name, values in every.items()
        if len(values)
    }


def _quantiles(values: np.ndarray) -> dict[str, float] | None:
    if not len(values):
        return None
    return {f"{q:.0%}": float(np.quantile(values, q)) for q in QUANTILES}


def draw(figure: Figure, claim: Claim, random: np.ndarray, attack: Attack) -> str:
    """Plot the distributions of the ratio, random and under attack; returns the alt text.

    Raises
    ------
    ValueError
        If neither has a ratio.
    """
    ratios = series(attack, random)
    if not ratios:
        raise ValueError(f"{claim.id}: no right side is positive; there is no ratio to draw")
    axes = figure.subplots()
    alt_text = panel(axes, numbers(attack, random), ratios)
    axes.set_title(f"{claim.id}: {finding(numbers(attack, random))}")
    return f"{alt_text} {claim.id}: {finding(numbers(attack, random))}."


def panel(axes: Axes, known: Mapping[str, Any], ratios: Mapping[str, np.ndarray]) -> str:
    """Plot the distributions of `ratios` (`Summary.series`); returns the alt text."""
    styles = {RANDOMLY: ("C0", "-"), BY_ADVERSARY: ("C1", "--")}
    shown = {name: np.sort(ratios[name]) for name in styles if name in ratios}
    for name, values in shown.items():
        share = np.arange(1, len(values) + 1) / len(values)
        colour, line = styles[name]
        label = name.removeprefix("ratio, ")
        axes.step(values, share, line, color=colour, where="post", label=label)
    axes.axvline(1, color="0.2", linestyle=":", linewidth=1.2)
    axes.annotate(
        "equality", (1, 0.02), xytext=(-4, 0), textcoords="offset points", color="0.2", ha="right"
    )
    low, high = _range(list(shown.values()))
    if max(-low, high) > 2:
        axes.set_xscale("symlog", linthresh=1)
    axes.set_xlim(low, high)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("left side / right side, no unit")
    axes.set_ylabel("share of instances at or below")
    axes.legend(loc="upper left")
    tried = known["configurations tried by the adversary"]
    return (
        "Cumulative distributions of left side over right side: random instances, and the best of "
        f"each ascent of an adversary that judged {tried:,} configurations."
    )


def finding(known: Mapping[str, Any]) -> str:
    """Summarise `numbers` in a few words."""
    violations = known[ATTACKED]
    if not known.get(REACHED, 1):
        return "no configuration inside the domain, so nothing was searched"
    if violations:
        return f"{violations:,} violations found"
    if DIFFERENCE in known:
        return f"the sides differ by at most {known[DIFFERENCE]:.1e} of their terms"
    tightest = known["tightest ratio by the adversary"]
    if tightest is None:
        return "no right side above rounding"
    random = known["ratio on random instances"]
    typical = f", {random['50%']:.2g} on the median instance" if random else ""
    return f"at most {tightest:.4g} under attack{typical}"


def _range(series: Sequence[np.ndarray]) -> tuple[float, float]:
    """Axis range that shows all ascents and the middle 98% of random instances, including 1."""
    low = min(float(np.quantile(values, 0.01)) for values in series)
    high = max(float(values.max()) for values in series)
    return min(low, 0.0) - 0.05, max(high, 1.0) * 1.15
