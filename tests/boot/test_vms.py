"""Several VMs at once: background jobs, attach and detach, pause, stop, shares of the CPU.

Tests that compare ticks run on exact beds, so that ticks are instructions and not a busy computer's
time.
"""

import re

import pytest

from conftest import BEDS, EXACT_BEDS, assert_clean, bed_fixture, free_frames
from console import PROMPT_KEY, command, detach, open_prompt, shell, vms, vms_when
from hostile import ENDLESS, HOSTILE
from quirks import NOT_ENDLESS

CTRL_U = "\x15"
# Seconds until a job ends while a line is typed.  Time passes fast in an idle Bochs, so that the test may
# type too late: then it tries again with more.
SLEEPS = 1, 8, 64

exact_bed = bed_fixture(EXACT_BEDS)


def ticks_of(text):
    """Returns {VM number: ticks of its process} from `ps`."""
    return {int(vm): int(ticks)
            for vm, ticks in re.findall(r"^ +\w+ +\w+  \w+ +(\d+) +\d+ +\d+ +(\d+)  vm$", text, re.M)}


def test_life_in_the_background(bed):
    """VMs are started, listed, attached, typed to, detached, paused, resumed, reset and stopped."""
    m = shell(bed())
    before = free_frames(command(m, "free"))
    assert command(m, "vm t/busy &") == "[vm 2] t/busy, in the background"
    assert command(m, "vm guest &") == "[vm 3] guest, in the background"
    assert command(m, "vm t/busy -q &") == "[vm 4] t/busy, in the background"
    rows = vms_when(m, {2: "running", 4: "running"})
    assert {n: row["NAME"] for n, row in rows.items()} == {2: "t/busy", 3: "guest", 4: "t/busy"}

    m.sendline("vm attach 3")
    m.expect(r"\[vm 3\] attached; Ctrl-\] opens a prompt")
    m.expect("Nestling guest: ")  # the text that it printed before
    m.expect("guest> ")
    m.sendline("echo typed to $((it")
    m.expect(r"\ntyped to \$\(\(it\r")
    m.expect("guest> ")
    open_prompt(m)
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
    detach(m)
    assert command(m, "vm pause 3") == ""
    m.sendline("vm attach 3")
    m.expect(r"\[vm 3\] attached")
    open_prompt(m)
    m.sendline("reset")  # attaching has resumed it
    m.expect("Nestling guest: ")
    m.expect("guest> ")
    m.sendline("poweroff 5")
    m.expect(r"vm 3: ended with status 5")
    m.expect(r"\n\$ ")
    assert vms(command(m, "vms")) == {}
    assert free_frames(command(m, "free")) == before
    assert "audit: clean" in command(m, "audit")
    m.sendline("poweroff")
    assert m.finish() == 0


def test_much_text_waits_for_a_busy_guest(bed):
    """Of more text than the guest and its monitor have room for, the rest waits in the kernel."""
    m = bed()
    m.expect("guest> ")
    m.sendline("burn 8")
    lines = 850  # Bochs's serial line holds nobody up: of more lines it would lose some
    m.send("".join(f"echo {n:04d}\r" for n in range(lines)))
    for n in range(lines):
        m.expect(rf"\n{n:04d}\r")
    m.sendline("poweroff")
    m.expect(r"\n\$ ")


def test_announcements(bed):
    """The prompt announces a job's end at once, and shows again the line that was being typed."""
    m = shell(bed())
    for seconds in SLEEPS:
        assert command(m, f"sleep {seconds} &").startswith("[process ")
        m.send("echo half")
        before = m.expect(r"(?s)(.*)\[process [0-9a-f]+\] ended, status 0\r?\n\$ echo half").group(1)
        if "echo half" in before:
            break
        m.send(CTRL_U)
    else:
        pytest.fail(f"the job has ended before this was typed, even after {seconds} s")
    m.sendline(" and half")
    m.expect("\nhalf and half")
    m.expect(r"\n\$ ")
    said = command(m, "vm t/triple -q & wait; status; vm log 2")
    assert re.match(r"(?s)\[vm 2\] t/triple, in the background\n\[vm 2\] ended, status 1; `vm log 2` "
                    r"shows what it printed\n1\n.*stopped: triple fault", said)
    assert command(m, "vm nosuch &") == "vm: nosuch: no such disk image"
    m.sendline("vm t/busy &")
    m.expect(r"\[vm 3\] t/busy, in the background")
    m.sendline("exit")
    m.expect("1 job in the background; `exit` again ends it")
    m.sendline("exit")
    m.expect(r"\[vm 3\] killed: its shell has exited")
    m.expect("the shell ended with status 0; here is another")
    m.expect(r"\n\$ ")
    assert vms(command(m, "vms")) == {}
    m.sendline("poweroff")
    assert m.finish() == 0


