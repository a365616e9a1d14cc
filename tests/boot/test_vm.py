"""Virtual machines on real emulators: the guest's own tests, hostile guests, bad input, poor CPUs.

Most tests run on three beds, for one image serves both vendors: VMX on Bochs, SVM on Bochs
(with NRIPS) and SVM on QEMU's TCG (without NRIPS).
"""

import os
import re
import time

import pytest

from beds import NO_VMS
from conftest import BEDS, PATIENCE_LONG, assert_clean, audited, free_frames
from console import open_prompt
from hostile import ENDLESS, HOSTILE
from quirks import NOT_ENDLESS, SELFTEST_FAILURES
from tables import table

FULL = bool(os.environ.get("CHECK_FULL"))

# VMX models of Bochs with EPT and unrestricted guest: the oldest, the newest and some between.
RICH = [BEDS["bochs-vmx"]["cpu"], "corei5_arrandale_m520", "corei7_sandy_bridge_2600k", "corei3_cnl", "tigerlake"]
if FULL:
    RICH += ["corei7_haswell_4770", "broadwell_ult", "corei7_ivy_bridge_3770k", "corei7_icelake_u"]

# Models that cannot run VMs, and the bit that the refusal must name.
POOR = {
    NO_VMS["bochs"].cpu: "neither VMX (CPUID.1:ECX bit 5) nor SVM",
}

STATUS_CANNOT_SAY = 3  # the status of a test guest on a machine that lacks what the test needs

# {command: text that exactly one of its lines must have}.
BAD_INPUT = {
    "vm nosuch": "vm: nosuch: no such disk image",
    "vm t/empty": "t/empty",
    "vm t/nosig": "55",
    "vm t/truncated": "guest loader: ",
    "vm guest -m 0": "-m",
    "vm guest -m 100G": "-m",
    "vm guest -m 3": "-m",
    "vm guest -m pig": "-m",
    "nosuchcommand": "nosuchcommand",
}

# The count of free frames to compare with.  The shell takes a page when it first prints by itself, as for
# `status`.
FREE_BEFORE = "status; free"


def check_benchmark(m):
    assert m.finish() == 0
    assert re.search(r"^CPUID +\d+ +\d+ +\d+", m.output, re.M)
    exits = re.findall(r"^Exit (\d+): (?:count (\d+) cycles (\d+)|undefined)$", m.output, re.M)
    assert [int(e[0]) for e in exits] == list(range(70))
    assert [int(n) for n, count, _ in exits if not count] == [35, 38, 42, 65, 69]
    counted, executed = re.search(r"(\d+) CPUIDs counted, (\d+) executed", m.output).groups()
    assert counted == executed
    rows, total = table(m.output)
    assert sum(n for n, _ in rows.values()) == total[0]
    assert sum(c for _, c in rows.values()) == total[1]
    assert rows[10][0] >= int(counted)


@pytest.mark.parametrize("model", RICH)
def test_benchmark_and_leaves(machine, model):
    check_benchmark(machine("bochs", cpu=model, run='vm guest -c "cpuid; leaves"'))


def test_the_same_counts_on_every_run(machine):
    runs = []
    for _ in range(2):
        m = machine("bochs", run='vm guest -c "cpuid; io; touch"')
        assert m.finish() == 0
        runs.append(table(m.output))
    assert runs[0] == runs[1]


@pytest.mark.parametrize("model", RICH)
def test_guest_selftest(machine, model):
    m = machine("bochs", cpu=model, run=audited('vm guest -c "selftest"'))
    status = m.finish()
    assert "FAIL" not in m.output
    assert_clean(m)
    assert re.search(r"selftest: [1-9]\d+ passed, 0 failed", m.output)
    assert status == 0


@pytest.mark.parametrize("name", [n for n in BEDS if n != "bochs-vmx"])
def test_guest_selftest_svm(machine, name):
    m = machine(**BEDS[name], run=audited('vm guest -c "selftest"'))
    faults = SELFTEST_FAILURES.get(name, set())
    status = m.finish()
    assert_clean(m)
    assert set(re.findall(r"^FAIL .*", m.output, re.M)) == faults
    passed, failed = re.search(r"selftest: (\d+) passed, (\d+) failed", m.output).groups()
    assert int(passed) > 190 and int(failed) == len(faults)
    assert status == (1 if faults else 0)


@pytest.mark.parametrize("options", [
    BEDS["bochs-svm"],
    BEDS["qemu-svm"],
    BEDS["qemu-svm"] | {"cpu": "qemu64,+svm,+npt"},
    BEDS["qemu-svm"] | {"cpu": "EPYC,+svm"},
], ids=lambda o: f"{o['emulator']}-{o['cpu']}")
def test_benchmark_and_leaves_svm(machine, options):
    check_benchmark(machine(**options, run='vm guest -c "cpuid; leaves"'))


# Exits of these kinds are the same on every processor: {Intel's reason number: name}.
NEUTRAL = {10: "CPUID", 18: "VMCALL", 30: "IO_INSTRUCTION", 31: "RDMSR", 32: "WRMSR",
           48: "EPT_VIOLATION"}


