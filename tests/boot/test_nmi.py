"""NMIs at the worst place: behind an STI.  The NMI's return ends the blocking by STI, and an interrupt that
waits comes one instruction early."""

import re

import pytest

from conftest import OBJDIR
from sessions import Debuggers

# {function with the STI: (commands that lead there, what the machine prints when it goes on)}.
PLACES = {"trap_sti_hlt": ("sh", r"\$ x"), "svm_enter_guest": ("vm guest", "guest> ")}


def behind_sti(gdb, function):
    """Returns the address of the instruction after the function's STI."""
    gdb.command("set trust-readonly-sections on")  # the machine has no paging yet
    return re.search(r"\tsti\b.*\n\s*(0x[0-9a-f]+)", gdb.command(f"x/40i {function}"))[1]


@pytest.mark.parametrize("function", PLACES)
def test_nmi_behind_sti(function, machine):
    commands, expected = PLACES[function]
    with Debuggers(OBJDIR) as d:
        m = machine("qemu", run=commands, flags=d.flags)
        gdb, monitor = d.gdb(), d.monitor()
        gdb.command(f"break *{behind_sti(gdb, function)}")
        gdb.command("continue\ndelete")
        m.send("x")
        while not re.search("pic0: irr=1", monitor.command("info pic")):
            pass
        # The kernel must take this NMI for one that another CPU sent: it would report any other, and a CPU
        # that prints takes the input.
        gdb.command("set var ((struct cpu *)0xffffc00000000000)->nmi_sent = 1")
        monitor.command("nmi")
        gdb.command("detach")
        m.expect(expected)
