"""Random edits of the guest's page tables, checked in the guest against a plain walker.

The guest's `pgedit` says what it expects and what it found in one line, and counts what it did: with
nested and with shadow paging it must be the same.
"""

import re

import pytest

from conftest import assert_clean, audited
from test_vm import BEDS

PAGING = ("nested", "shadow")
ROUNDS = 150
# CHECK_FULL: so many seeds, of so many rounds each.
SEEDS, LONG_ROUNDS = 12, 4000

# What an emulator has otherwise than the manual, in its own paging too: said by the guest in a NOTE.
# Of its own walks TCG reports a reserved bit without PF_P, and makes an exchange as a read and a write.
EXCHANGE = "NOTE pgedit: the fault of an exchange is reported as a read's"
RESERVED = "NOTE pgedit: the fault of a reserved bit is reported without PF_P"
EMULATOR_FAULTS = {
    ("qemu-svm", "nested"): {EXCHANGE, RESERVED},
    ("qemu-svm", "shadow"): {EXCHANGE},
}


def commands(rounds, seeds):
    guest = "; ".join(f"pgedit {rounds} {seed}" for seed in seeds)
    return "; ".join(f"vm guest -q --paging={paging} -c '{guest}'" for paging in PAGING)


def verdicts(m, bed):
    """What each kind of paging made of it: the lines that pgedit ended with."""
    status = m.finish()
    assert "FAIL" not in m.output, re.findall(r"^FAIL .*(?:\n  .*)*", m.output, re.M)
    assert status == 0
    assert_clean(m)
    runs = m.output.split("Nestling guest:")[1:]
    assert len(runs) == len(PAGING)
    for paging, text in zip(PAGING, runs):
        notes = set(re.findall(r"^NOTE .*", text, re.M))
        assert notes == EMULATOR_FAULTS.get((bed, paging), set())
    return [re.findall(r"^PASS pgedit: (.*)", text, re.M) for text in runs]


def numbers(line):
    """The counts of a line, by the word behind each."""
    return {name: int(n) for n, name in re.findall(r"(\d+) ([a-z ]+[a-z])", line)}


def test_random_edits(machine):
    """No difference, and where processors have the same features, the same counts on all beds."""
    lines = {}
    for bed, options in BEDS.items():
        m = machine(**options, timeout=120, run=audited(commands(ROUNDS, [1])))
        nested, shadow = verdicts(m, bed)
        assert len(nested) == 1 and nested == shadow
        lines[bed] = nested[0]
    assert lines["bochs-vmx"] == lines["qemu-svm"]  # zambezi has neither SMEP nor SMAP
    for line in lines.values():
        counts = numbers(line)
        assert counts["rounds"] == ROUNDS
        assert min(counts.values()) > 0
        faults = counts["not present"] + counts["not allowed"] + counts["reserved"]
        assert counts["accesses"] // 8 < faults < counts["accesses"] * 7 // 8


@pytest.mark.parametrize("bed", BEDS)
def test_many_random_edits(machine, full, bed):
    if not full:
        pytest.skip("long: CHECK_FULL")
    m = machine(**BEDS[bed], timeout=3600, run=audited(commands(LONG_ROUNDS, range(2, 2 + SEEDS))))
    nested, shadow = verdicts(m, bed)
    assert len(nested) == SEEDS and nested == shadow
    print(f"{bed}: {sum(numbers(line)['rounds'] for line in nested)} rounds, "
          f"{sum(numbers(line)['accesses'] for line in nested)} accesses, twice")