def test_equal_counts_on_both_vendors(machine):
    """The same guest has the same number of exits of each kind that both architectures have."""
    counts = {}
    for name, options in BEDS.items():
        m = machine(**options, run="vm t/counts")
        assert m.finish() == 0
        rows, _ = table(m.output)
        counts[name] = {reason: rows[reason][0] for reason in NEUTRAL}
    assert counts["bochs-vmx"] == counts["bochs-svm"] == counts["qemu-svm"]
    assert counts["bochs-vmx"][10] == 100 and counts["bochs-vmx"][18] == 30


@pytest.mark.parametrize("model", POOR)
def test_poor_cpu_is_refused_by_name(machine, model):
    m = machine("bochs", cpu=model, run="vm guest; echo the shell runs; caps")
    assert m.finish() != 0
    assert POOR[model] in m.output
    assert "the shell runs" in m.output
    refusals = [line for line in m.lines if line.startswith("vm: ")]
    assert len(refusals) == 1


@pytest.mark.skipif(not FULL, reason="each hostile guest in a boot of its own: make check-full")
@pytest.mark.parametrize("guest", HOSTILE)
def test_hostile_guest(bed, guest):
    m = bed(run=audited(f"{FREE_BEFORE}; vm {guest} -m 16M; free; vm guest -c status"))
    status = m.finish()
    assert_clean(m)
    message = HOSTILE[guest]
    if message:
        assert message in m.output
        assert status == 1
    else:
        assert "PASS" in m.output and "FAIL" not in m.output
        assert status == 0
    before, after = free_frames(m.output)
    assert before == after, "pages are lost"
    assert "guest> poweroff" in m.output, "the next VM runs"


def test_hostile_guests_one_after_another(bed):
    """The message names what each guest did wrong, and no guest leaves anything behind for the next."""
    m = bed(run=audited(f"{FREE_BEFORE}; " + "; ".join(f"vm {g} -m 16M; status" for g in HOSTILE)
                        + "; free; vm guest -c status"), timeout=PATIENCE_LONG)
    m.finish()
    assert_clean(m)
    parts = re.split(r"^vm (\d+): (t/\S+),", m.output, flags=re.M)[1:]
    said = dict(zip(parts[1::3], parts[2::3]))
    assert list(said) == list(HOSTILE)
    for guest, message in HOSTILE.items():
        assert (message or "PASS") in said[guest] and (message or "FAIL" not in said[guest]), guest
        assert re.search(r"^[01]$", said[guest], re.M).group() == ("1" if message else "0"), guest
    assert "guest> poweroff" in m.output, "the next VM runs"
    before, after = free_frames(m.output)
    assert before == after


@pytest.mark.parametrize("guest", ENDLESS)
def test_endless_guest_can_be_ended(bed, guest):
    reason = NOT_ENDLESS.get((bed.name, guest))
    if reason == "ends by itself":
        assert bed(run=f"vm {guest}").finish() == STATUS_CANNOT_SAY
    elif reason:
        pytest.skip(reason)
    else:
        check_endless(bed, guest)


def check_endless(bed, guest):
    m = bed(run=audited(f"{FREE_BEFORE}; vm {guest}; free"))
    m.expect("Ctrl-]")
    m.expect(f"{guest[2:]}: .*\n")
    time.sleep(0.5)  # the guest is in its loop now; any time will do
    open_prompt(m)
    m.sendline("q")
    m.finish()
    assert_clean(m)
    before, after = free_frames(m.output)
    assert before == after


@pytest.mark.parametrize("guest", ["late-key", "late-key-busy"])
def test_key_while_memory_is_cleared(guest, bed):
    """The kernel takes the key while it clears memory, and no interrupt tells of it."""
    m = bed(run=f"vm t/{guest}")
    m.expect(f"{guest}: type one")
    m.send("x")
    m.expect("PASS: it has come")
    assert m.finish() == 0


def test_bad_input(bed):
    """One line tells what is wrong, no frame is lost, and the next VM runs."""
    m = bed(run=f"{FREE_BEFORE}; " + "".join(f"echo == {command}; {command}; status; free; "
                                   for command in BAD_INPUT) + "vm guest -q -c status")
    m.finish()
    before, *parts = re.split(r"^== (.*)\n", m.output, flags=re.M)
    assert parts[::2] == list(BAD_INPUT)
    for command, output in zip(parts[::2], parts[1::2]):
        said = output.split("4 KiB frames")[0]
        assert sum(BAD_INPUT[command] in line for line in said.split("\n")) == 1, (command, output)
        assert re.search(r"^[1-9]\d*$", said, re.M), (command, output)
        assert free_frames(output) == free_frames(before), command
    assert "guest> poweroff" in m.output


def test_guest_status_is_returned(bed):
    m = bed(run="vm guest -c 'poweroff 7'; status")
    assert m.finish() == 7


def test_reboot(bed):
    m = bed(run="vm guest")
    m.expect("guest> ")
    m.sendline("reboot")
    m.expect("guest> ")
    m.sendline("poweroff")
    assert m.finish() == 0


def test_default_boot_shows_the_guests_prompt(bed):
    m = bed()
    m.expect("guest> ")
    m.sendline("poweroff")
    m.expect(r"\$ ")
    m.sendline("vms")
    m.expect(r"\$ ")
    m.sendline("poweroff")
    assert m.finish() == 0
