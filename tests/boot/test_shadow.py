"""Shadow paging: `vm --paging=shadow` runs the same guests as nested paging, with EPT or NPT off."""

import re

import pytest

from conftest import BEDS, PATIENCE_LONG
from console import ask, available, command, kernel_monitor, open_prompt, shell
from hostile import guests_of, misbehave, start_heartbeat
from quirks import SELFTEST_FAILURES
from tables import table

EPT, UNRESTRICTED_GUEST = 1 << 1, 1 << 7  # bits of CPU2_CONTROLS
EXCEPTION, INVLPG, CR_ACCESS, EPT_VIOLATION = 0, 14, 28, 48
# The most that a vCPU's shadow tables take (SHADOW_PAGES), and the root of the nested page table.
TABLES_KIB = 4 * (4 + 2 * 126 + 1)


def test_selftest(bed):
    m = bed(timeout=120, run="vm guest --paging=shadow -c selftest")
    m.finish()
    assert set(re.findall(r"^FAIL .*", m.output, re.M)) == SELFTEST_FAILURES.get(bed.name, set())
    assert int(re.search(r"selftest: (\d+) passed", m.output)[1]) > 190
    rows, _ = table(m.output)
    for reason in EXCEPTION, INVLPG, CR_ACCESS:
        assert rows[reason][0] > 100
    if bed.name != "bochs-vmx":  # on VMX the guest's real mode needs EPT
        assert EPT_VIOLATION not in rows


def test_several_cpus(bed):
    """Each vCPU has shadow tables of its own, as each processor has a TLB."""
    m = bed(timeout=120, run="vm guest --cpus=2 --paging=shadow -c smp; audit")
    assert m.finish() == 0
    assert "FAIL" not in m.output
    assert "PASS smp: a page that moves, moves on all CPUs" in m.output
    assert "audit: clean" in m.output


def test_workloads(machine, full):
    """The processes of a guest read and fault alike with both kinds of paging, and on all processors."""
    rounds, seen = (100 if full else 10), {}
    for name, bed in BEDS.items():
        m = machine(**bed, timeout=120, run="; ".join(
            f"vm guest --paging={paging} -c 'procs {rounds}; pgfault 101'"
            for paging in ("nested", "shadow")))
        assert m.finish() == 0 and "FAIL" not in m.output
        lines = re.findall(r"^(?:PASS )?(?:procs|pgfault): .*", m.output, re.M)
        half = len(lines) // 2
        seen[name, "nested"], seen[name, "shadow"] = lines[:half], lines[half:]
    lines = seen.pop(("bochs-vmx", "nested"))
    assert re.match(rf"procs: {rounds} rounds, \d{{3,}} faults, checksum [0-9a-f]{{8}}$", lines[1])
    assert re.match(r"pgfault: 101 faults, checksum [0-9a-f]{8}$", lines[-3])
    for key, others in seen.items():
        assert others == lines, key


def test_workloads_limits(machine):
    m = machine(**BEDS["qemu-svm"], run="vm guest -m 3M -c 'procs; procs 0; pgfault 0'")
    m.finish()
    assert re.search(r"^procs: 1920 KiB wanted, only \d+ KiB of RAM were never touched", m.output,
                     re.M)
    for name in "procs", "pgfault":
        assert f"{name}: '0' is not a number from 0x1 to" in m.output


def nested_paging_is_on(bed, fields):
    if bed.name == "bochs-vmx":
        bits = fields["CPU2_CONTROLS"] & (EPT | UNRESTRICTED_GUEST)
        assert bits in (0, EPT | UNRESTRICTED_GUEST)
        return bits != 0
    return fields["np_enable"] == 1


@pytest.mark.parametrize("paging", ["nested", "shadow"])
def test_hardware_runs_without_nested_paging(bed, paging):
    m = bed(run=f"vm guest --paging={paging}")
    m.expect("guest> ")
    open_prompt(m)
    m.sendline("kmonitor")
    m.expect("K> ")
    text = kernel_monitor(m, "vm")
    fields = {name: int(value, 16)
              for name, value in re.findall(r"(?m)\b(\w+) +([0-9a-f]{16})\b", text)}
    assert nested_paging_is_on(bed, fields) == (paging == "nested")
    m.sendline("continue")
    m.expect("vm> ")
    m.sendline("quit")
    assert m.finish() == 0


def test_hostile_guests(bed):
    """Guests that do harm get the same answers as with nested paging."""
    m = shell(bed(timeout=PATIENCE_LONG))
    before = available(m)
    for number, guest in enumerate(guests_of(bed.name)[0], 2):
        misbehave(m, number, guest, "shadow")
        if guest == "t/spaces":  # it has more tables than are kept
            kib = re.search(r"^Page tables: (\d+) KiB", command(m, "exits"), re.M)[1]
            assert int(kib) <= TABLES_KIB
    command(m, "wait; " + "; ".join(f"vm log {n}" for n in range(2, number + 1)))
    assert available(m) == before
    assert "audit: clean" in command(m, "audit")


def test_clone(bed):
    """A clone has shadow tables of its own.  Both VMs write, and neither sees what the other writes."""
    m = shell(bed())
    start_heartbeat(m, "shadow", 2)
    assert "audit: clean" in command(m, "audit")
    assert command(m, "vm clone 2") == "[vm 3] clone of vm 2, in the background"
    assert "audit: clean" in command(m, "audit")
    command(m, "sleep 0.2; vm pause 2; sleep 0.2; vm resume 2; vm pause 3; sleep 0.1; vm resume 3")
    for vm in (3, 2):
        ask(m, vm, "mem", "PASS mem: 1 MiB")  # the first key ends the heartbeat
    assert m.output.count("PASS heartbeat: memory") == 2
    for vm in (2, 3):
        ask(m, vm, "mem", "PASS mem: 1 MiB")
    assert "audit: clean" in command(m, "audit")


def test_entries_keep_the_rules(bed):
    m = bed(timeout=120, run="vm guest --check --paging=shadow -c 'mem; touch; user'")
    m.finish()
    assert "guest> poweroff" in m.output and "rule" not in m.output


def test_bad_option(machine):
    m = machine(**BEDS["qemu-svm"], run="vm guest --paging=flat")
    assert m.finish() != 0
    assert "vm: --paging=flat: no such kind; expected nested, shadow or shadow,nocache" in m.output
