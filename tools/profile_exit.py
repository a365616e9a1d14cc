#!/usr/bin/python3
"""Counts the host's instructions of one VM exit, function by function, with Bochs's debugger.

    make profile EXIT=out

EXIT is a row of the guest's command `bench`.  Before its loop the guest executes the
instruction at which Bochs's debugger stops.  From there on every instruction is
recorded.  The debugging information of kernel and monitor tells the function of each
instruction between two exits, also if that function is inlined.
"""

import argparse
import collections
import os
import pathlib
import pty
import re
import subprocess
import sys
import tempfile

import emulators
import mkimage

STEPS = 40_000  # instructions that are recorded: a dozen exits of the longest kind
TIMEOUT = 120
PRESENT = "_present"
# Not a multiple of 2 MiB: the memory beyond the last multiple comes in pages of 4 KiB.
MEMORY = "65472K"
DEFAULT_CPU = emulators.Bochs.default_cpu

TRACED = re.compile(rb"^\(0\)\.\[\d+\] \[0x[0-9a-f]+\] [0-9a-f]+:([0-9a-f]+) \([^)]*\): (\w+)",
                    re.M)
VMRUN_BYTES = 3
USER_END = 1 << 47

# The first rule that fits decides.  It may fit the function, or one that the function is inlined into.
CATEGORIES = ["world switch", "decode", "handler", "accounting", "loop", "kernel", "monitor"]
RULES = [
    ("accounting", re.compile(r"acct_|rdtsc$")),
    ("world switch", re.compile(r"vmx_enter|vmx_exit_point|svm_enter")),
    ("decode", re.compile(r"\w*decode|fetch_insn|gmem_code|insn_|(vmx|svm)_(get_code|mem_by_insn)")),
    ("handler", re.compile(r"exit_|cpuid_|leaves_|msr_|npt_fault|mmio_|io_|(vmx|svm)_skip|hypercall")),
    ("loop", re.compile(r"vcpu_")),
]


class ProfileError(Exception):
    """There is no profile; the text is for the user."""


def guest_command(row):
    """Returns the shell's command for a row.  Rows named _present need a VM whose memory is taken at once."""
    present = row.removesuffix(PRESENT) != row
    return (f"vm guest -q -m {MEMORY} {'-p ' if present else ''}"
            f'-c "bench {row.removesuffix(PRESENT)}"')


