"""Experiments on images: data, networks, metrics and training."""
