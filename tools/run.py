#!/usr/bin/python3
"""Runs Nestling on an emulator, with its serial console on standard input and output.

The verdict is the last line of the console, `nestling: poweroff, status N`, which
the host kernel prints: then the exit status is N.  Without that line the exit status
is 2, after --timeout it is 124, after Ctrl-A x it is 130.  The emulator's own exit
status means nothing.
"""

import argparse
import ctypes
import os
import pathlib
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tty

import emulators
import mkimage
from relay import EXIT_NO_VERDICT, RawTerminal, Relay, Stop

EXIT_TIMEOUT = 124
POLL_SECONDS = 0.05
PR_SET_PDEATHSIG = 1


def die_with_parent():
    """Has the kernel kill this child, the emulator, if the launcher is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def start(emulator, machine, work, serial, stdin):
    with open(work / "emulator.log", "wb") as log:
        return subprocess.Popen(emulator.command(machine, work, serial), cwd=work, stdout=log,
                                stdin=stdin, stderr=subprocess.STDOUT,
                                env=emulators.environment(emulator), start_new_session=True,
                                preexec_fn=die_with_parent)


def kill(process):
    """Ends the emulator's whole process group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


class Screen:
    """Reads what the emulator draws on a terminal that nobody else looks at.

    Bochs opens such a terminal for its screen, and waits for ever once the terminal's buffer is full.
    """

    NAME = re.compile(rb'connected to screen "(/dev/[^"]+)"')

    def __init__(self, work):
        self.log = work / "emulator.log"
        self.fd = None

    def drain(self):
        if self.fd is None:
            found = self.NAME.search(self.log.read_bytes())
            if not found:
                return
            self.fd = os.open(found.group(1), os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            while os.read(self.fd, 65536):
                pass
        except OSError:
            pass  # empty for now, or gone with the emulator

    def close(self):
        if self.fd is not None:
            os.close(self.fd)


def watch(process, relay, screen, timeout):
    """Relays until the emulator ends by itself; raises Stop if the emulator must be stopped."""
    deadline = time.monotonic() + timeout if timeout else None
    while process.poll() is None:
        relay.step(POLL_SECONDS)
        screen.drain()
        if relay.console.boot_failed():
            raise Stop(EXIT_NO_VERDICT)
        if deadline and time.monotonic() > deadline:
            raise Stop(EXIT_TIMEOUT, f"timeout: no end after {timeout:g} s, the emulator was stopped")
    while relay.read_machine():
        pass


def run_machine(emulator, machine, work, timeout):
    """Runs the machine to its end; returns the verdict's status."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    with RawTerminal(emulator.hint(machine)) as terminal:
        prompt = emulator.prompt(machine, work) if terminal.active else None
        relay = Relay(master, terminal.active, prompt)
        screen = Screen(work)
        process = start(emulator, machine, work, os.ttyname(slave),
                        prompt.stdin if prompt else subprocess.DEVNULL)
        try:
            if prompt:
                prompt.attach(process)
            watch(process, relay, screen, timeout)
        finally:
            kill(process)
            screen.close()
            relay.end_line()
    status = relay.console.verdict()
    if status is None:
        raise Stop(EXIT_NO_VERDICT, emulator.failure(work) or
                   "the emulator ended without the line `nestling: poweroff, status N`")
    return status


def make_machine(args):
    return emulators.Machine(mem=args.mem, cpu=args.cpu, cpus=args.cpus, ips=args.ips,
                             icount=args.icount, tcg=args.tcg, window=args.window,
                             gdb=args.gdb, monitor=args.monitor, debugger=args.debugger)


def insert_medium(machine, args, work):
    """Gives the machine the ISO, or a copy of the disk image."""
    if args.iso:
        machine.iso = pathlib.Path(args.iso).resolve()
        mkimage.read_file(machine.iso, "ISO")
        return
    image = mkimage.read_file(args.image, "image")
    options = args.options.split() + ([f"run={args.run}"] if args.run is not None else [])
    if options:
        image = mkimage.with_cmdline(image, " ".join(options))
    machine.disk = work / "disk.img"
    machine.disk.write_bytes(image)


class Parser(argparse.ArgumentParser):
    """Tells what is wrong in one line, without the usage; --help shows that."""

    def error(self, message):
        self.exit(EXIT_NO_VERDICT, f"run.py: {message}\n")


def mebibytes(text):
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a number of MiB, found '{text}'")
    return int(text)


def parse_args():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("emulator", choices=("bochs", "qemu", "auto"),
                        help="auto: QEMU, or Bochs where there is no QEMU")
    medium = parser.add_mutually_exclusive_group(required=True)
    medium.add_argument("--image", help="disk image, as made by mkimage.py; it is copied")
    medium.add_argument("--iso", help="bootable ISO, used as it is")
    parser.add_argument("--run", metavar="COMMANDS",
                        help="shell commands instead of the guest; then the machine powers off")
    parser.add_argument("--options", default="", metavar="OPTIONS",
                        help="options of the kernel, such as switches=2: print the first switches of VMs")
    parser.add_argument("--mem", type=mebibytes, default=emulators.Machine.mem, metavar="MIB")
    parser.add_argument("--cpu", metavar="MODEL", help="CPU model, by the emulator's own name")
    parser.add_argument("--cpus", type=int, default=1, metavar="N")
    parser.add_argument("--timeout", type=float, default=0, metavar="SECONDS",
                        help="default: no limit")
    parser.add_argument("--ips", type=int, default=emulators.Machine.ips, metavar="N",
                        help="Bochs: instructions per second of device time")
    parser.add_argument("--icount", action="store_true",
                        help="QEMU TCG: one tick an instruction, so that runs repeat exactly")
    parser.add_argument("--tcg", action="store_true",
                        help="QEMU: do not ask for KVM, which is preferred where it nests VMX or SVM")
    parser.add_argument("--window", action="store_true", help="QEMU: show the screen in a window")
    parser.add_argument("--gdb", metavar="PORT|FILE",
                        help="QEMU TCG: wait for gdb on this local port, or on a socket file")
    parser.add_argument("--monitor", metavar="FILE", help="QEMU: a socket file for its monitor")
    parser.add_argument("--debugger", action="store_true",
                        help="Bochs: start in its debugger; needs a terminal")
    parser.add_argument("--keep-logs", metavar="DIR", help="copy configuration and logs there")
    args = parser.parse_args()
    if args.iso and (args.run is not None or args.options):
        parser.error("--run and --options need --image: an ISO's command line is fixed by tools/mkiso.py")
    return args


def run(args, work):
    try:
        emulator, picked = emulators.select(args.emulator)
        machine = make_machine(args)
        emulator.check(machine)
        picked = emulator.pick(machine) or picked
        if picked:
            say(f"picked {picked}")
        insert_medium(machine, args, work)
        return run_machine(emulator, machine, work, args.timeout)
    except (emulators.EmulatorError, mkimage.ImageError) as error:
        say(error)
        return EXIT_NO_VERDICT
    except Stop as stop:
        if str(stop):
            say(stop)
        return stop.status


def keep_logs(work, directory):
    pathlib.Path(directory).mkdir(parents=True, exist_ok=True)
    for path in work.iterdir():
        if path.is_file() and path.name != "disk.img":
            shutil.copy(path, directory)


def say(message):
    print(f"run.py: {message}", file=sys.stderr, flush=True)


def on_signal(number, _frame):
    raise Stop(128 + number)


def main():
    args = parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    with tempfile.TemporaryDirectory(prefix="nestling-") as directory:
        work = pathlib.Path(directory)
        status = run(args, work)
        if args.keep_logs:
            keep_logs(work, args.keep_logs)
    return status


if __name__ == "__main__":
    sys.exit(main())
