"""`vm --kernel`: a guest that is entered with paging on.  CPUs without nested paging run no other."""

import re

import pytest

from beds import WITHOUT_EPT
from conftest import BEDS
from console import available, command, detach
from quirks import SELFTEST_FAILURES
from tables import table

# CPUs without nested paging, and the first bit that they lack.
WITHOUT_NESTED = {
    WITHOUT_EPT.cpu: '"Enable EPT" is missing (IA32_VMX_PROCBASED_CTLS2 bit 1)',
    "corei5_lynnfield_750": '"Unrestricted guest" is missing (IA32_VMX_PROCBASED_CTLS2 bit 7)',
}
EPT_VIOLATION = 48

# Commands that such a CPU refuses, and the one line that says so.
REFUSED = {
    "vm guest": "vm: guest: a disk boots in real mode, and without nested paging this CPU cannot "
                "run a guest in real mode; use vm --kernel guest",
    "vm guest --paging=shadow": "use vm --kernel guest",
    "vm guest --paging=nested": "vm: --paging=nested: this CPU has none: VMX: the secondary "
                                "processor-based control ",
    "vm --kernel guest --paging=nested": "vm: --paging=nested: this CPU has none",
    "vm --kernel guest --cpus=2": "vm: --cpus=2: all CPUs but the first start in real mode, and "
                                  "without nested paging this CPU cannot run a guest in real "
                                  "mode; use --cpus=1",
}

# Images that have no kernel, or one that cannot be entered.
BAD_KERNELS = {
    "vm --kernel nosuch": "vm: nosuch: no such disk image",
    "vm --kernel t/empty": "vm: t/empty: the disk image is empty",
    "vm --kernel t/loop": "vm: t/loop: no kernel; expected an ELF file, or a disk with one behind "
                          "its loader",
    "vm --kernel t/nosig": "vm: t/nosig: kernel is not an ELF file",
    "vm --kernel t/truncated": "vm: t/truncated: kernel truncated: needs ",
    "vm --kernel t/cutelf": "vm: t/cutelf: kernel truncated: needs ",
    "vm --kernel guest -m 1M": "vm: -m: too little memory for the kernel of guest: it needs ",
}

# t/pg-off switches paging off.
STOPPED = ("stopped: the guest switched paging off (CR0.PG); on this CPU, which has no nested "
           "paging, a guest must keep it on, in protected or 64-bit mode")
GOES_ON = "PASS pg-off: paging is off"


def without_nested(machine, cpu, **options):
    """Starts such a machine, which refuses the guest of the default boot; returns it at the shell's prompt."""
    m = machine("bochs", cpu=cpu, **options)
    m.expect(r"\n\$ ")
    return m


@pytest.mark.parametrize("cpu", WITHOUT_NESTED)
def test_without_nested_paging(machine, cpu):
    m = without_nested(machine, cpu)
    assert "VMs     on VMX without nested paging: shadow paging, and guests begin by vm --kernel" \
        in m.output
    before = available(m)
    for line, message in (REFUSED | BAD_KERNELS).items():
        said = command(m, line)
        assert message in said and len(said.splitlines()) == 1
    said = command(m, "caps")
    assert "This CPU can run VMs with shadow paging only" in said and WITHOUT_NESTED[cpu] in said
    assert STOPPED in command(m, "vm --kernel t/pg-off")
    # A user program instead of a kernel does no harm.
    assert "stopped: triple fault" in command(m, "vm --kernel sh")
    assert available(m) == before
    assert "audit: clean" in command(m, "audit")


@pytest.mark.parametrize("cpu", WITHOUT_NESTED)
def test_selftest_without_nested_paging(machine, cpu):
    m = without_nested(machine, cpu, timeout=120)
    said = command(m, "vm --kernel guest -c selftest")
    assert "FAIL" not in said
    assert int(re.search(r"selftest: (\d+) passed", said)[1]) > 190
    assert EPT_VIOLATION not in table(said)[0]
    # Several VMs at a time, one of them a clone, and one after a reboot.
    m.sendline("vm --kernel guest")
    m.expect("guest> ")
    m.sendline("mem")
    m.expect("PASS mem: 1 MiB")
    m.sendline("reboot")
    m.expect("Nestling guest: ")
    m.expect("guest> ")
    detach(m)
    assert command(m, "vm clone 2") == "[vm 3] clone of vm 2, in the background"
    assert "audit: clean" in command(m, "audit")
    assert "PASS user" in command(m, "vm --kernel guest -q --check -c user")
    for vm in 2, 3:
        command(m, f"vm stop {vm}")
    assert "audit: clean" in command(m, "audit")


@pytest.mark.parametrize("cpu", WITHOUT_NESTED)
def test_guests_syscall_is_not_the_hosts(machine, cpu):
    """After each exit EFER is the host's again.  These CPUs switch it by a list of MSRs."""
    m = without_nested(machine, cpu)
    m.sendline("vm --kernel t/sce")
    m.expect("PASS sce: SYSCALL leads where LSTAR says")
    detach(m)
    assert "1 passed, 0 failed" in command(m, "usertests instructions")


@pytest.mark.parametrize("name", BEDS)
def test_reset_makes_tables_anew(machine, name):
    m = machine(**BEDS[name], run="; ".join(
        f"vm --kernel t/reset --paging={paging}" for paging in ("nested", "shadow")))
    assert m.finish() == 0
    assert m.output.count("PASS reset: the loader's tables count") == 2


@pytest.mark.parametrize("name", BEDS)
def test_both_kinds_of_paging(machine, name):
    """A guest that began with paging on needs no real mode, and may switch paging off."""
    m = machine(**BEDS[name], timeout=100, run="; ".join(
        f"vm --kernel {image} --paging={paging}" for paging in ("nested", "shadow")
        for image in ("guest -c 'mem; cr; int; user; string'", "t/pg-off")) + "; audit")
    m.finish()
    assert set(re.findall(r"^FAIL .*", m.output, re.M)) <= SELFTEST_FAILURES.get(name, set())
    assert m.output.count("PASS user: ") > 2
    assert m.output.count(GOES_ON) == 2
    assert "audit: clean" in m.output
    shadow = m.output.split("shadow paging; ")[1].split("t/pg-off")[0]
    assert EPT_VIOLATION not in table(shadow)[0]
