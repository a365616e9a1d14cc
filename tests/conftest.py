"""What all tests share: where the build left its files, and how much time there is."""

import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def objdir():
    """The build directory, as the makefile names it."""
    return ROOT / os.environ.get("OBJDIR", "obj")


@pytest.fixture(scope="session")
def full():
    """True in `make check-full`: more of the same, for hours when nobody waits."""
    return os.environ.get("CHECK_FULL") == "1"
