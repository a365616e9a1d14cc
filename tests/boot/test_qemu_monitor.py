"""QEMU's monitor shows what the host prints: CR3 in guest mode and after an exit, and the nested root."""

import re

from conftest import OBJDIR
from sessions import Debuggers, number

PRESENT = 1
# So many looks must show the guest, out of at most so many.
LOOKS, LOOKS_MAX = 10, 1000


def nested_root_of_console(m):
    return int(m.expect(r"root of the nested page table at hpa (0x[0-9a-f]+);").group(1), 16)


def test_cr3_and_nested_root(machine):
    with Debuggers(OBJDIR) as d:
        m = machine("qemu", run="vm guest -c cpuid", flags=d.flags)
        gdb, monitor = d.gdb(), d.monitor()
        gdb.command("guest-symbols")
        gdb.command("break guest_main if $in_guest()")
        gdb.command("continue")

        inside = gdb.command("vcpu")
        assert "in guest mode" in inside
        assert monitor.registers()["CR3"] == number(inside, "CR3")

        said = gdb.command("vm-exit")
        outside = gdb.command("vcpu")
        assert "svm_enter_guest" in said and "in host mode" in outside
        assert monitor.registers()["CR3"] == number(outside, "host CR3") != number(inside, "CR3")
        assert f"cr3              {number(outside, 'CR3'):016x}" in gdb.command("vmcb")

        root = nested_root_of_console(m)
        assert root == number(outside, "NPT root")
        table = monitor.words(root, 512)
        assert len(table) == 512 and [i for i, entry in enumerate(table) if entry & PRESENT] == [0]
        walked = re.search(r"level 4 \[ +0\] at (0x[0-9a-f]+): ([0-9a-f]+)", gdb.command("npt 0"))
        assert (int(walked.group(1), 16), int(walked.group(2), 16)) == (root, table[0])


def test_guest_mode_without_gdb(machine):
    """`stop` finds a guest that never leaves the CPU.  It runs without paging, so CR3 is 0."""
    with Debuggers(OBJDIR) as d:
        m = machine("qemu", run="vm t/loop", flags=d.monitor_flags)
        m.expect("loop: for ever")
        monitor = d.monitor()
        seen = []
        # Some looks show the host.  While this computer is busy and does not run QEMU's CPU, each look shows
        # the same.
        while seen.count(0) < LOOKS and len(seen) < LOOKS_MAX:
            monitor.command("stop")
            seen.append(monitor.registers()["CR3"])
            monitor.command("cont")
        assert seen.count(0) == LOOKS, seen
