"""What all tests share: where the build left its files, how much time there is, and who runs beside whom."""

import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
JOBS_MAX = 8
JOB_KIB = 1 << 20  # of memory for a test: its emulator's 512 MiB, and the emulator


@pytest.fixture(scope="session")
def objdir():
    """The build directory, as the makefile names it."""
    return ROOT / os.environ.get("OBJDIR", "obj")


@pytest.fixture(scope="session")
def full():
    """True in `make check-full`: more of the same, for hours when nobody waits."""
    return os.environ.get("CHECK_FULL") == "1"


def available_kib():
    lines = pathlib.Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """For `-n auto`: a test on each processor, since most are one emulator with one thread."""
    return max(1, min(len(os.sched_getaffinity(0)), JOBS_MAX, available_kib() // JOB_KIB))


def pytest_configure(config):
    config.addinivalue_line("markers", "early: takes long, so that it must not begin last")


def pytest_collection_modifyitems(items):
    """So that the run does not end with one long test on one processor."""
    items.sort(key=lambda item: item.get_closest_marker("early") is None)
