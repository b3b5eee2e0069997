"""Tests of statements on random instances: networks and random matrices, in PyTorch."""
