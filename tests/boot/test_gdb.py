"""gdb on QEMU without KVM: it tells host and guest apart, and the commands of tools/gdb work."""

import re

import pytest

from conftest import OBJDIR, Machine
from console import open_prompt
from sessions import Debuggers, number

SECTOR = 0x7C00
GUEST_CPUID = bytes.fromhex("0fa2")

pytestmark = pytest.mark.xdist_group("gdb")  # these tests share a session


@pytest.fixture(scope="module")
def session():
    """{station: what gdb said there}, from the host's boot sector to the guest's next entry after an exit."""
    with Debuggers(OBJDIR) as d:
        m = Machine("qemu", run="vm guest -c cpuid", flags=d.flags)
        try:
            return dict(stations(d.gdb())) | {"console": m.read()}
        finally:
            m.stop()


def stations(gdb):
    """Yields (station, what gdb said there)."""
    yield "symbols", gdb.command("guest-symbols")

    gdb.command(f"break *{SECTOR:#x}")
    yield "host_sector", (gdb.command("continue") + gdb.command("p $in_guest()") +
                          gdb.command(f"x/4gx {SECTOR:#x}") + gdb.command("vcpu"))

    gdb.command(f"delete\nbreak *{SECTOR:#x} if $in_guest()")
    yield "guest_sector", gdb.command("continue") + look(gdb)
    yield "guest_sector_bytes", gdb.command(f"gx {SECTOR:#x} 4")
    yield "untouched", gdb.command(f"npt {SECTOR:#x}")

    gdb.command("delete\nbreak *$guest_entry if $in_guest()")
    yield "guest_entry", gdb.command("continue") + look(gdb)

    gdb.command("delete\nbreak guest_main if $in_guest()")
    yield "guest_main", gdb.command("continue") + look(gdb)
    yield "stack", gdb.command("gx $rsp 1") + gdb.command("gpt $rsp")
    yield "touched", gdb.command(f"npt {SECTOR:#x}") + gdb.command(f"ept {SECTOR:#x}")

    yield "first_exit", gdb.command("vm-exit") + look(gdb)

    gdb.command("delete\nbreak exit_cpuid")
    yield "handler", gdb.command("continue") + look(gdb)
    rip = number(gdb.command("vcpu"), "RIP")
    yield "at_rip", gdb.command(f"gx {rip:#x} 1")
    yield "vmcb", gdb.command("vmcb")
    yield "exits", gdb.command("exits")
    yield "backtrace", gdb.command("backtrace")

    gdb.command("delete")
    yield "entered", gdb.command("vm-entry") + look(gdb)
    yield "code", gdb.command("x/2i $pc")
    yield "exited", gdb.command("vm-exit") + look(gdb)


def look(gdb):
    return gdb.command("p/x $cr3") + gdb.command("vcpu")


def words(text):
    """Returns the words of 8 bytes that gx printed."""
    return [int(word, 16) for line in text.splitlines() if line.startswith("0x")
            for word in line.split(":")[1].split()]


def sector_words(path):
    data = (OBJDIR / path).read_bytes()
    return [int.from_bytes(data[i:i + 8], "little") for i in range(0, 32, 8)]


def printed_cr3(text):
    return int(re.search(r"^\$\d+ = (0x[0-9a-f]+)", text, re.M).group(1), 16)


def test_the_hosts_own_boot_sector_comes_first(session):
    at = session["host_sector"]
    assert "= 0\n" in at, "not in guest mode"
    assert words(at) == sector_words("boot/boot")
    assert "the host kernel has no back end yet" in at


def test_the_guests_first_instruction(session):
    at = session["guest_sector"]
    assert "guest/boot/boot.S" in at, "the source line"
    assert "in guest mode" in at and "recorded: no exit yet" in at
    assert number(at, "RIP") == SECTOR
    assert printed_cr3(at) == number(at, "CR3") == 0
    guest = sector_words("guest/boot/boot.sector.bin")
    assert words(session["guest_sector_bytes"]) == guest != sector_words("boot/boot")
    assert "not present" in session["untouched"], "the guest has not touched it yet"


def test_the_guest_kernels_entry(session):
    entry = int(re.search(r"entry at (0x[0-9a-f]+)", session["symbols"]).group(1), 16)
    at = session["guest_entry"]
    assert "guest/kernel/entry.S" in at
    assert "in guest mode" in at
    assert number(at, "RIP") == entry
    assert re.search(r"guest_main \(.*\) at guest/kernel/main.c", session["guest_main"])


