"""A VM with misbehaving neighbours: its memory keeps its contents, and its timer goes on beating.

In each boot the guest's command `heartbeat` runs in the background.  Beside it run, one after the other,
all the guests that do harm, with nested paging and with shadow paging in turn.  Some of them end, the
others are stopped.  Then the heartbeat is asked for its verdict, and the page tables are audited.
"""

import itertools
import os
import re

import pytest

from conftest import BEDS, EXACT_BEDS, PATIENCE_LONG
from console import attach, command, detach
from hostile import guests_of, misbehave, start_heartbeat

# On QEMU, too, instructions are the clock, so that no beat is late because this computer is busy.
STEADY_BEDS = {**BEDS, "qemu-svm": EXACT_BEDS["qemu-svm"]}
FULL = bool(os.environ.get("CHECK_FULL"))
PAGINGS = ["nested", "shadow"]
# (bed, CPUs, the neighbour's paging): QEMU with -icount has only one CPU.
MACHINES = [("bochs-vmx", 1, "nested"), ("bochs-svm", 2, "shadow"), ("qemu-svm", 1, "nested")]
if FULL:
    MACHINES += [("bochs-vmx", 2, "shadow"), ("bochs-vmx", 4, "nested"), ("bochs-svm", 1, "nested"),
                 ("bochs-svm", 4, "shadow"), ("qemu-svm", 1, "shadow")]
NEIGHBOUR = 1  # the number of the VM with the heartbeat
BEATS_PER_PASS = 4
VERDICT = re.compile(r"heartbeat: (\d+) passes over 256 KiB, (\d+) beats, a period of (\d+) ticks, "
                     r"at most (\d+) between two")


@pytest.mark.early
@pytest.mark.parametrize("bed, cpus, paging", MACHINES)
def test_neighbour_notices_nothing(machine, bed, cpus, paging):
    names, left_out = guests_of(bed)
    guests = list(itertools.product(names, PAGINGS) if FULL else zip(names, itertools.cycle(PAGINGS)))
    m = machine(**STEADY_BEDS[bed], cpus=cpus, run="sh", timeout=PATIENCE_LONG * (4 if FULL else 1))
    m.expect(r"\$ ")
    start_heartbeat(m, paging, NEIGHBOUR)
    for number, guest in enumerate(guests, NEIGHBOUR + 1):
        misbehave(m, number, *guest)
    attach(m, NEIGHBOUR)
    m.sendline("")
    passes, beats, period, longest = map(int, m.expect(VERDICT).groups())
    m.expect("guest> ")
    assert "PASS heartbeat: memory" in m.output and "PASS heartbeat: no beat" in m.output
    # The emulator decides how much time passes while the test types, so there is no upper limit.
    assert beats >= len(guests) and passes >= len(guests) // BEATS_PER_PASS
    detach(m)
    assert f"[vm {NEIGHBOUR}] ended, status 0" in command(m, f"vm stop {NEIGHBOUR}")
    assert "audit: clean" in command(m, "audit")
    print(f"{bed}, {cpus} CPUs: {len(guests)} cases beside {passes} passes over the memory and "
          f"{beats} beats, at most {longest / period:.1f} periods apart; "
          + "; ".join(f"{guest} left out: {why}" for guest, why in left_out.items()))
