"""The audit tells who reaches which memory and who owns each frame, and notices when that is wrong.

`audit --plant KIND` breaks one rule for the time of one audit.
"""

import pathlib
import re

import pytest

import beds
from conftest import ALL_BEDS, BEDS, assert_clean, audited, options_of

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = re.findall(r'^AUDIT_RULE\(\w+, "([\w-]+)"', (ROOT / "inc/audit.def").read_text(), re.M)
# Only VMs can break these rules.
SHADOW_RULES = {"shadow-entry"}
VM_RULES = {r for r in RULES if r.startswith("guest-")} | {"table", "nested-promise"} | SHADOW_RULES

# A CPU that has shadow paging only.
WITHOUT_EPT = {"without-ept": options_of(beds.WITHOUT_EPT)}


def sections(output):
    """Returns {planted rule: what was printed}."""
    parts = re.split(r"^planted ([\w-]+)$", output, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


@pytest.mark.parametrize("bed, paging", [(bed, "nested") for bed in ALL_BEDS] +
                                        [(bed, "shadow") for bed in BEDS] +
                                        [("without-ept", "shadow")])
def test_each_violation_is_named(machine, bed, paging):
    option = " --paging=shadow" if paging == "shadow" else ""
    m = machine(**(ALL_BEDS | WITHOUT_EPT)[bed], mem=64, run=audited("audit --plant all" + option))
    assert m.finish() == 0
    planted = sections(m.output)
    assert set(planted) == set(RULES)
    missing = VM_RULES if bed == "no-vms" else SHADOW_RULES if paging == "nested" else set()
    for rule, text in planted.items():
        if rule in missing:
            assert f"cannot plant {rule} here" in text
        else:
            assert re.search(rf"^audit: {rule}: ", text, re.M), rule
            assert re.search(r"^audit: \d+ violations?$", text, re.M), rule
    count = len(RULES) - len(missing)
    assert f"audit: planted {count} kinds of violation: {count} named and undone, 0 missed" \
        in m.output
    assert_clean(m)


def test_line_says_frame_owner_table_address_and_rule(machine):
    m = machine(**BEDS["qemu-svm"], run="audit --plant guest-table")
    assert m.finish() == 0
    assert re.search(r"^audit: guest-table: frame 0x[0-9a-f]+ \(page tables\), VM 2 at 0x1000, "
                     r"a guest reaches a page table$", m.output, re.M)


@pytest.mark.parametrize("bed", BEDS)
def test_after_a_guest(machine, bed):
    m = machine(**BEDS[bed], run=audited("vm guest -c help -q; vm t/triple"))
    assert m.finish() == 1  # the status of t/triple
    assert "stopped: triple fault" in m.output
    assert_clean(m)


def test_table_accounts_for_all_memory(boot_test):
    m = boot_test(run="free; audit")
    assert m.finish() == 0
    rows = dict(re.findall(r"^ *([\w ,]*\w) +(\d+) +\d+$", m.output, re.M))
    assert rows["all"] == rows["total"]
    # The program `audit` has about as many pages as `free`.
    assert abs(int(rows["free"]) - int(re.search(r"^  free +(\d+)", m.output, re.M)[1])) < 64
    assert_clean(m)


def test_kernel_monitor(boot_test):
    m = boot_test(run="kmonitor")
    m.expect("K> ")
    m.sendline("audit")
    m.expect("audit: clean")
    m.expect("K> ")
    m.sendline("poweroff 0")
    assert m.finish() == 0


@pytest.mark.parametrize("args", ["--plant", "--plant nosuch", "-x", "1 2 3",
                                  "--plant refs --paging=flat"])
def test_bad_arguments(boot_test, args):
    m = boot_test(run=f"audit {args}")
    assert m.finish() == 2
    assert "audit: no kind of violation is named nosuch" in m.output or "usage: audit" in m.output


@pytest.mark.parametrize("command, mem", [
    ("audit; audit; audit", 512),
    ("usertests exhaustion", 96),
])
def test_typing_meanwhile(machine, command, mem):
    """Typed keys are not lost during long work, although a serial port keeps only 16 bytes."""
    m = machine(**BEDS["bochs-vmx"], mem=mem)
    lines = ["".join(map(str, range(n, n + 30))) for n in range(100, 1000, 30)]
    m.expect("guest> ")
    m.sendline("poweroff")
    m.expect(r"\n\$ ")
    m.sendline(command)
    for line in lines:
        m.sendline(f"echo {line}")
    for line in lines:
        m.expect(f"\n{line}")
