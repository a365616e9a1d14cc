"""Many small VMs: at once, until memory runs out, and one after the other.  Checks what each costs, and
that nothing is left of them."""

import os
import re

import pytest

from beds import ON_BOCHS
from conftest import BEDS, IPS_MEASURED, PATIENCE_LONG, assert_clean, audited

FULL = bool(os.environ.get("CHECK_FULL"))
CYCLES = 2000 if FULL else 50
HOST_KIB = 128  # host memory that a VM of 1 MiB takes besides its RAM
TABLES_KIB = 1024  # host memory that is set aside for the shadow tables of a vCPU
PAGINGS = ["nested", "shadow"] if FULL else ["nested"]
SMALL = 64  # MiB of memory of a host that runs out of it soon


@pytest.fixture(params=BEDS)
def crowd(machine, request):
    """A function that runs `crowd` and an audit; returns the machine, which has ended well."""
    def run(args, **options):
        m = machine(**BEDS[request.param], **options, run=audited(f"free; crowd {args}; free"))
        assert m.finish() == 0
        assert_clean(m)
        assert re.search(r"^crowd: \d+ pages are neither used nor promised, as before$", m.output, re.M)
        free = re.findall(r"^  free .*", m.output, re.M)
        assert len(set(free[-1:] + free[:1])) == 1
        return m

    run.bed = request.param
    return run


@pytest.mark.early
@pytest.mark.parametrize("paging", PAGINGS)
def test_200_at_once(crowd, paging):
    m = crowd(f'200 t/beat "vms; audit" --paging={paging}', mem=512, timeout=PATIENCE_LONG)
    assert "crowd: 200 VMs, 200 live, 200 answer" in m.output
    most = re.search(r"^crowd: host memory beyond the RAM: .*, at most (\d+) KiB$", m.output, re.M)
    assert int(most[1]) <= HOST_KIB + (TABLES_KIB if paging == "shadow" else 0)
    host = re.findall(r"^ *\d+  \w+ .* (\d+) +[0-9a-f]+ +[0-9a-f]+  t/beat$", m.output, re.M)
    assert len(host) == 200 and max(map(int, host)) == int(most[1])
    roots = 400 if paging == "shadow" else 200  # a root for a VM's RAM, and one for a vCPU's shadow tables
    assert re.findall(r"^VMs +(\d+)", m.output, re.M)[0] == str(roots)
    assert m.output.count("audit: clean") == 2


@pytest.mark.parametrize("bed", ON_BOCHS)
def test_exits_cost_the_same_among_200(machine, bed):
    """An exit costs the same ticks, within 2 %, among 200 VMs as alone."""
    cost = {}
    for count in (1, 200):
        m = machine(**BEDS[bed], ips=IPS_MEASURED, mem=512, timeout=PATIENCE_LONG,
                    run=f"crowd {count} t/idle \"vm guest -q -c 'bench cpuid_0'\"")
        assert m.finish() == 0
        assert f"crowd: {count} VMs, {count} live" in m.output
        cost[count] = int(re.search(r"^cpuid_0 +\d+ +\d+ +\d+ +(\d+)", m.output, re.M)[1])
    assert cost[200] <= cost[1] * 1.02, cost


def check_last_is_refused(m, least):
    """When memory runs out, one line says so, and at least `least` VMs live on."""
    live = int(re.search(r"^crowd: (\d+) VMs live; there is no memory for one more$", m.output,
                         re.M)[1])
    assert live >= least
    refused = re.findall(r"^vm: .*|^crowd: VM \d+: .*", m.output, re.M)
    assert len(refused) == 1
    assert re.fullmatch(r"vm: -m: a VM of 1024 KiB does not fit into what the host has free, \d+ KiB|"
                        r"vm: cannot create the VM: out of memory|"
                        rf"crowd: VM {live + 1}: out of memory", refused[0])
    return live


def test_until_memory_runs_out(crowd):
    check_last_is_refused(crowd("full t/idle", mem=SMALL), 31)


def test_shadow_paging_until_memory_runs_out(machine):
    """The memory for a VM's shadow tables is set aside with the VM: fewer VMs start, and none fails later."""
    for bed in BEDS.values() if FULL else [BEDS["qemu-svm"]]:
        m = machine(**bed, mem=SMALL, run=audited("crowd full t/beat --paging=shadow;"
                                                  "crowd cycle 5 t/shutdown --paging=shadow"))
        assert m.finish() == 0
        assert_clean(m)
        live = check_last_is_refused(m, 12)
        assert "crowd: 5 VMs created, booted and destroyed; 5 ended well" in m.output
        assert m.output.count("pages are neither used nor promised, as before") == 2
        print(f"{live} VMs with shadow paging in {SMALL} MiB")


def test_cycles(crowd, record_property):
    m = crowd(f"cycle {CYCLES} t/shutdown", mem=SMALL, timeout=PATIENCE_LONG + CYCLES)
    record_property("cases", CYCLES)
    assert f"crowd: {CYCLES} VMs created, booted and destroyed; {CYCLES} ended well" in m.output
    print(f"{crowd.bed}: {CYCLES} VMs")


@pytest.mark.parametrize("args", ["", "0x", "300 t/idle", "full", "cycle t/idle", "cycle x t/idle"])
def test_bad_arguments(boot_test, args):
    m = boot_test(run=f"crowd {args}")
    assert m.finish() == 2
    assert "usage: crowd COUNT IMAGE" in m.output
