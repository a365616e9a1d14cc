"""The emulators that Nestling runs on: their settings, and the virtualization that each offers."""

import dataclasses
import os
import pathlib
import re
import shutil
import subprocess

import kvm
from beds import BEDS
from prompt import BochsDebugger, QemuMonitor

WINDOWS = ("gtk", "sdl")  # QEMU's displays that are a window, best first


class EmulatorError(Exception):
    """The emulator cannot be this machine; the text is for the user."""


@dataclasses.dataclass
class Machine:
    """The machine that an emulator shall be.  Exactly one of disk and iso is set."""
    disk: pathlib.Path | None = None
    iso: pathlib.Path | None = None
    mem: int = 512  # MiB
    cpu: str | None = None  # the emulator's name of the model; None: the emulator's default below
    cpus: int = 1
    ips: int = 100_000_000  # Bochs: instructions per second of device time
    icount: bool = False  # QEMU: a tick is an instruction, so that runs repeat exactly
    tcg: bool = False  # QEMU: do without KVM
    window: bool = False  # QEMU: show the screen
    gdb: str | None = None  # QEMU: wait for gdb on this local port, or socket file
    monitor: str | None = None  # QEMU: a socket file for its monitor
    debugger: bool = False  # Bochs: start in its debugger


def check_range(what, value, low, high, unit=""):
    if not low <= value <= high:
        raise EmulatorError(f"{what} is {value}, expected {low} to {high}{unit}")


def check_program(name, package):
    if not shutil.which(name):
        raise EmulatorError(f"{name} is not installed: `make deps` installs it "
                            f"(Debian package {package})")


class Bochs:
    """VMX with EPT on any computer, in software.

    Bochs shows its screen through `term`, into a log file: unlike `rfb` it
    opens no network port, so any number can run side by side.
    """

    name = "bochs"
    default_cpu = BEDS["bochs-vmx"].cpu
    share = pathlib.Path("/usr/share/bochs")

    def check(self, machine):
        check_program("bochs", "bochs")
        check_range("MEM", machine.mem, 16, 2048, " MiB under Bochs")
        check_range("the number of CPUs", machine.cpus, 1, 8)
        check_range("--ips", machine.ips, 1_000_000, 1_000_000_000)
        if machine.icount:
            raise EmulatorError("--icount is for QEMU: Bochs counts instructions anyway")
        if machine.gdb or machine.monitor:
            raise EmulatorError("--gdb and --monitor are for QEMU: Bochs has a debugger of its own "
                                "(--debugger)")
        if machine.debugger and not os.isatty(0):
            raise EmulatorError("--debugger needs a terminal on standard input")
        models = self.cpu_models()
        cpu = machine.cpu or self.default_cpu
        if models and cpu not in models:
            raise EmulatorError(f"Bochs has no CPU model '{cpu}', expected one of: "
                                + " ".join(models))

    def pick(self, machine):
        """Leaves the machine as it is: Bochs has one way to run it."""

    @staticmethod
    def hint(machine):
        if machine.debugger:
            return ("Keys go to Bochs's debugger, Ctrl-A c switches to the machine and back; Ctrl-C "
                    "stops the machine, `c` continues; Ctrl-A x ends it all")
        return "Ctrl-A x ends the emulator, Ctrl-A Ctrl-A sends Ctrl-A"

    @staticmethod
    def prompt(machine, work):
        """Returns the prompt that Ctrl-A c opens, or None."""
        return BochsDebugger(work) if machine.debugger else None

    @staticmethod
    def cpu_models():
        shown = subprocess.run(["bochs", "-help", "cpu"], stdin=subprocess.DEVNULL, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False).stdout
        found = re.search(r"Supported CPU models:\s+((?:\w+\n)+)", shown)
        return found.group(1).split() if found else []

    def command(self, machine, work, serial):
        """Writes the configuration into the directory `work`; returns the command to run there."""
        if machine.iso:
            drive, boot = f'type=cdrom, path="{machine.iso}", status=inserted', "cdrom"
        else:
            drive, boot = f'type=disk, path="{machine.disk}", mode=flat', "disk"
        (work / "bochsrc").write_text(f"""\
plugin_ctrl: unmapped=1, biosdev=1, speaker=0, extfpuirq=1, parallel=0, serial=1, iodebug=0
config_interface: textconfig
display_library: term
memory: guest={machine.mem}, host={machine.mem}
romimage: file="{self.share}/BIOS-bochs-latest", options=fastboot
vgaromimage: file="{self.share}/VGABIOS-lgpl-latest"
cpu: model={machine.cpu or self.default_cpu}, count={machine.cpus}, ips={machine.ips}, \
reset_on_triple_fault=0, ignore_bad_msrs=1
clock: sync=none, time0=946684800, rtc_sync=0
pci: enabled=1, chipset=i440fx
vga: extension=vbe, update_freq=1, realtime=0
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: {drive}
boot: {boot}
com1: enabled=1, mode=term, dev="{serial}"
speaker: enabled=0
log: bochs.log
debugger_log: {BochsDebugger.LOG if machine.debugger else "-"}
panic: action=fatal{self.reported_panics(machine)}
""")
        # Debian's Bochs has its debugger built in: each `c` continues past one prompt, the first
        # one or one that follows a report.
        (work / "debugger.rc").write_text("c\n" * 1000)
        return ["bochs", "-q", "-f", "bochsrc",
                *(() if machine.debugger else ("-rc", "debugger.rc"))]

    environment = {"TERM": "vt100"}

    @staticmethod
    def reported_panics(machine):
        """Returns the option that makes a CPU's panic a report.  With SVM, Bochs panics on a guest's
        triple fault before it makes the VM exit."""
        if machine.cpu not in ("zambezi", "trinity_apu", "ryzen"):
            return ""
        return "".join(f", CPU{n}=report" for n in range(machine.cpus))

    @staticmethod
    def failure(work):
        """Returns why Bochs ended, if that was a failure: the reason of the first panic."""
        for name in ("bochs.log", "emulator.log"):
            path = work / name
            text = path.read_text(errors="replace") if path.exists() else ""
            for device, reason in re.findall(r"p\[(.{6})\] >>PANIC<< (.*)", text):
                # This is how a guest powers Bochs off.
                if "shutdown requested" not in reason:
                    return f"Bochs stopped: [{device.strip()}] {reason.strip()}"
        return None


