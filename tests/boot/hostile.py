"""Guests that do harm, and a guest that must not notice them."""

import os

from console import attach, command, detach, vms
from quirks import NOT_ENDLESS

# Guests that do harm and end, and the message that each must bring; None: the guest says PASS and ends well.
HOSTILE = {
    "t/triple": "stopped: triple fault",
    "t/wild-read": "guest read guest-physical address",
    "t/wild-write": "guest wrote guest-physical address",
    "t/wild-exec": "guest executed guest-physical address",
    "t/badcr3": "where there is no memory",
    "t/idtwild": "where there is no memory",
    "t/repins": "guest wrote guest-physical address",
    "t/clihlt": "HLT with interrupts off",
    "t/bios": "guest called BIOS INT 13h",
    "t/wild-pt": "where there is no memory",
    "t/mmio": None,
    "t/mmio16": None,
    "t/mmio-seg": None,
    "t/mmio-exec": "guest executed device memory at guest-physical address 0xfed00000: code",
    "t/tangle": "device memory at guest-physical address 0xfed00000: a page table",
    "t/spaces": None,
    "t/mmio-pt": "device memory at guest-physical address 0xfed00000: a page table",
    "t/mmio-stack": "device memory at guest-physical address 0xfed001fc: the delivery of an",
    "t/mmio-push": "0xfed000f0: the instruction is not emulated: ff 35 f0 00 d0 fe\n",
    "t/mmio-cross": "device memory at guest-physical address 0xfed00000: the operand lies in two",
    "t/port-msr": None,
    "t/vmxon": None,
    "t/pdptes": None,
    "t/cr3-code": None,
    "t/tss16": None,
    "t/real-gp": None,
    "t/pitfast": None,
    "t/cpu-reset": None,
}

# Guests that never end and never leave the CPU by themselves.
ENDLESS = ["t/loop", "t/dbloop", "t/acloop", "t/dbstack", "t/intloop", "t/exitloop"]
# These guests do nothing but exit, which takes QEMU long.
SLOW = {} if os.environ.get("CHECK_FULL") else {("qemu-svm", guest): "only in the long form"
                                                for guest in ("t/exitloop", "t/storm")}


def start_heartbeat(m, paging, number):
    """Starts a guest that checks its memory and its timer.  number: the number that its VM will get."""
    command(m, f"vm guest -q -m 8M --paging={paging} &")
    attach(m, number)
    m.expect("guest> ")
    m.sendline("heartbeat")
    m.expect("beating; a key ends it")
    detach(m)


def guests_of(bed):
    """Returns the guests that do harm and that the bed can show, and {guest that it cannot show: reason}."""
    left_out = {guest: why for (where, guest), why in {**NOT_ENDLESS, **SLOW}.items()
                if where == bed}
    return [guest for guest in [*HOSTILE, *ENDLESS, "t/storm"] if guest not in left_out], left_out


def misbehave(m, number, guest, paging):
    """Runs a guest to its end, or stops an endless one.  number: the number that its VM will get."""
    line = f"vm {guest} -q -m 4M --paging={paging}"
    if guest in HOSTILE:
        said = command(m, line) + "\n"
        assert (HOSTILE[guest] or "PASS") in said and "FAIL" not in said, (guest, paging)
        return
    command(m, f"{line} & sleep 0.05")
    assert vms(command(m, "vms"))[number]["NAME"] == guest
    assert f"[vm {number}] ended, status 0" in command(m, f"vm stop {number}")
