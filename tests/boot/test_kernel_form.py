"""`vm --kernel`: a guest that is entered with paging on; and the CPU that runs no other, without EPT."""

from test_clone import available
from test_vms import command

WITHOUT_EPT = {"emulator": "bochs", "cpu": "core2_penryn_t9600"}
MISSING = '"Enable EPT" is missing (IA32_VMX_PROCBASED_CTLS2 bit 1)'

# What a CPU without EPT does not run, and the one line that says so.
REFUSED = {
    "vm guest": "vm: guest: a disk boots in real mode, in which this CPU, without nested paging, "
                "runs no guest; use vm --kernel guest",
    "vm guest --paging=shadow": "use vm --kernel guest",
    "vm guest --paging=nested": "vm: --paging=nested: not on this CPU: VMX: the secondary "
                                f"processor-based control {MISSING}",
}


def test_without_ept(machine):
    m = machine(**WITHOUT_EPT)
    m.expect(r"\n\$ ")  # the default boot is refused, too
    assert "VMs     on VMX without nested paging: shadow paging, and guests begin by vm --kernel" \
        in m.output
    before = available(m)
    for line, message in REFUSED.items():
        said = command(m, line)
        assert message in said and len(said.splitlines()) == 1
    said = command(m, "caps")
    assert "This CPU can run VMs with shadow paging only" in said and MISSING in said
    assert available(m) == before
    assert "audit: clean" in command(m, "audit")
