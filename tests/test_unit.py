"""Runs the native unit tests (tests/unit) and the fuzz targets (tests/fuzz), each program as one test."""

import pathlib
import subprocess

import pytest

TESTS = pathlib.Path(__file__).resolve().parent
UNIT = sorted(path.stem for path in (TESTS / "unit").glob("test_*.c"))
FUZZ = sorted(path.stem for path in (TESTS / "fuzz").glob("fuzz_*.c"))

UNIT_SECONDS = 300
FUZZ_RUNS, FUZZ_RUNS_FULL = 500, 20000
FUZZ_SECONDS, FUZZ_SECONDS_FULL = 120, 3600


def run(command, seconds):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            errors="replace", timeout=seconds, check=False)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("name", UNIT)
def test_unit(objdir, name):
    run([objdir / "tests/unit" / name], UNIT_SECONDS)


@pytest.mark.parametrize("name", FUZZ)
def test_fuzz(objdir, full, name):
    run([objdir / "tests/fuzz" / name, str(FUZZ_RUNS_FULL if full else FUZZ_RUNS)],
        FUZZ_SECONDS_FULL if full else FUZZ_SECONDS)
