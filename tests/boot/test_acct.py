"""Accounts of exits: the sums, the tables, the flight recorder, and the statistics leaves."""

import re

import pytest

from console import open_prompt
from tables import check_sums, split_total, tables


def run(bed, commands):
    m = bed(run=commands)
    assert m.finish() == 0
    return m.output


def test_sums(bed):
    """The parts add up to the whole: exits, their costs, the time."""
    output = run(bed, 'vm guest -q -c "cpuid; io; hlt 3; touch; int"; exits --tsv; '
                      "exits --hist 10 --tsv; exits --hist io_instruction --tsv; "
                      "exits --by port --tsv; exits --by msr --tsv; exits --by leaf --tsv; "
                      "exits --by page --tsv")
    exits, times, memory, *rest = tables(output)
    rows, ticks = check_sums(exits, times, memory)
    assert all(ticks[name] > 0 for name in ("guest", "handler", "monitor", "halted"))
    assert rows["HLT"]["count"] >= 3 and rows["CPUID"]["count"] > 1000
    assert rows["IO_INSTRUCTION"]["monitor"] > rows["IO_INSTRUCTION"]["cycles"]
    for row, histogram in zip((rows["CPUID"], rows["IO_INSTRUCTION"]), rest[:2]):
        assert sum(bucket["count"] for bucket in histogram) == row["count"]
        assert histogram[0]["from"] <= row["min"] <= histogram[0]["to"]
        assert histogram[-1]["from"] <= row["max"] <= histogram[-1]["to"]
        assert row["min"] <= row["cycles"] / row["count"] <= row["max"]
    kinds = (["IO_INSTRUCTION"], ["RDMSR", "WRMSR"], ["CPUID"], ["EPT_VIOLATION"])
    for names, keys in zip(kinds, rest[2:]):
        parts, total = split_total(keys, "exit")
        assert {row["exit"] for row in parts} <= {*names, "others"}
        for column in ("count", "cycles"):
            assert sum(row[column] for row in parts) == total[column]
            assert sum(rows[name][column] for name in names) == total[column]


def test_keys(bed):
    """Exits are counted by port, MSR, leaf and page.  A key that finds no row in its small table counts as
    `others`."""
    output = run(bed, 'vm guest -q -c "cpuid 500; rdmsr 0x1b; rdmsr 0x1b; touch 8"; '
                      "exits --by port; exits --by msr; exits --by leaf; exits --by page; "
                      "exits --top")
    assert re.search(r"^IO_INSTRUCTION +03f8 +\d+", output, re.M)
    assert re.search(r"^RDMSR +0000001b +2 ", output, re.M)
    assert int(re.search(r"^CPUID +00000000 +(\d+)", output, re.M).group(1)) >= 500
    assert re.search(r"^EPT_VIOLATION +0x[0-9a-f]+000 +\d+", output, re.M)  # each page has one exit
    assert re.search(r"^others +- +[1-9]\d*", output, re.M)
    rows = re.findall(r"^ *\d+ [A-Z_]+ +\d+ +[\d.]+ +(\d+) +\d+ +\d+ +\d+ +(\d+)$", output, re.M)
    costs = [int(cycles) + int(monitor) for cycles, monitor in rows]
    assert len(costs) > 3 and costs == sorted(costs, reverse=True)
    # A VM that has ended still has its VMREADs.
    assert bool(re.search(r"^VMREADs: [1-9]", output, re.M)) == (bed.name == "bochs-vmx")


def prompt_tables(m, command):
    """Opens the prompt, runs a command that prints tables, and goes back to the guest; returns the tables."""
    open_prompt(m)
    start = len(m.output)
    m.sendline(command)
    m.expect("vm> ")
    found = tables(m.output[start:])
    m.sendline("continue")
    return found


def guest_command(m, command):
    m.sendline(command)
    m.expect(r"\n.*guest> ")


def test_since_last(bed):
    """While the VM lives, the exits of boot, use and idle time can be told apart."""
    m = bed(run="vm guest")
    m.expect("guest> ")
    boot, _ = check_sums(*prompt_tables(m, "exits --tsv"))
    guest_command(m, "cpuid 500")
    use, _ = check_sums(*prompt_tables(m, "exits --since-last --tsv"))
    idle, _ = check_sums(*prompt_tables(m, "exits --since-last --tsv"))
    whole, _ = check_sums(*prompt_tables(m, "exits --tsv"))
    m.sendline("poweroff")
    assert m.finish() == 0
    assert boot["CPUID"]["count"] < 100
    assert 500 <= use["CPUID"]["count"] <= 501
    assert idle["CPUID"]["count"] == 0
    for name, row in whole.items():
        if name != "-":
            parts = [part[name]["count"] for part in (boot, use, idle)]
            assert sum(parts) <= row["count"] <= sum(parts) + 20, name
    assert whole["CPUID"]["count"] == boot["CPUID"]["count"] + use["CPUID"]["count"]


