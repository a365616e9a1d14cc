"""VMs with several vCPUs, `vm --cpus=N`.  On a host with one CPU the vCPUs take turns; others have two."""

import os
import re

import pytest

from beds import ON_BOCHS
from conftest import BEDS, assert_clean, audited
from console import attach, command, detach, open_prompt, shell, vms, vms_when
from tables import check_sums, tables

# (bed, the host's CPUs, paging) for the tests that take long.
MACHINES = [("bochs-vmx", 1, "nested"), ("bochs-svm", 2, "nested"), ("qemu-svm", 1, "shadow")]
if os.environ.get("CHECK_FULL"):
    MACHINES += [("bochs-vmx", 2, "shadow"), ("bochs-svm", 2, "shadow"), ("qemu-svm", 1, "nested")]
CHECKS = 7  # checks that the guest's `smp` makes with two CPUs
HOSTILE = {
    "t/ap-triple": "vCPU 1: stopped: triple fault",
    "t/ap-nowhere": "vCPU 1: guest executed guest-physical address 0xff000, where there is no memory",
    "t/ap-halt": "stopped: HLT with interrupts off: nothing can wake the guest",
    "t/ap-init": "vCPU 0: stopped: HLT with interrupts off: nothing can wake the guest",
}
SUMMED = ("count", "cycles", "monitor")
WORK = re.compile(r"^ +smp: work of (\d+) ticks on one CPU takes (\d+) on 2 at once$", re.M)


@pytest.mark.parametrize("cpus", [1, 2])
@pytest.mark.parametrize("bed", BEDS)
def test_guest_uses_all_cpus(bed, cpus, machine):
    """The guest starts its CPUs, which work at once and interrupt each other.  The accounts count all."""
    m = machine(**BEDS[bed], cpus=cpus,
                run=audited("vm --cpus 2 guest -c 'cpus; smp; reboot'; exits --tsv; trace -n 3"))
    m.expect("2 CPUs")
    m.expect("2 CPUs")  # after the reset
    m.expect("guest> ")
    m.sendline("smp; poweroff 7")
    m.finish()
    assert "CPU 1, APIC id 1" in m.output
    assert len(re.findall(r"^PASS smp: ", m.output, re.M)) == 2 * CHECKS
    assert "FAIL smp" not in m.output and "ended with status 7" in m.output
    assert len(re.findall(r"^ +\d+ +\d+ \S+ +0x", m.output, re.M)) == 6  # rows of trace
    times = dict(re.findall(r"^(guest|handler|monitor|halted|paused|waiting|wall)\t(\d+)$",
                            m.output, re.M))
    wall = int(times.pop("wall"))
    assert sum(map(int, times.values())) == wall
    assert_clean(m)
    if bed in ON_BOCHS:
        for one, both in WORK.findall(m.output):
            ratio = int(both) / int(one)
            assert ratio < 1.1 if cpus == 2 else 1.9 < ratio < 2.2


@pytest.mark.parametrize("bed", ["bochs-vmx", "qemu-svm"])
def test_accounts_of_each(bed, machine):
    """The counts of the vCPUs add up to those of the VM, and the parts of each to its whole."""
    def views(vcpu=""):
        return "".join(f"exits {vcpu} {view} --tsv;" for view in ("", "--hist 10", "--by leaf"))
    m = machine(**BEDS[bed], run="vm guest --cpus 2 -q -c 'smp; cpuid'; exits; exits --vcpu 1;" +
                views() + views("--vcpu 0") + views("--vcpu 1") +
                "exits --vcpu 2; trace --vcpu 2; trace --vcpu 1 -n 2; exits --vcpu 8;"
                "exits --vcpu 0 --since-last; exits 99 --vcpu 0; trace 99")
    m.finish()
    found = tables(m.output)
    both, one, two = found[:5], found[5:10], found[10:15]
    for exits, times, memory, *_ in (both, one, two):
        check_sums(exits, times, memory)
    for whole, *parts in zip(both[0], one[0], two[0]):
        for column in SUMMED:
            assert whole[column] == sum(part[column] for part in parts)
    for whole, *parts in zip(both[1], one[1], two[1]):
        assert whole["ticks"] == sum(part["ticks"] for part in parts)
    for key, at in (("from", 3), ("leaf", 4)):
        counts = [{row[key]: row["count"] for row in table[at]} for table in (both, one, two)]
        assert counts[1] != counts[2]
        assert counts[0] == {name: counts[1].get(name, 0) + counts[2].get(name, 0)
                             for name in counts[0]}
    assert "VM 1, guest (it has ended): exits of vCPU 1\n" in m.output
    assert m.output.count("exits: VM 1 has no vCPU 2: it has 2, numbered from 0") == 1
    assert m.output.count("trace: VM 1 has no vCPU 2: it has 2, numbered from 0") == 1
    assert len(re.findall(r"^ +\d+ +\d+ \S+ +0x", m.output, re.M)) == 2  # rows of trace
    assert m.output.count("usage: exits") == 2
    assert "exits: VM 99: no such VM" in m.output and "trace: VM 99: no such VM" in m.output