def record(objdir, row, cpu, steps, work):
    """Runs the guest; returns [(address, mnemonic)] of the instructions that the CPU executed after the
    stop."""
    emulator = emulators.Bochs()
    image = mkimage.read_file(objdir / "nestling.img", "image")
    disk = work / "disk.img"
    disk.write_bytes(mkimage.with_cmdline(image, f"run={guest_command(row)}"))
    machine = emulators.Machine(disk=disk, cpu=cpu)
    emulator.check(machine)
    master, slave = pty.openpty()
    command = emulator.command(machine, work, os.ttyname(slave))
    config = (work / "bochsrc").read_text()
    config = re.sub(r"^com1: .*$", 'com1: enabled=1, mode=file, dev="console"', config, flags=re.M)
    (work / "bochsrc").write_text(config + "magic_break: enabled=1\ndebugger_log: trace.log\n")
    (work / "debugger.rc").write_text(f"c\ntrace on\ns {steps}\nq\n")
    try:
        subprocess.run(command, cwd=work, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, env=emulators.environment(emulator),
                       timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise ProfileError(f"the guest did not come to `bench {row}` in {TIMEOUT} s") from None
    finally:
        os.close(master)
        os.close(slave)
    trace = (work / "trace.log").read_bytes()
    found = [(int(match[1], 16), match[2].decode()) for match in TRACED.finditer(trace)]
    if not found:
        raise ProfileError("Bochs's debugger recorded nothing")
    return found


def symbols(elf):
    """Returns {name: address} of a binary, from the symbol file that the build leaves beside it."""
    lines = pathlib.Path(f"{elf}.sym").read_text().split("\n")
    return {fields[2]: int(fields[0], 16) for fields in map(str.split, lines) if len(fields) == 3}


def split_exits(trace, exit_point):
    """Returns a list for each exit: the addresses of the host's instructions up to the next one.  The
    instructions before the first exit and after the last are left out."""
    exits, guest, resume = [], False, None
    for address, mnemonic in trace:
        if guest and address == resume:
            guest = False
            exits.append([])
        if guest:
            continue
        if exits:
            exits[-1].append(address)
        if mnemonic in ("vmresume", "vmlaunch"):
            guest, resume = True, exit_point
        elif mnemonic == "vmrun":
            guest, resume = True, address + VMRUN_BYTES
    return exits[:-1]


def typical(exits):
    """Returns an exit of the most common length: the first ones may find a cache of ours empty."""
    if not exits:
        raise ProfileError("no whole exit was recorded: expected a row of the guest's `bench`, or "
                           "more --steps for a long one")
    length, _ = collections.Counter(map(len, exits)).most_common(1)[0]
    return [one for one in exits if len(one) == length][-1]


def name_functions(elf, addresses):
    """Returns {address: functions}: the innermost function first, then those that it is inlined into."""
    if not addresses:
        return {}
    done = subprocess.run(["addr2line", "-e", str(elf), "-a", "-f", "-i"], text=True,
                          input="\n".join(map(hex, addresses)), stdout=subprocess.PIPE, check=True)
    found = {}
    # Each block is an address, then pairs of lines: a function and its place.
    for block in re.split(r"^0x", done.stdout, flags=re.M)[1:]:
        address, *lines = block.split("\n")
        found[int(address, 16)] = tuple(lines[:-1:2])
    return found


def profile(objdir, row, cpu=DEFAULT_CPU, steps=STEPS):
    """Returns [(functions, category, instructions)] of one exit, in the order of their execution."""
    objdir = pathlib.Path(objdir).resolve()
    kernel, monitor = objdir / "kern" / "kernel", objdir / "user" / "vm.elf"
    try:
        with tempfile.TemporaryDirectory(prefix="nestling-") as directory:
            trace = record(objdir, row, cpu, steps, pathlib.Path(directory))
    except (emulators.EmulatorError, mkimage.ImageError) as error:
        raise ProfileError(error) from None
    one = typical(split_exits(trace, symbols(kernel).get("vmx_exit_point")))
    known = name_functions(kernel, {address for address in one if address >= USER_END})
    known |= name_functions(monitor, {address for address in one if address < USER_END})
    counts = collections.Counter((known[address], address < USER_END) for address in one)
    return [(names, "monitor" if user else category(names), count)
            for (names, user), count in counts.items()]


def category(names):
    for name, rule in RULES:
        if any(rule.match(function) for function in names):
            return name
    return "kernel"


def by_category(functions):
    counts = collections.Counter()
    for _, name, count in functions:
        counts[name] += count
    return counts


def print_profile(functions):
    print(f"{'count':>6}  {'share':>6}  {'part':<12}  function")
    total = sum(count for _, _, count in functions)
    for names, part, count in functions:
        place = names[0] + (f"  (in {names[-1]})" if len(names) > 1 else "")
        print(f"{count:6}  {count / total:6.1%}  {part:<12}  {place}")
    print(f"{total:6}  instructions of the host from one VM exit to the next, by part:")
    for name, count in by_category(functions).items():
        print(f"{count:6}  {count / total:6.1%}  {name}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("row", help="of the guest's `bench`, such as cpuid_0 or out")
    parser.add_argument("--objdir", default="obj")
    parser.add_argument("--cpu", default=DEFAULT_CPU, help="Bochs's CPU model")
    parser.add_argument("--steps", type=int, default=STEPS, help="instructions to record")
    args = parser.parse_args()
    try:
        print_profile(profile(args.objdir, args.row, args.cpu, args.steps))
    except ProfileError as error:
        sys.exit(f"profile_exit.py: {error}")


if __name__ == "__main__":
    main()
