"""Freed memory is kept where the C library is glibc, and nothing fails elsewhere."""

import ctypes
import platform

import pytest

from bnproof.empirical.training import allocation


@pytest.fixture(autouse=True)
def forgotten():
    allocation.keep_memory.cache_clear()
    yield
    allocation.keep_memory.cache_clear()


def test_glibc_keeps_it():
    assert allocation.keep_memory() == (platform.libc_ver()[0] == "glibc")


@pytest.mark.parametrize("error", [OSError, TypeError])
def test_no_c_library(monkeypatch, error):
    def fail(_name):
        raise error

    monkeypatch.setattr(ctypes, "CDLL", fail)
    assert not allocation.keep_memory()


def test_another_c_library(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    assert not allocation.keep_memory()