def test_live(machine):
    m = machine("bochs", run="vm guest")
    m.expect("guest> ")
    open_prompt(m)
    m.sendline("exits --live")
    m.expect("exits so far")
    m.expect("exits of the last second")
    m.send("x")
    m.expect("vm> ")
    m.sendline("quit")
    assert m.finish() == 0


@pytest.mark.parametrize("option, room", [("", 256), ("--trace=500", 512)])
def test_trace(bed, option, room):
    """The recorder holds the last exits, without gaps, each with its own time."""
    output = run(bed, f'vm guest -q {option} -c "cpuid 600"; exits --tsv; trace --tsv; '
                      "trace -n 3 --tsv")
    exits, _, _, _, trace, _, last = tables(output)
    total = split_total(exits)[1]["count"]
    assert [row["number"] for row in trace] == list(range(total - room, total))
    assert trace[-3:] == last
    for row, after in zip(trace, trace[1:]):
        assert row["cycles"] > 0
        assert row["tsc"] + row["cycles"] + row["away"] < after["tsc"]
        assert (row["away"] > 0) == (row["action"] in ("monitor", "yield"))
    cpuids = [row for row in trace if row["exit"] == "CPUID"]
    assert cpuids and all(row["action"] == "skip" and row["key"] == 0 for row in cpuids)
    assert last[-1]["exit"] == "IO_INSTRUCTION" and last[-1]["key"] == 0xf4
    assert last[-1]["action"] == "monitor"


BAD = {
    "exits": "exits: no VM has run",
    "trace": "trace: no VM has run",
    "exits 99": "exits: VM 99: no such VM",
    "trace 99": "trace: VM 99: no such VM",
    "exits --hist nosuch": "exits: --hist nosuch: no such kind",
    "exits --hist 35": "exits: --hist 35: no such kind",
    "exits --by foo": "exits: --by foo: expected port, msr, leaf or page",
    "exits --foo": "usage: exits",
    "exits --hist": "usage: exits",
    "exits 1 2": "usage: exits",
    "trace --foo": "usage: trace",
    "trace --all 1": "usage: trace",
    "vm guest --leaves=v4": "vm: --leaves=v4: no such profile",
    "vm guest --leaves=2": "vm: --leaves=2: no such profile",
    "vm guest --trace=0": "vm: --trace=0: expected a number",
    "vm guest --trace=16385": "vm: --trace=16385: expected a number",
}


def test_bad_arguments(machine):
    """One line tells what is wrong, and the status is not 0."""
    m = machine("bochs", run="".join(f"echo == {command}; {command}; status; " for command in BAD))
    m.finish()
    parts = re.split(r"^== (.*)\n", m.output, flags=re.M)[1:]
    assert parts[::2] == list(BAD)
    for command, output in zip(parts[::2], parts[1::2]):
        lines = output.split("\n")
        assert sum(line.startswith(BAD[command]) for line in lines) == 1, (command, output)
        assert "1" in lines or "2" in lines, (command, output)


# {profile: the roles of leaves 4FFFFFFFh, 4FFFFFFEh, 4FFFFFFDh and 4FFFFFFCh}.
PROFILES = {
    "v1": ("total with cycles", "count", "nothing", "nothing"),
    "v2": ("total", "total cycles", "count", "cycles"),
    "v3": ("cycles", "count", "total cycles", "total"),
}
UNDEFINED = [35, 38, 42, 65, 69, 70, 100, 255, 0xffff, 0x10000, 0xffffffff]
NEVER_ENABLED = [3, 4, 5, 6, 11, 0x10, 17, 33, 34, 49, 51, 63, 64, 66, 67, 68]
ALL_ZERO = (0, 0, 0, 0)
NO_SUCH_REASON = (0, 0, 0, 0xffffffff)


