"""A VM and its misbehaving neighbours: its memory keeps what is written, its timer goes on beating.

In each boot the guest's command `heartbeat` runs in the background.  Beside it come, one after the
other, all the guests that do harm: those that are stopped, and those that never end until they are
stopped.  Then the heartbeat is asked for its verdict, and the page tables are audited.
"""

import os
import re

import pytest

from conftest import PATIENCE_LONG
from test_vm import ENDLESS as NEVER_ENDING, HOSTILE, NOT_ENDLESS
from test_vms import command, vms

BEDS = {
    "bochs-vmx": {"emulator": "bochs", "cpu": "corei7_skylake_x"},
    "bochs-svm": {"emulator": "bochs", "cpu": "zambezi"},
    # Instructions are the clock, so that beats do not come late because this machine is busy.
    "qemu-svm": {"emulator": "qemu", "flags": ("--tcg", "--icount")},
}
ENDLESS = [*NEVER_ENDING, "t/storm"]
FULL = bool(os.environ.get("CHECK_FULL"))
# (bed, CPUs): QEMU with -icount has only one.
MACHINES = [("bochs-vmx", 1), ("bochs-svm", 2), ("qemu-svm", 1)]
if FULL:
    MACHINES += [("bochs-vmx", 2), ("bochs-vmx", 4), ("bochs-svm", 1), ("bochs-svm", 4)]
ROUNDS = 3 if FULL else 1
# Each exit takes QEMU long, and these do nothing else.
SLOW = {} if FULL else {("qemu-svm", guest): "only in the long form"
                        for guest in ("t/exitloop", "t/storm")}
NEIGHBOUR = 1  # its number
BEATS_PER_PASS = 4
VERDICT = re.compile(r"heartbeat: (\d+) passes over 256 KiB, (\d+) beats, a period of (\d+) ticks, "
                     r"at most (\d+) between two")


def attach(m):
    m.sendline(f"vm attach {NEIGHBOUR}")
    m.expect("attached")


def detach(m):
    m.send("\x1d")
    m.expect("vm> ")
    m.sendline("detach")
    m.expect(r"in the background.*\n\$ ")


def start_heartbeat(m):
    m.expect(r"\$ ")
    command(m, "vm guest -q -m 4M &")
    attach(m)
    m.expect("guest> ")
    m.sendline("heartbeat")
    m.expect("beating; a key ends it")
    detach(m)


def misbehave(m, number, guest):
    """One that ends, ends by itself; another is stopped.  number: the VM's."""
    if guest in HOSTILE:
        said = command(m, f"vm {guest} -q -m 4M")
        assert (HOSTILE[guest] or "PASS") in said + "\n", guest
        return
    command(m, f"vm {guest} -q -m 4M & sleep 0.05")
    assert vms(command(m, "vms"))[number]["NAME"] == guest
    assert f"[vm {number}] ended, status 0" in command(m, f"vm stop {number}")


@pytest.mark.early
@pytest.mark.parametrize("bed, cpus", MACHINES)
def test_neighbour_notices_nothing(machine, bed, cpus):
    left_out = {guest: why for (where, guest), why in {**NOT_ENDLESS, **SLOW}.items()
                if where == bed}
    guests = [guest for guest in [*HOSTILE, *ENDLESS] if guest not in left_out] * ROUNDS
    m = machine(**BEDS[bed], cpus=cpus, run="sh", timeout=PATIENCE_LONG * ROUNDS)
    start_heartbeat(m)
    for number, guest in enumerate(guests, NEIGHBOUR + 1):
        misbehave(m, number, guest)
    attach(m)
    m.sendline("")
    passes, beats, period, longest = map(int, m.expect(VERDICT).groups())
    m.expect("guest> ")
    assert "PASS heartbeat: memory" in m.output and "PASS heartbeat: no beat" in m.output
    # How much time passes while the test types is the emulator's affair.
    assert beats >= len(guests) and passes >= len(guests) // BEATS_PER_PASS
    detach(m)
    assert f"[vm {NEIGHBOUR}] ended, status 0" in command(m, f"vm stop {NEIGHBOUR}")
    assert "audit: clean" in command(m, "audit")
    print(f"{bed}, {cpus} CPUs: {len(guests)} cases beside {passes} passes over the memory and "
          f"{beats} beats, at most {longest / period:.1f} periods apart; "
          + "; ".join(f"{guest} left out: {why}" for guest, why in left_out.items()))


