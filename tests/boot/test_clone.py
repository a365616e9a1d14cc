"""Copies of running VMs: `vm clone N`.  The usertest vm_clone_cost measures the costs."""

import re

import pytest

from console import ask, available, command, shell, vms, vms_when
from conftest import BEDS, EXACT_BEDS

# The most ticks that a clone may take, as docs/clones.md says: always, and for each leaf entry.
CONSTANT, PER_LEAF = 150_000, 30


def test_clone_goes_on_by_itself(bed):
    """A clone goes on where its origin was.  Both answer, and neither disturbs the other.  A clone of the
    clone outlives both, and at the end all memory comes back."""
    m = shell(bed())
    command(m, "vm guest &")
    vms_when(m, {2: "halted"})
    command(m, "vm log 2; vm stop 2; vms")  # memory that only the first VM takes is taken now
    before = available(m)
    command(m, "vm guest &")
    ask(m, 3, "mem", "PASS mem: 1 MiB")
    assert command(m, "vm clone 3") == "[vm 4] clone of vm 3, in the background"
    rows = vms(command(m, "vms"))
    assert int(rows[3]["SHARED-KiB"]) == int(rows[4]["SHARED-KiB"]) > 0
    assert int(rows[4]["EXITS"]) < int(rows[3]["EXITS"])
    for vm in (4, 3, 4):
        ask(m, vm, "mem", "PASS mem: 1 MiB")
    assert "audit: clean" in command(m, "audit")
    assert command(m, "vm pause 4; vm clone 4") == "[vm 5] clone of vm 4, in the background"
    assert vms(command(m, "vms"))[5]["STATE"] == "paused"
    command(m, "vm stop 3; vm stop 4; vm resume 5")
    ask(m, 5, "mem", "PASS mem: 1 MiB")
    assert "audit: clean" in command(m, "audit")
    command(m, "vm log 5; vm stop 5; vm log 3; vm log 4; vm log 5")
    assert available(m) == before


def test_clone_refused(machine):
    """If there is no such VM, or no memory for a copy, one line says so, and the origin goes on."""
    m = shell(machine(**BEDS["qemu-svm"]))
    assert command(m, "vm clone 7") == "vm 7: no such VM; `vms` lists them"
    assert "usage: vm clone N" in command(m, "vm clone")
    command(m, "vm guest -m 300M -p &")
    assert command(m, "vm clone 2") == "vm 2: cannot be cloned: out of memory"
    ask(m, 2, "mem", "PASS mem: 1 MiB")
    assert "audit: clean" in command(m, "audit")


@pytest.mark.parametrize("name", EXACT_BEDS)
def test_cost(machine, name):
    """Clones of a 64 MiB guest: hardly touched, all of it in 2 MiB frames, all of it in 4 KiB pages."""
    m = machine(**EXACT_BEDS[name], run="usertests vm_clone_cost")
    assert m.finish() == 0
    figures = re.search(r"clone of 64 MiB: (\d+) ticks untouched, (\d+) in 2 MiB frames, "
                        r"(\d+) in (\d+) pages", m.output)
    little, frames, pages, count = map(int, figures.groups())
    assert count == 64 * 256
    assert little <= CONSTANT
    assert frames <= CONSTANT + PER_LEAF * 32
    assert pages <= CONSTANT + PER_LEAF * count
