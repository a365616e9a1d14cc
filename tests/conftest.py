"""What all tests share: the build directory, short or long form, and how many tests run at once."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
JOBS_MAX = 8
JOB_KIB = 1 << 20  # memory that a test takes: the 512 MiB of its machine, and the emulator


@pytest.fixture(scope="session")
def objdir():
    """The build directory that the makefile names."""
    return ROOT / os.environ.get("OBJDIR", "obj")


@pytest.fixture(scope="session")
def full():
    """True in `make check-full`, the long form, for hours when nobody waits."""
    return os.environ.get("CHECK_FULL") == "1"


@pytest.fixture
def check_tree():
    """A function that runs a tool of tools/treecheck.py on the tree at `root`; returns the finished process."""
    def run(tool, root=ROOT):
        return subprocess.run([sys.executable, ROOT / "tools" / tool, "--root", root],
                              capture_output=True, text=True, check=False)
    return run


def available_kib():
    lines = pathlib.Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """Returns the number of tests that `-n auto` runs at once: one for each processor, since most tests are
    an emulator with one thread."""
    return max(1, min(len(os.sched_getaffinity(0)), JOBS_MAX, available_kib() // JOB_KIB))


def pytest_configure(config):
    config.addinivalue_line("markers", "early: takes long, so that it must not begin last")


def pytest_collection_modifyitems(items):
    """Puts the long tests first, so that the run does not end with one long test on one processor."""
    items.sort(key=lambda item: item.get_closest_marker("early") is None)
