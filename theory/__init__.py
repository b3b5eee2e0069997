"""Statements, their derivations and exact counterexamples. Never imports PyTorch."""
