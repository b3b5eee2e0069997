"""Exact data: relations evaluated in rational arithmetic, counterexamples, tight cases."""
