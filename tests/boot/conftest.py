"""What boot tests share: machines that run Nestling, which a test drives through their terminal.

    def test_something(machine):
        m = machine("bochs", run="free")
        assert m.finish() == 0
        assert "pages" in m.output

    def test_typing(machine):
        m = machine("bochs", cpu="corei3_cnl")
        m.expect("guest> ")
        m.sendline("poweroff")

The image comes from the object directory OBJDIR (default obj).
"""

import io
import os
import pathlib
import re
import sys

import pexpect
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
OBJDIR = ROOT / os.environ.get("OBJDIR", "obj")
IMAGE = OBJDIR / "nestling.img"
sys.path.insert(0, str(ROOT / "tools"))

import beds  # noqa: E402, found in tools
import emulators  # noqa: E402

# In these modules, too, a failed assertion shows its values.
pytest.register_assert_rewrite("console", "hostile", "tables")

# Instructions per second of Bochs's device time.  Bochs's serial line is as slow as a real one: with few
# instructions per second a run is shorter, and has more interrupts per instruction.
IPS_SHORT = 25_000_000
IPS_MEASURED = emulators.Machine.ips  # for tests that compare ticks or exits, as `make bench` does
# Seconds that a short and a long run may take, also on a computer that has other work.
PATIENCE, PATIENCE_LONG = 120, 400
TAIL_LINES = 25  # lines of the console that are shown when a test fails
LAUNCHER_SECONDS = 10  # time that the launcher may need beyond its own time limit


def options_of(bed, exact=False):
    """Returns the arguments of machine() that choose this bed.  exact: ticks and exits repeat."""
    options = {"emulator": bed.emulator, "cpu": bed.cpu, "flags": bed.options(exact)}
    return options | {"ips": IPS_MEASURED} if exact else options


BEDS = {name: options_of(bed) for name, bed in beds.BEDS.items()}
EXACT_BEDS = {name: options_of(bed, exact=True) for name, bed in beds.BEDS.items()}
# A bed for each emulator.
EMULATORS = {"bochs": BEDS["bochs-vmx"], "qemu": BEDS["qemu-svm"]}
# The beds, and a machine without VMs.
ALL_BEDS = {**BEDS, "no-vms": options_of(beds.NO_VMS["qemu"])}


class Machine:
    """One run of tools/run.py.  Options that are not given have the launcher's defaults, except ips."""

    def __init__(self, emulator, *, image=IMAGE, iso=None, run=None, options=None, mem=None, cpu=None,
                 cpus=None, ips=IPS_SHORT, timeout=PATIENCE, flags=()):
        """options: of the kernel.  timeout: seconds, for the whole run.  flags: more options of run.py."""
        args = [str(ROOT / "tools" / "run.py"), emulator, "--timeout", str(timeout), *flags]
        args += ["--iso", str(iso)] if iso else ["--image", str(image)]
        args += ["--ips", str(ips)] if emulator == "bochs" else []
        for option, value in (("--run", run), ("--options", options), ("--mem", mem), ("--cpu", cpu),
                              ("--cpus", cpus)):
            if value is not None:
                args += [option, str(value)]
        self._log = io.StringIO()
        self._child = pexpect.spawn(sys.executable, args, timeout=timeout + LAUNCHER_SECONDS,
                                    encoding="utf-8", codec_errors="replace", echo=False)
        self._child.logfile_read = self._log
        self._child.delaybeforesend = None

    @property
    def output(self):
        """All output so far, with plain newlines."""
        return self._log.getvalue().replace("\r", "")

    @property
    def lines(self):
        """The lines of the console that are not empty, without the launcher's own lines."""
        lines = [line for line in self.output.split("\n") if line]
        return [line for line in lines if not line.startswith("run.py: ")]

    def expect(self, pattern, timeout=-1):
        """Waits for a regular expression; returns the match.  If none comes, the test fails."""
        found = self._child.expect([pattern, pexpect.TIMEOUT, pexpect.EOF], timeout=timeout)
        if found:
            self._fail(f"{'no' if found == 1 else 'it ended without'} {pattern!r}")
        return self._child.match

    def read(self):
        """Reads the output that is there, without waiting; returns all output so far."""
        self._child.expect([pexpect.TIMEOUT, pexpect.EOF], timeout=0)
        return self.output

    def send(self, text):
        self._child.send(text)

    def sendline(self, line=""):
        self._child.send(line + "\r")

    def finish(self):
        """Waits for the end of the run; returns the launcher's exit status, which is the host's verdict."""
        if self._child.expect([pexpect.EOF, pexpect.TIMEOUT]):
            self._fail("no end in time")
        self._child.close()
        return self._child.exitstatus

    def stop(self):
        """Ends the run, whatever it does.  The launcher ends the emulator."""
        if self._child.isalive():
            self._child.terminate()
            self._child.wait()
        self._child.close(force=True)

    def _fail(self, reason):
        self.stop()
        pytest.fail(reason, pytrace=False)


def free_frames(output):
    """Returns the number of free 4 KiB frames from each `free` in the output, as texts."""
    frames = re.findall(r"^  free +(\d+)", output, re.M)
    assert frames, output
    return frames


def audited(commands):
    """Returns the commands with an audit of all page tables and frames behind them, whose status counts."""
    return f"{commands}; audit"


def assert_clean(m):
    """Checks that a machine which ran audited() commands ended with a clean audit."""
    verdicts = re.findall(r"^audit: .*", m.output, re.M)
    assert verdicts and verdicts[-1] == "audit: clean", verdicts[-20:]


MACHINES = pytest.StashKey()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Shows what the machines of a failed test printed last."""
    report = (yield).get_result()
    if report.failed:
        for one in item.stash.get(MACHINES, []):
            tail = "\n".join(one.output.split("\n")[-TAIL_LINES:])
            report.sections.append(("the console's end", tail))


@pytest.fixture
def machine(request):
    """A function that starts machines, which end with the test."""
    started = request.node.stash[MACHINES] = []

    def start(emulator, **options):
        started.append(Machine(emulator, **options))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def boot_test(machine):
    """A function that starts a machine on QEMU without KVM: quick, and enough for a test without VMs."""
    return lambda **options: machine(**EMULATORS["qemu"] | options)


def bed_fixture(choices):
    """Returns a fixture that runs the test on each of these beds.  It is a function that starts a machine,
    and has the bed's name."""
    @pytest.fixture(params=choices)
    def bed(request, machine):
        def start(**options):
            return machine(**choices[request.param], **options)
        start.name = request.param
        return start
    return bed


bed = bed_fixture(BEDS)