class Qemu:
    """With KVM: VMX or SVM, where KVM nests one of them.  Else with TCG: SVM with nested paging."""

    name = "qemu"
    program = "qemu-system-x86_64"
    environment = {}

    def check(self, machine):
        check_program(self.program, "qemu-system-x86")
        check_range("MEM", machine.mem, 16, 65536, " MiB under QEMU")
        check_range("the number of CPUs", machine.cpus, 1, 8)
        if machine.icount and machine.cpus > 1:
            raise EmulatorError("--icount works with one CPU only")

    def pick(self, machine):
        """Chooses KVM or TCG; returns the choice and its reason, or None if there was no choice."""
        if machine.tcg or machine.icount or machine.gdb:
            machine.tcg = True
            return None
        kind, problem = kvm.nested()
        if kind == "VMX" and "+svm" in (machine.cpu or ""):
            problem = f"KVM nests VMX here, and the CPU asked for is {machine.cpu}"
        if not problem:
            return f"QEMU with KVM, which nests {kind} here"
        machine.tcg = True
        return f"QEMU without KVM (TCG), which has SVM: {problem}"

    @staticmethod
    def hint(_machine):
        return ("Ctrl-A x ends QEMU, Ctrl-A c switches between the machine and QEMU's monitor, "
                "Ctrl-A Ctrl-A sends Ctrl-A")

    @staticmethod
    def prompt(machine, work):
        """Returns the prompt that Ctrl-A c opens."""
        machine.monitor = machine.monitor or str(work / "monitor")
        return QemuMonitor(machine.monitor)

    def display(self, machine):
        if not machine.window:
            return "none"
        known = subprocess.run([self.program, "-display", "help"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                               check=False).stdout.split()
        for name in WINDOWS:
            if name in known:
                return name
        raise EmulatorError(f"{self.program} cannot open a window: `make qemu` installs "
                            "what it lacks (Debian package qemu-system-gui)")

    def command(self, machine, _work, serial):
        """Returns the command to run in the work directory."""
        command = [
            self.program, "-display", self.display(machine), "-vga", "std", "-no-reboot",
            "-nodefaults", "-machine", "pc", "-m", str(machine.mem), "-smp", str(machine.cpus),
            "-cpu", machine.cpu or (BEDS["qemu-svm"].cpu if machine.tcg else "host"),
            "-chardev", f"serial,id=com1,path={serial}", "-serial", "chardev:com1",
            "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
        ]
        if not machine.tcg:
            command += ["-accel", "kvm"]
        elif machine.icount:
            command += ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-seed", "1",
                        "-rtc", "base=2000-01-01T00:00:00,clock=vm"]
        else:
            command += ["-accel", "tcg"]
        if machine.gdb:
            command += ["-S", "-gdb", f"tcp:127.0.0.1:{machine.gdb}" if machine.gdb.isdecimal()
                        else listen(machine.gdb)]
        if machine.monitor:
            command += ["-monitor", listen(machine.monitor)]
        if machine.iso:
            command += ["-boot", "d", "-cdrom", str(machine.iso)]
        else:
            command += ["-drive", f"file={escape_comma(machine.disk)},format=raw,if=ide"]
        return command

    def failure(self, work):
        """Returns why QEMU did not start: its last line that is no warning.  It warns of features that
        TCG lacks, and starts all the same."""
        lines = (work / "emulator.log").read_text(errors="replace").split("\n")
        said = [line for line in lines
                if line.startswith(self.program) and ": warning: " not in line]
        return said[-1] if said else None


def listen(path):
    """Returns QEMU's option for a socket file on which it listens."""
    return f"unix:{escape_comma(path)},server=on,wait=off"


def escape_comma(path):
    """Returns a file name as it stands within an option of QEMU: a comma is doubled."""
    return str(path).replace(",", ",,")


def select(name):
    """Returns the emulator of this name, and the text that explains the choice; None if there was none."""
    if name == "bochs":
        return Bochs(), None
    if name == "auto" and shutil.which("bochs") and not shutil.which(Qemu.program):
        return Bochs(), f"Bochs, which has VMX: {Qemu.program} is not installed"
    return Qemu(), None


def environment(emulator):
    return {**os.environ, **emulator.environment}
