"""Random edits of the guest's page tables, checked in the guest against a plain walker.

The guest's `pgedit` says what it expects and what it found in one line, and counts what it did: with
nested and with shadow paging it must be the same.
"""

import re

import pytest

from conftest import BEDS, assert_clean, audited

# Each does it in these formats.
GUESTS = {"guest -q": ["4-level"], "t/pgedit32": ["32-bit", "PAE"]}
PAGING = ["nested", "shadow"]
ROUNDS = 100
# CHECK_FULL: so many seeds, of so many rounds each.
SEEDS, LONG_ROUNDS = 4, 1000

# What an emulator has otherwise than the manual: said by the guest in a NOTE.  With nested paging it is
# the emulator's own, and without a hypervisor it is the same (guest.img, t/pgedit32.img).  An exchange
# is made as a read and then a write, whoever walks the tables; the others are TCG's walk and its TLB.
EXCHANGE = "the fault of an exchange is reported as a read's"
TCG = {EXCHANGE, "the fault of a reserved bit is reported without PF_P",
       "INVLPG in a large page leaves code of its other parts cached"}
TCG_PAE = {"PAE's top entries get accessed bits"}
EMULATOR_FAULTS = {
    ("qemu-svm", "nested", "guest -q"): TCG,
    ("qemu-svm", "nested", "t/pgedit32"): TCG | TCG_PAE,
    ("qemu-svm", "shadow", "guest -q"): {EXCHANGE},
    ("qemu-svm", "shadow", "t/pgedit32"): {EXCHANGE},
}


def commands(rounds, seeds):
    typed = "; ".join(f"pgedit {rounds} {seed}" for seed in seeds)
    return "; ".join(f"vm {guest} --paging={paging} -c '{typed}'"
                     for guest in GUESTS for paging in PAGING)


def verdicts(m, bed, seeds):
    """What both kinds of paging made of it, which is the same: lines, by format and seed."""
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
            assert notes == EMULATOR_FAULTS.get((bed, paging, guest), set())
            said.append({(name, int(seed)): line for name, seed, line in
                         re.findall(r"^PASS pgedit: ([^,]+), seed (\d+): (.*)", text, re.M)})
        assert said[0] == said[1]
        assert set(said[0]) == {(name, seed) for name in formats for seed in seeds}
        lines.update(said[0])
    return lines


def numbers(line):
    """The counts of a line, by the word behind each."""
    return {name: int(n) for n, name in re.findall(r"(\d+) ([a-z ]+[a-z])", line)}


def test_random_edits(machine):
    """No difference, and where processors have the same features, the same counts on all beds."""
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
