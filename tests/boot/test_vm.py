"""Virtual machines on real emulators: the guest's own tests, hostile guests, bad input, poor CPUs."""

import re

import pytest

# Every VMX model of Bochs with EPT and unrestricted guest.
RICH = ["corei7_skylake_x", "corei7_haswell_4770", "broadwell_ult", "corei3_cnl",
        "corei5_arrandale_m520", "corei7_sandy_bridge_2600k", "corei7_ivy_bridge_3770k",
        "corei7_icelake_u", "tigerlake"]

# Models that cannot run VMs, and the bit that the refusal must name.
POOR = {
    "core2_penryn_t9600": '"Enable EPT" is missing (IA32_VMX_PROCBASED_CTLS2 bit 1)',
    "corei5_lynnfield_750": '"Unrestricted guest" is missing (IA32_VMX_PROCBASED_CTLS2 bit 7)',
    "p4_prescott_celeron_336": "neither VMX (CPUID.1:ECX bit 5) nor SVM",
}

# Guests that do harm, and what must be said of each; None: it reports by itself and ends well.
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
    "t/port-msr": None,
    "t/vmxon": None,
}

# Guests that never end and never leave the CPU by themselves.
ENDLESS = ["t/loop", "t/dbloop", "t/acloop"]

# Command, and the one line that it must print.
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


def table(output):
    """The table of exits at the end of a run: reason -> count, and the total."""
    rows = re.findall(r"^ *(\d+)  [A-Z_]+ +(\d+) +[\d.]+ % +(\d+) +\d+$", output, re.M)
    total = re.search(r"^ +total +(\d+) +100.0 % +(\d+)", output, re.M)
    assert rows and total, output
    return {int(r): (int(n), int(c)) for r, n, c in rows}, tuple(map(int, total.groups()))


def free_frames(output):
    return re.findall(r"^  free +(\d+)", output, re.M)


@pytest.mark.parametrize("model", RICH)
def test_benchmark_and_leaves(machine, model):
    m = machine("bochs", cpu=model, run='vm guest -c "cpuid; leaves"')
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


def test_the_same_counts_on_every_run(machine):
    runs = []
    for _ in range(2):
        m = machine("bochs", run='vm guest -c "cpuid; io; touch"')
        assert m.finish() == 0
        runs.append(table(m.output))
    assert runs[0] == runs[1]


@pytest.mark.parametrize("model", RICH)
def test_guest_selftest(machine, model):
    m = machine("bochs", cpu=model, run='vm guest -c "selftest"')
    status = m.finish()
    assert "FAIL" not in m.output
    assert re.search(r"selftest: [1-9]\d+ passed, 0 failed", m.output)
    assert status == 0


@pytest.mark.parametrize("model", POOR)
def test_poor_cpu_is_refused_by_name(machine, model):
    m = machine("bochs", cpu=model, run="vm guest; echo the shell runs; caps")
    assert m.finish() != 0
    assert POOR[model] in m.output
    assert "the shell runs" in m.output
    refusals = [line for line in m.lines if line.startswith("vm: ")]
    assert len(refusals) == 1


@pytest.mark.parametrize("guest", HOSTILE)
def test_hostile_guest(machine, guest):
    m = machine("bochs", run=f"free; vm {guest} -m 16M; free; vm guest -c status")
    status = m.finish()
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


def test_hostile_guests_one_after_another(machine):
    """None of them leaves anything behind for the next."""
    m = machine("bochs", run="free; " + "; ".join(f"vm {g}" for g in HOSTILE) + "; free")
    m.finish()
    before, after = free_frames(m.output)
    assert before == after


@pytest.mark.parametrize("guest", ENDLESS)
def test_endless_guest_can_be_ended(machine, guest):
    m = machine("bochs", run=f"free; vm {guest}; free")
    m.expect("vm 1: ")
    m.send("\x1d")
    m.expect("vm> ")
    m.sendline("q")
    m.finish()
    before, after = free_frames(m.output)
    assert before == after


@pytest.mark.parametrize("command", BAD_INPUT)
def test_bad_input(machine, command):
    m = machine("bochs", run=f"free; {command}; free; vm guest -q -c status")
    assert m.finish() not in (0, 124)
    between = m.output.split("free 2 MiB frames")[1].split("\n", 1)[1].split("4 KiB frames")[0]
    said = [line for line in between.split("\n") if BAD_INPUT[command] in line]
    assert len(said) == 1, between
    before, after = free_frames(m.output)
    assert before == after
    assert "guest> poweroff" in m.output


def test_guest_status_is_returned(machine):
    m = machine("bochs", run="vm guest -c 'poweroff 7'; status")
    assert m.finish() == 7


def test_reboot(machine):
    m = machine("bochs", run="vm guest")
    m.expect("guest> ")
    m.sendline("reboot")
    m.expect("guest> ")
    m.sendline("poweroff")
    assert m.finish() == 0


def test_default_boot_shows_the_guests_prompt(machine):
    m = machine("bochs")
    m.expect("guest> ")
    m.sendline("poweroff")
    m.expect(r"\$ ")
    m.sendline("vms")
    m.expect(r"\$ ")
    m.sendline("poweroff")
    assert m.finish() == 0