def test_what_a_log_loses_is_told(machine):
    """The log keeps the last 16 KiB, and tells how many bytes before these are lost."""
    m = machine("bochs", run="vm guest -q -c 'leaves; leaves; leaves; leaves; leaves; leaves; leaves; "
                             "leaves; leaves' & wait; vm log 1")
    assert m.finish() == 0
    assert re.search(r"^\[vm 1\] the first \d+ bytes are lost: a log keeps the last 16368$",
                     m.output, re.M)
    assert m.output.count("Exit 68: ") in range(3, 9) and "guest> poweroff" in m.output


# {bad command: the line that says what is wrong}.
ERRORS = {
    "vm stop 7": "vm 7: no such VM; `vms` lists them",
    "vm attach 7": "vm 7: no such VM; `vms` lists them",
    "vm log 7": "vm 7: no such VM; `vms` lists them",
    "vm pause x": "usage: vm pause N, the number of a VM; `vms` lists them",
    "vm resume": "usage: vm resume N, the number of a VM; `vms` lists them",
    "vm reset 1 2": "usage: vm reset N, the number of a VM; `vms` lists them",
    "vm stop 99999999999": "usage: vm stop N, the number of a VM; `vms` lists them",
    "sh -c 'vm stop 1'": "vm 1: not started from this shell",
    "sh -c 'vm attach 1'": "vm 1: not started from this shell",
    "sh -c 'vm log 1'": "vm 1: this shell has no log of it",
    "kill 400": "kill: 400: no such process, or not started from here; `ps` lists them",
    "kill x": "usage: kill PROCESS, an ID as `ps` shows it",
    "sleep": "usage: sleep SECONDS",
    "sleep 1.x": "usage: sleep SECONDS",
    "vms x": "usage: vms [SECONDS | --live]",
}


def test_errors(machine):
    """Each bad command brings one line and a status that is not 0; the VM goes on."""
    m = machine("bochs", run="vm t/busy -q & " + "; ".join(
        f"echo; {line}; status" for line in ERRORS) + "; echo; vms")
    m.finish()
    parts = m.output.split("\n\n")[-len(ERRORS) - 1:]
    for part, (line, message) in zip(parts, ERRORS.items()):
        said, status = part.strip("\n").split("\n")[0], part.strip("\n").split("\n")[-1]
        assert said.startswith(message), (line, part)
        assert int(status) > 0, (line, part)
    assert vms(parts[-1])[1]["STATE"] == "running"
    assert "[vm 1] killed: its shell has exited" in m.output


def test_a_monitor_that_dies_takes_its_vm_only(bed):
    """A monitor is killed: its VM ends, the console comes back, and the other VM goes on."""
    m = bed(run="vm t/busy -q & vm t/busy -q & ps; sleep 0.1; vms")
    m.finish()
    first = re.search(r"^ +(\w+) +\w+  \w+ +1 .* vm$", m.output, re.M).group(1)
    # Both guests print within a second, even if the emulator gets little of this computer's time.
    m = bed(run=f"vm t/busy -q & vm t/busy -q & sleep 1; kill {first}; sleep 0.1; vms; audit")
    assert m.finish() == 0
    assert_clean(m)
    assert "[vm 1] killed; `vm log 1` shows what it printed" in m.output
    rows = vms(m.output)
    assert list(rows) == [2] and rows[2]["STATE"] == "running"


ENDING = ["t/triple", "t/wild-write", "t/wild-exec", "t/badcr3", "t/idtwild", "t/clihlt", "t/bios"]


def test_hostile_guests_in_the_background(bed):
    """All guests that do harm run at once; they end or are stopped, and a neighbour does not notice.  Every
    second one has shadow paging."""
    def start(guests):
        return "".join(f"vm {guest} -q{' --paging=shadow' * (n % 2)}&" for n, guest in enumerate(guests))

    endless = [guest for guest in ENDLESS if (bed.name, guest) not in NOT_ENDLESS]
    first = 2 + len(ENDING)  # the neighbour is VM 1
    numbers = range(first, first + len(endless))
    m = bed(run="vm guest -q -m 16M -c 'cpuid 3000; echo heartbeat' & "
                + start(ENDING) + "sleep 0.2;" + start(endless) + "sleep 0.2;vms;"
                + "".join(f"vm pause {n};" for n in list(numbers)[::2])
                + "".join(f"vm stop {n};" for n in numbers)
                + "wait;vms;" + "".join(f"vm log {n};" for n in range(1, first)) + "audit")
    m.finish()
    assert_clean(m)
    for number, guest in enumerate(ENDING, 2):
        assert f"[vm {number}] ended, status 1; `vm log {number}`" in m.output
        assert HOSTILE[guest] in m.output
    before, after = (vms("  VM  STATE" + text) for text in m.output.split("  VM  STATE")[1:])
    assert {before[n]["NAME"] for n in numbers} == set(endless)
    assert after == {}
    for number in numbers:
        assert f"[vm {number}] ended, status 0" in m.output
    assert "\nheartbeat\n" in m.output and "[vm 1] ended, status 0" in m.output


