"""User space tests the kernel, on beds with VMs and on a machine without."""

import os
import pathlib
import re

import pytest

from conftest import ALL_BEDS, PATIENCE_LONG, assert_clean, audited

ROOT = pathlib.Path(__file__).resolve().parents[2]
TESTS = re.findall(r"^TEST\((\w+),", (ROOT / "user/usertests/tests.def").read_text(), re.M)

# A guest of the fuzzer may spin with interrupts off, and this bed cannot end such a guest:
# docs/QUIRKS.md.
LEFT_OUT = {"bochs-svm": ["vm_fuzz"]}


@pytest.mark.early
@pytest.mark.parametrize("bed", ALL_BEDS)
def test_usertests(machine, bed):
    left_out = LEFT_OUT.get(bed, [])
    tests = " ".join(["usertests"] + [f"-{t}" for t in left_out])
    m = machine(**ALL_BEDS[bed], run=audited(tests), timeout=PATIENCE_LONG)
    status = m.finish()
    assert not re.findall(r"^FAIL .*", m.output, re.M)
    assert f"usertests: {len(TESTS) - len(left_out)} passed, 0 failed" in m.output
    assert_clean(m)
    assert status == 0


LONG = re.findall(r"^TEST_LONG\((\w+),", (ROOT / "user/usertests/tests.def").read_text(), re.M)


@pytest.mark.skipif(os.environ.get("CHECK_FULL") != "1", reason="the long form: make check-full")
@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("bed", ["bochs-vmx", "qemu-svm"])
def test_long(machine, bed, name):
    m = machine(**ALL_BEDS[bed], run=audited(f"usertests {name}"), timeout=1200)
    assert m.finish() == 0
    assert "usertests: 1 passed, 0 failed" in m.output
    assert_clean(m)
