"""Measurements on a network at batch statistics; each leaves the network as it was."""

from empirical.probes.convolution import Sums, convolution_sums
from empirical.probes.logits import (
    Agreement,
    logit_gradients,
    most_predicted,
    row_agreement,
    shuffled_rows,
)
from empirical.probes.moments import Growth, Moments, block_moments, growth

__all__ = [
    "Agreement",
    "Growth",
    "Moments",
    "Sums",
    "block_moments",
    "convolution_sums",
    "growth",
    "logit_gradients",
    "most_predicted",
    "row_agreement",
    "shuffled_rows",
]
