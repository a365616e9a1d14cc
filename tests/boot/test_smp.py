"""The host on several CPUs: they come up, share the work, and do not step on each other."""

import os
import re

import mkiso
import pytest

from beds import ON_BOCHS
from conftest import BEDS, OBJDIR, PATIENCE_LONG

USERTESTS = ["preemption wake registers sleep wait_and_kill orphans fork_isolation ipc_value ipc_page",
             "thread_fork thread_copy thread_unmap thread_sleep thread_audit thread_bad vm_fork_running vm_stats_running",
             "unmap vm_memory vm_cleanup vm_kill_asleep vm_kill_between_exits vm_large_split vm_fork",
             "fast_exits vm_times vm_accounts vm_drivers vm_clone_receiver vm_break_together"]
BURN = re.compile(r"^burn: (\d+) rounds in (\d+) ticks$", re.M)


@pytest.mark.parametrize("cpus", [2, 4])
@pytest.mark.parametrize("bed", BEDS)
def test_cpus_come_up(bed, cpus, machine):
    m = machine(**BEDS[bed], cpus=cpus, run="free; poweroff")
    assert m.finish() == 0
    assert f"  CPUs    {cpus}: " in m.output
    assert not [line for line in m.lines if line.startswith("nestling: ")][:-1]


def test_cpus_of_a_multiboot2_loader(boot_test, tmp_path):
    """GRUB hands the ACPI tables to the kernel."""
    iso = tmp_path / "nestling.iso"
    mkiso.make_iso(iso, OBJDIR / "boot" / "kernel", OBJDIR / "initrd.cpio", "run=free; poweroff")
    m = boot_test(cpus=2, iso=iso)
    assert m.finish() == 0
    assert "  CPUs    2: " in m.output


def test_more_cpus_than_are_used(boot_test):
    m = boot_test(cpus=8, run="free; poweroff")
    assert m.finish() == 0
    assert "  CPUs    8: " in m.output


@pytest.mark.parametrize("bed", BEDS)
def test_usertests(bed, machine):
    """Runs the tests in which Envs run side by side or end each other.  The long form runs all tests."""
    full = os.environ.get("CHECK_FULL") and bed != "bochs-svm"
    runs = ["usertests"] if full else [f"usertests {names}" for names in USERTESTS]
    m = machine(**BEDS[bed], cpus=3, run="; ".join(runs), timeout=PATIENCE_LONG)
    status = m.finish()
    assert not re.findall(r"^FAIL .*", m.output, re.M)
    passed = re.findall(r"^usertests: (\d+) passed, 0 failed$", m.output, re.M)
    assert sum(map(int, passed)) >= len(" ".join(USERTESTS).split())
    assert len(passed) == len(runs) and status == 0


@pytest.mark.parametrize("bed", ON_BOCHS)
def test_deaf_guest_is_called_back(bed, machine):
    """An NMI calls the guest back after 1 ms.  VMX's preemption timer alone would take 9 ms."""
    m = machine(**BEDS[bed], cpus=2, run="usertests vm_recall_deaf")
    assert m.finish() == 0
    assert int(re.search(r"^recall: (\d+) us at best$", m.output, re.M)[1]) < 2000


@pytest.mark.parametrize("bed", ON_BOCHS)
def test_switches_are_printed_while_memory_goes(bed, machine):
    """A CPU that prints a switch waits for the kernel lock; meanwhile the nested page table may change."""
    m = machine(**BEDS[bed], cpus=2, options="switches=20", run="usertests vm_unmap_running")
    assert m.finish() == 0
    assert "switch 2, CPU " in m.output and "usertests: 1 passed, 0 failed" in m.output


def burn(machine, bed, cpus, vms, rounds):
    """Runs so many VMs at once, each with work and checks of its own; returns the ticks that each took."""
    jobs = f'vm guest -q -c "burn {rounds}" & ' * vms
    logs = "; ".join(f"vm log {n}" for n in range(1, vms + 1))
    m = machine(**BEDS[bed], cpus=cpus, run=f"{jobs}wait; {logs}", timeout=PATIENCE_LONG)
    assert m.finish() == 0
    ticks = [int(ticks) for _, ticks in BURN.findall(m.output)]
    assert len(ticks) == vms
    assert len(re.findall("^PASS burn:", m.output, re.M)) == 2 * vms
    assert not re.search("^FAIL", m.output, re.M)
    return ticks


@pytest.mark.early
@pytest.mark.parametrize("bed", ON_BOCHS)
def test_two_busy_vms_run_in_parallel(bed, machine):
    alone, = burn(machine, bed, 2, 1, 3)
    assert max(burn(machine, bed, 2, 2, 3)) <= 1.1 * alone
    # On one CPU each VM gets half of it.
    assert all(1.9 * alone <= ticks <= 2.1 * alone for ticks in burn(machine, bed, 1, 2, 3))


@pytest.mark.parametrize("bed", BEDS)
def test_vms_migrate(bed, machine):
    """There are more busy VMs than CPUs.  Each VM has values of its own in every register that is switched."""
    ticks = burn(machine, bed, 2, 5, 3)
    if bed in ON_BOCHS:
        mean = sum(ticks) / len(ticks)
        assert all(0.95 * mean <= t <= 1.05 * mean for t in ticks)


@pytest.mark.parametrize("bed", ON_BOCHS)
def test_lock_is_fair(bed, machine):
    """Bochs's CPUs take turns so evenly that a CPU may come too late for the kernel lock each time.  If the
    lock did not keep the order, this run would never end."""
    m = machine(**BEDS[bed], cpus=2, run="crowd 3 t/beat")
    assert m.finish() == 0
    assert "crowd: 3 VMs, 3 live, 3 answer" in m.output


def test_monitor_and_panic_stop_the_other_cpus(machine):
    m = machine("bochs", cpus=2, run="sh")
    m.expect(r"\$ ")
    m.sendline("vm t/busy &")
    m.expect(r"in the background\s+\$ ")
    m.sendline("sleep 0.1; kmonitor")
    m.expect("K> ")
    m.sendline("envs")
    assert len(re.findall(" running ", m.expect("(?s)envs(.*)K> ").group(1))) == 2
    m.sendline("vm")
    m.expect(r"exits\s+on CPU [01], which alone can read it\s+K> ")
    m.sendline("continue")
    m.expect(r"\$ ")
    m.sendline("vms")  # the VM went on
    m.expect(r"1  running .* t/busy\s+\$ ")
    m.sendline("vm stop 1")
    m.expect(r"\[vm 1\] ended")
    m.sendline()
    m.expect(r"\$ ")
    m.sendline("vm t/busy &")
    m.expect(r"in the background\s+\$ ")
    m.sendline("kmonitor")
    m.expect("K> ")
    m.sendline("panic")
    m.expect(r"nestling: panic: asked for in the kernel monitor \(kern/kmonitor\.c:\d+\)\r\n")
    assert m.finish() == 1
