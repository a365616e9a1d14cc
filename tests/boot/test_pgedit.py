"""Random edits of the guest's page tables, checked in the guest against a plain walker.

The guest's `pgedit` counts what it did and found.  With nested and with shadow paging the counts must be the
same.
"""

import re

import pytest

from conftest import BEDS, assert_clean, audited
from quirks import PGEDIT_NOTES

# {guest: formats of page tables that it tests}.
GUESTS = {"guest -q": ["4-level"], "t/pgedit32": ["32-bit", "PAE"]}
PAGING = ["nested", "shadow"]
ROUNDS = 100
# The long form has so many seeds, with so many rounds each.
SEEDS, LONG_ROUNDS = 4, 1000


def commands(rounds, seeds):
    typed = "; ".join(f"pgedit {rounds} {seed}" for seed in seeds)
    return "; ".join(f"vm {guest} --paging={paging} -c '{typed}'"
                     for guest in GUESTS for paging in PAGING)


def verdicts(m, bed, seeds):
    """Checks that both kinds of paging give the same lines; returns {(format, seed): line}."""
    status = m.finish()
    assert "FAIL" not in m.output, re.findall(r"^FAIL .*(?:\n  .*)*", m.output, re.M)
    assert status == 0
    assert_clean(m)
    runs = m.output.split("Nestling guest:")[1:]
    assert len(runs) == len(GUESTS) * len(PAGING)
    lines = {}
    for guest, formats in GUESTS.items():
        said = []
        for paging in PAGING:
            text = runs.pop(0)
            notes = set(re.findall(r"^NOTE pgedit: (.*)", text, re.M))
            assert notes == PGEDIT_NOTES.get((bed, paging, guest), set())
            said.append({(name, int(seed)): line for name, seed, line in
                         re.findall(r"^PASS pgedit: ([^,]+), seed (\d+): (.*)", text, re.M)})
        assert said[0] == said[1]
        assert set(said[0]) == {(name, seed) for name in formats for seed in seeds}
        lines.update(said[0])
    return lines


def numbers(line):
    """Returns {word behind a count: count} of a line."""
    return {name: int(n) for n, name in re.findall(r"(\d+) ([a-z ]+[a-z])", line)}


def test_random_edits(machine):
    """The guest finds no difference, and beds whose processors have the same features count the same."""
    lines = {}
    for bed, options in BEDS.items():
        m = machine(**options, timeout=150, run=audited(commands(ROUNDS, [1])))
        lines[bed] = verdicts(m, bed, [1])
    assert lines["bochs-vmx"] == lines["qemu-svm"]  # zambezi has neither SMEP nor SMAP
    for by_format in lines.values():
        for line in by_format.values():
            counts = numbers(line)
            assert counts["rounds"] == ROUNDS
            assert min(counts.values()) > 0
            faults = counts["not present"] + counts["not allowed"] + counts["reserved"]
            assert counts["accesses"] // 8 < faults < counts["accesses"] * 7 // 8


@pytest.mark.parametrize("bed", BEDS)
def test_many_random_edits(machine, full, bed):
    if not full:
        pytest.skip("long: CHECK_FULL")
    seeds = range(2, 2 + SEEDS)
    m = machine(**BEDS[bed], timeout=1800, run=audited(commands(LONG_ROUNDS, seeds)))
    lines = verdicts(m, bed, seeds)
    print(f"{bed}: {sum(numbers(line)['rounds'] for line in lines.values())} rounds, "
          f"{sum(numbers(line)['accesses'] for line in lines.values())} accesses, "
          "with nested and with shadow paging")