class Leaves:
    """Reads statistics leaves by their roles, through the guest's prompt."""

    def __init__(self, m, profile):
        self.m = m
        self.roles = {role: 0x4fffffff - i for i, role in enumerate(PROFILES[profile])}

    def raw(self, leaf, subleaf=0):
        """Returns (EAX, EBX, ECX, EDX) of a leaf."""
        self.m.sendline(f"leaf {leaf:#x} {subleaf:#x}")
        match = self.m.expect(rf"leaf {leaf:08x} subleaf {subleaf:08x}: "
                              r"eax (\w{8}) ebx (\w{8}) ecx (\w{8}) edx (\w{8})")
        self.m.expect("guest> ")
        return tuple(int(text, 16) for text in match.groups())

    def count(self, reason):
        eax, *rest = self.raw(self.roles["count"], reason)
        assert rest == [0, 0, 0], "registers that the profile does not name are 0"
        return eax

    def cycles(self, reason):
        eax, high, low, edx = self.raw(self.roles["cycles"], reason)
        assert (eax, edx) == (0, 0)
        assert high == 0, "a short run has few cycles: the high half is EBX"
        return low

    def total(self):
        role = "total" if "total" in self.roles else "total with cycles"
        eax, high, low, edx = self.raw(self.roles[role])
        assert edx == 0 and high == 0
        assert (low > 0) == (role != "total")
        return eax

    def total_cycles(self):
        role = "total cycles" if "total cycles" in self.roles else "total with cycles"
        eax, high, low, edx = self.raw(self.roles[role])
        assert edx == 0 and high == 0
        assert (eax > 0) == (role != "total cycles")
        return low


@pytest.fixture(params=PROFILES)
def leaves(request, bed):
    """A guest at its prompt, in a VM of each profile."""
    m = bed(run=f"vm guest --leaves={request.param}; exits --tsv")
    m.expect("guest> ")
    return Leaves(m, request.param)


def test_leaves_counts(leaves):
    """A count includes the exit that reads it, and no exit is missed or counted twice."""
    first = leaves.count(10)
    assert 0 < first < 100, "another VM's exits are not counted, nor those of the host"
    assert leaves.count(10) == first + 1
    total = leaves.total()
    assert total > first
    assert leaves.total() > total
    guest_command(leaves.m, "cpuid 300")
    assert leaves.count(10) == first + 304
    guest_command(leaves.m, "vmcall 1")
    assert leaves.count(18) == 1
    leaves.m.sendline("poweroff")
    assert leaves.m.finish() == 0
    rows, total = split_total(tables(leaves.m.output)[-3])
    assert rows[10]["count"] == first + 305, "the leaves and the table tell the same"


def test_leaves_cycles(leaves):
    """Cycles end with the exit, so the one that reads them is not among them yet."""
    totals = [leaves.total_cycles() for _ in range(3)]
    assert totals == sorted(totals) and totals[0] < totals[2]
    if "cycles" not in leaves.roles:
        return
    assert leaves.cycles(18) == 0
    guest_command(leaves.m, "vmcall 1")
    assert leaves.cycles(18) > 0
    first = leaves.cycles(10)
    second = leaves.cycles(10)
    assert second > first
    assert leaves.cycles(30) > leaves.cycles(18)


def test_leaves_reasons(leaves):
    """The leaves answer numbers that are no reason, reasons that never happen, and unknown leaves."""
    by_reason = [leaf for role, leaf in leaves.roles.items() if role in ("count", "cycles")]
    for leaf in by_reason:
        for reason in UNDEFINED:
            assert leaves.raw(leaf, reason) == NO_SUCH_REASON, reason
        for reason in NEVER_ENABLED: # 10h is among them; CPUID is 10 in decimal
            assert leaves.raw(leaf, reason) == ALL_ZERO, reason
    if "nothing" in leaves.roles:
        for leaf in (0x4ffffffc, 0x4ffffffd):
            assert leaves.raw(leaf, 10) == ALL_ZERO
            assert leaves.raw(leaf, 35) == ALL_ZERO
    assert leaves.raw(0x4ffffffb, 10) == ALL_ZERO
    assert leaves.raw(0x50000000, 10) == ALL_ZERO


def test_leaves_show_external_interrupts(leaves):
    """Host interrupts end guest mode, too, and are counted as reason 1."""
    before = leaves.count(1)
    guest_command(leaves.m, "int 5")
    assert leaves.count(1) > before


def test_leaves_are_of_one_vm(bed):
    """A VM sees nothing of one that ran before."""
    m = bed(run='vm guest -q -c "cpuid 3000"; vm guest -q -c "leaf 0x4ffffffd 10"')
    assert m.finish() == 0
    assert int(re.search(r"leaf 4ffffffd .* eax (\w+)", m.output).group(1), 16) < 100
