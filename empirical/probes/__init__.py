"""Measurements on a network at batch statistics; each leaves the network as it was."""

from empirical.probes.convolution import Kernel, Sums, convolution_sums, kernel_gradients
from empirical.probes.logits import (
    Agreement,
    logit_gradients,
    most_predicted,
    row_agreement,
    shuffled_rows,
)
from empirical.probes.moments import Growth, Moments, block_moments, growth
from empirical.probes.spread import dominance, kurtosis, rank_correlation, shuffled

__all__ = [
    "Agreement",
    "Growth",
    "Kernel",
    "Moments",
    "Sums",
    "block_moments",
    "convolution_sums",
    "dominance",
    "growth",
    "kernel_gradients",
    "kurtosis",
    "logit_gradients",
    "most_predicted",
    "rank_correlation",
    "row_agreement",
    "shuffled",
    "shuffled_rows",
]
