"""Adds Nestling's commands to gdb: `source tools/gdb/nestling.py`, as `make gdb` does."""

import pathlib
import sys

import gdb

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

import commands  # noqa: E402,F401  registers them
import target  # noqa: E402


def on_stop(_event):
    """Has gdb take code from the ELF files in guest mode, when QEMU's reads give other memory than the
    guest's."""
    try:
        guest = target.in_guest(target.Kernel())
    except (gdb.error, target.Problem):
        guest = False
    gdb.execute(f"set trust-readonly-sections {'on' if guest else 'off'}")


gdb.events.stop.connect(on_stop)
gdb.execute("set pagination off")
gdb.execute("set confirm off")
print("Nestling's commands: vcpu, gx, gpt, npt, ept, vmcb, vmcs, exits, guest-symbols, vm-entry, "
      "vm-exit; `help vcpu` and so on")