def test_a_paused_guest_stands_still_with_its_clocks(exact_bed):
    """t/clock ends if TSC or RTC jump.  It does not end over a pause that is long for both."""
    m = exact_bed(run="vm t/clock -q & sleep 0.03; vm pause 1; sleep 3; vm resume 1; sleep 0.03; vms; "
                      "vm stop 1; vm log 1")
    assert m.finish() == 0
    assert "jumped" not in m.output
    assert vms(m.output)[1]["STATE"] == "running"
    assert "[vm 1] ended, status 0" in m.output


def shares(before, after, numbers):
    used = [after[n] - before[n] for n in numbers]
    return [ticks * len(used) / sum(used) for ticks in used]


@pytest.mark.parametrize("exits", [False, True], ids=["two", "three, one that exits"])
def test_equal_guests_get_equal_shares(exact_bed, exits):
    """The shares are equal within 5 %, over 50 slices of 10 ms."""
    guests = ["t/busy"] * 2
    if exits:  # without end; on QEMU each exit takes long
        guests.append("t/busy" if exact_bed.name == "qemu-svm" else "t/exitloop")
    m = exact_bed(run=" ".join(f"vm {guest} -q &" for guest in guests)
                      + f" vm guest -q & sleep 0.05; echo; ps; sleep 0.5; echo; ps")
    m.finish()
    before, after = (ticks_of(text) for text in m.output.split("\n\n")[-2:])
    numbers = range(1, len(guests) + 1)
    assert all(abs(share - 1) < 0.05 for share in shares(before, after, numbers))
    # The last VM is the guest at its prompt, which halts and uses hardly any CPU time.
    halted = len(guests) + 1
    assert after[halted] - before[halted] < (after[1] - before[1]) / 50


SWITCH_ROWS = 9  # rows of a switch: its steps and their sum


def switches(output):
    """Returns (number, VM, other VM, [(ticks, step, hpas)]) of each switch that the kernel printed."""
    found = []
    for line in output.split("\n"):
        head = re.match(r"switch (\d+), CPU 0: VM (\d+) \(t/busy\) to VM (\d+) \(t/busy\)$", line)
        row = re.match(r" +(\d+)  (.+?)(?:: 0x(\w+)(?: to 0x(\w+))?)?$", line)
        if head:
            found.append((*map(int, head.groups()), []))
        elif found and row and len(found[-1][3]) < SWITCH_ROWS:
            found[-1][3].append((int(row[1]), row[2], row[3], row[4]))
    return found


def test_switches_are_printed_step_by_step(exact_bed):
    m = exact_bed(options="switches=3", run="vm t/busy -q & vm t/busy -q & sleep 0.3; vms; ps; "
                                            "echo switches=9")
    assert m.finish() == 0
    found = switches(m.output)
    assert [number for number, *_ in found] == [1, 2, 3], "as many as were asked for"
    root = {n: row["ROOT"] for n, row in vms(m.output).items()}
    cr3, block = {}, {}
    for _, one, other, rows in found:
        assert {one, other} == {1, 2}
        *steps, total = rows
        assert all(ticks > 0 for ticks, *_ in steps)
        assert sum(ticks for ticks, *_ in steps) == total[0]
        name = {text.split(" ")[0].strip(",:"): (before, after) for _, text, before, after in steps}
        assert (steps[7][2], steps[7][3]) == (root[one], root[other])
        cr3.setdefault(one, name["CR3"][0])
        cr3.setdefault(other, name["CR3"][1])
        assert name["CR3"] == (cr3[one], cr3[other]) and cr3[1] != cr3[2]
        block.setdefault(one, steps[3][2])
        block.setdefault(other, steps[5][2])
        assert (steps[3][2], steps[5][2]) == (block[one], block[other]) and block[1] != block[2]
        assert ("VMCLEAR" in steps[3][1]) == ("VMPTRLD" in steps[5][1]) == (exact_bed.name == "bochs-vmx")


def test_prompt_behind_much_text(machine):
    """Ctrl-] reaches the monitor although the guest reads nothing."""
    m = machine(**BEDS["qemu-svm"], run="vm t/busy")
    m.expect("busy: for ever")
    m.send("x" * 9000 + PROMPT_KEY)  # more than the monitor keeps
    m.expect("vm> ")
    m.sendline("quit")
    assert m.finish() == 0
