"""Several VMs at once: background jobs, attach and detach, pause, stop, shares of the CPU.

The beds are those of test_vm.py.  QEMU runs with -icount here where ticks are compared, so that
they are instructions and not a busy machine's time.
"""

import re

import pytest

BEDS = {
    "bochs-vmx": {"emulator": "bochs", "cpu": "corei7_skylake_x"},
    "bochs-svm": {"emulator": "bochs", "cpu": "zambezi"},
    "qemu-svm": {"emulator": "qemu", "cpu": "max", "flags": ("--force-tcg",)},
}
ICOUNT = {**BEDS, "qemu-svm": {"emulator": "qemu", "flags": ("--tcg", "--icount")}}

ESCAPE = "\x1d"  # Ctrl-]


@pytest.fixture(params=BEDS)
def bed(request, machine):
    def start(**options):
        return machine(**BEDS[request.param], **options)
    start.name = request.param
    return start


@pytest.fixture(params=ICOUNT)
def exact_bed(request, machine):
    """As bed, but ticks are instructions."""
    return lambda **options: machine(**ICOUNT[request.param], **options)


def shell(m):
    """At the shell's prompt, with the guest of a default boot gone."""
    m.expect("guest> ")
    m.sendline("poweroff")
    m.expect(r"\n\$ ")
    return m


def command(m, line):
    """Types a command of the shell; what it prints up to the next prompt."""
    m.sendline(line)
    m.expect(re.escape(line))
    return m.expect(r"(?s)(.*?)\n\$ ").group(1).replace("\r", "").strip("\n")


def vms(text):
    """The rows of `vms`, as dictionaries by VM number."""
    lines = text.split("\n")
    head = next(i for i, line in enumerate(lines) if line.split()[:2] == ["VM", "STATE"])
    names = lines[head].split()
    rows = {}
    for line in lines[head + 1:]:
        if not re.match(r" *\d+  ", line):
            break
        row = dict(zip(names, line.split()))
        rows[int(row["VM"])] = row
    return rows


def ticks_of(text):
    """Process ticks in `ps`, by VM number."""
    return {int(vm): int(ticks)
            for vm, ticks in re.findall(r"^ +\w+ +\w+  \w+ +(\d+) +\d+ +\d+ +(\d+)  vm$", text, re.M)}


def test_life_in_the_background(bed):
    """Started, listed, attached, typed to, detached, paused, resumed, reset, stopped."""
    m = shell(bed())
    before = command(m, "free")
    assert command(m, "vm t/busy &") == "[vm 2] t/busy, in the background"
    assert command(m, "vm guest &") == "[vm 3] guest, in the background"
    assert command(m, "vm t/busy -q &") == "[vm 4] t/busy, in the background"
    rows = vms(command(m, "sleep 0.5; vms"))
    assert {n: row["NAME"] for n, row in rows.items()} == {2: "t/busy", 3: "guest", 4: "t/busy"}
    assert rows[2]["STATE"] == rows[4]["STATE"] == "running"

    m.sendline("vm attach 3")
    m.expect(r"\[vm 3\] attached; Ctrl-\] opens a prompt")
    m.expect("Nestling guest: ")  # what it printed meanwhile
    m.expect("guest> ")
    m.sendline("echo typed to $((it")
    m.expect(r"\ntyped to \$\(\(it\r")
    m.expect("guest> ")
    m.send(ESCAPE)
    m.expect("vm> ")
    m.sendline("detach")
    m.expect(r"\[vm 3\] goes on in the background; `vm attach 3` comes back")
    m.expect(r"\n\$ ")

    assert command(m, "vm pause 2") == ""
    first, second = (vms(text) for text in command(m, "vms; sleep 0.3; echo; vms").split("\n\n"))
    assert first[2]["STATE"] == "paused" and first[2]["EXITS"] == second[2]["EXITS"]
    ps = [ticks_of(text) for text in command(m, "ps; sleep 0.3; echo; ps").split("\n\n")]
    assert ps[0][2] == ps[1][2], "a paused VM uses no CPU"
    assert ps[0][4] < ps[1][4]
    assert command(m, "vm resume 2") == ""
    assert vms(command(m, "vms"))[2]["STATE"] == "running"

    assert command(m, "vm reset 3") == ""
    assert command(m, "vm stop 2").startswith("[vm 2] ended, status 0")
    assert command(m, "vm stop 4") == "[vm 4] ended, status 0; `vm log 4` shows what it printed"
    assert command(m, "vm log 4") == "busy: for ever"
    assert "busy: for ever\nvm 2: ended with status 0" in command(m, "vm log 2")
    m.sendline("vm attach 3")
    m.expect("Nestling guest: ")
    m.expect("guest> ")
    m.sendline("poweroff 5")
    m.expect(r"vm 3: ended with status 5")
    m.expect(r"\n\$ ")
    assert vms(command(m, "vms")) == {}
    assert command(m, "free") == before
    m.sendline("poweroff")
    assert m.finish() == 0