@pytest.mark.parametrize("bed, cpus, paging", MACHINES)
def test_life(bed, cpus, paging, machine):
    """In the background a VM is paused, resumed, attached, looked at, reset, detached and stopped."""
    m = shell(machine(**BEDS[bed], cpus=cpus))
    command(m, f"vm guest --cpus 2 -q --paging={paging} &")
    command(m, f"vm t/ap-loop --cpus 2 -q --paging={paging} &")
    rows = vms_when(m, {2: "halted", 3: "running"})
    assert [rows[n]["VCPUS"] for n in (2, 3)] == ["2", "2"]
    rows = vms(command(m, "vm pause 2; vm pause 3; vms"))
    assert [rows[n]["STATE"] for n in (2, 3)] == ["paused", "paused"]
    exits = rows[3]["EXITS"]
    assert vms(command(m, "sleep 0.2; vms"))[3]["EXITS"] == exits
    command(m, "vm resume 2; vm resume 3")
    vms_when(m, {2: "halted", 3: "running"})
    m.sendline("vm attach 2")
    m.sendline("smp")
    m.expect(r"PASS smp: \d+ CPUIDs of the others")
    m.expect("guest> ")
    open_prompt(m)
    m.sendline("info")
    assert re.findall(r"^vCPU (\d)", m.expect(r"(?s)info(.*?)vm> ").group(1), re.M) == ["0", "1"]
    m.sendline("reset")
    m.expect("2 CPUs")
    m.expect("guest> ")
    detach(m)
    command(m, "vm stop 3")
    command(m, "vm stop 2")
    assert "audit: clean" in command(m, "wait; audit")
    assert vms(command(m, "vms")) == {}


@pytest.mark.parametrize("bed, cpus, paging", MACHINES)
def test_clones(bed, cpus, paging, machine):
    """A guest that is cloned at work goes on with all its CPUs, and so does a clone of the paused clone."""
    m = shell(machine(**BEDS[bed], cpus=cpus))
    command(m, f"vm guest --cpus 2 -q --paging={paging} &")
    m.sendline("vm attach 2")
    m.sendline("smp; smp; cpus")
    m.expect("PASS smp: 2 CPUs")
    open_prompt(m)
    m.sendline("detach")  # the next line is typed at once: the guest goes on meanwhile
    assert command(m, "vm clone 2") == "[vm 3] clone of vm 2, in the background"
    assert command(m, "vm pause 3; vm clone 3") == "[vm 4] clone of vm 3, in the background"
    rows = vms(command(m, "vms"))
    assert [rows[n]["VCPUS"] for n in (2, 3, 4)] == ["2"] * 3
    assert [rows[n]["STATE"] for n in (3, 4)] == ["paused"] * 2
    assert "audit: clean" in command(m, "vm resume 3; vm resume 4; audit")
    for vm in (2, 3, 4):
        attach(m, vm)
        # The commands that were typed first may have ended before the clone was made.
        m.sendline("cpus; smp; mem")
        m.expect("CPU 1, APIC id 1")
        m.expect(r"PASS smp: \d+ CPUIDs of the others")
        m.expect("PASS mem: 1 MiB")
        m.expect("guest> ")
        detach(m)
    assert "audit: clean" in command(m, "vm stop 2; vm stop 3; vm stop 4; audit")
    assert "FAIL" not in m.output
    assert vms(command(m, "vms")) == {}


@pytest.mark.parametrize("bed", BEDS)
def test_hostile_guests(bed, machine):
    """The second CPU fails, or both halt for good.  The message names the vCPU."""
    m = machine(**BEDS[bed], run=audited(
        "".join(f"vm {guest} --cpus 2 -q --paging={paging};"
                for guest in HOSTILE for paging in ("nested", "shadow")) +
        "vm t/ap-reset --cpus 2 -q; vm t/ap-reset --cpus 2 -q --paging=shadow;"
        "vm guest --cpus 9; vm guest --cpus 0; vm guest --cpus 8 -q -c 'smp'"))
    m.finish()
    for message in HOSTILE.values():
        guests = sum(message in other for other in HOSTILE.values())
        assert m.output.count(message) == 2 * guests
    assert m.output.count("ap-reset: PASS") == 2
    assert m.output.count("expected a number of vCPUs from 1 to 8") == 2
    assert "PASS smp: 8 CPUs" in m.output and "FAIL smp" not in m.output
    assert_clean(m)