def test_guest_mode_by_cr3(session):
    """The CR3 that gdb reads is the guest's in guest mode, and the host's after an exit."""
    guest, host = session["guest_main"], session["handler"]
    assert printed_cr3(guest) == number(guest, "CR3")
    assert printed_cr3(host) == number(host, "host CR3") != number(host, "CR3")


def test_right_after_an_exit(session):
    """The page with the instruction at the breakpoint was not mapped yet: a nested page fault, which changes
    no register."""
    inside, outside = session["guest_main"], session["first_exit"]
    assert "EXITCODE 0x400 EPT_VIOLATION" in outside and "in host mode" in outside
    registers = re.compile(r"\b(R[A-Z0-9]+) ([0-9a-f]{16})")
    assert registers.findall(inside) == registers.findall(outside)
    assert len(registers.findall(inside)) == 18


def test_guest_memory_through_both_page_tables(session):
    found = session["stack"]
    (return_address,) = words(found)
    assert 0xFFFFFFFFC0100000 <= return_address < 0xFFFFFFFFC0200000, "into the guest's kernel"
    assert "long mode paging of the guest" in found and "is gpa 0x1" in found


def test_nested_walk(session):
    at = session["touched"]
    root = number(session["guest_main"], "NPT root")
    assert at.count(f"NPT of VM 1, root at hpa {root:#x}\n") == 2
    assert re.findall(r"level (\d)", at) == ["4", "3", "2", "1"] * 2
    assert re.search(rf"^gpa {SECTOR:#x} is hpa 0x[0-9a-f]+c00$", at, re.M)
    said = re.search(r"root of the nested page table at hpa (0x[0-9a-f]+);", session["console"])
    assert int(said.group(1), 16) == root


def test_the_handler(session):
    at = session["handler"]
    assert re.search(r"exit_cpuid \(.*\) at vmm/exit.c", at)
    assert "in host mode" in at
    assert "last exit: EXITCODE 0x72 CPUID," in at
    assert f", CPUID at rip {number(at, 'RIP'):#x}\n" in at
    assert words(session["at_rip"])[0].to_bytes(8, "little").startswith(GUEST_CPUID)
    assert re.search(r" 070 +exit_code +0+72  CPUID", session["vmcb"])
    assert f"ncr3             {number(at, 'NPT root'):016x}" in session["vmcb"]
    assert re.search(r"svm_enter_guest|vcpu_loop", session["backtrace"])


def test_counters(session):
    at = session["exits"]
    total = int(re.search(r"^ +total +(\d+)$", at, re.M).group(1))
    rows = re.findall(r"^ +([A-Z_]+) +(\d+) +\d+ +\d+$", at, re.M)
    assert sum(int(count) for _, count in rows) == total
    assert total == int(re.search(r"recorded: exit (\d+),", session["handler"]).group(1))
    assert {"CPUID", "IO_INSTRUCTION", "EPT_VIOLATION"} <= {name for name, _ in rows}


def test_the_next_entry(session):
    handled, at = session["handler"], session["entered"]
    assert "in guest mode" in at
    assert number(at, "RIP") == number(handled, "RIP") + len(GUEST_CPUID)
    assert number(at, "CR3") == number(handled, "CR3") == printed_cr3(at)
    assert "=> " in session["code"] and "(bad)" not in session["code"]
    assert "svm_enter_guest" in session["exited"] and "in host mode" in session["exited"]


def test_the_kernels_last_dump(machine):
    """gdb attaches to a machine that runs, and reads the dump that `vm` in the kernel monitor made."""
    with Debuggers(OBJDIR) as d:
        m = machine("qemu", flags=d.flags)
        gdb = d.gdb()
        assert "has dumped nothing yet" in gdb.command("vmcs")
        gdb.command("detach")
        m.expect("guest> ")
        open_prompt(m)
        m.sendline("kmonitor")
        m.expect("K> ")
        m.sendline("vm")
        m.expect("K> ")
        gdb.command(f"target remote {d.path('gdb')}")
        text = gdb.command("vmcs")
        assert "VM 1 (guest), vCPU 0: NPT root" in text
        assert f"ncr3             {number(gdb.command('vcpu'), 'NPT root'):016x}" in text
