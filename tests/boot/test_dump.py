"""The kernel monitor shows VMCS and VMCB of a VM that goes on afterwards."""

import re

import pytest

from conftest import BEDS
from console import kernel_monitor, open_prompt

# The name of the root, the field that holds it, and a field that only this control block has.
FIELDS = {
    "bochs-vmx": ("EPT", "EPT_POINTER", "HOST_RIP"),
    "qemu-svm": ("NPT", "ncr3", "exit_int_info"),
}
LOW_BITS = 0xFFF  # in EPTP these are the memory type and the depth of the walk


@pytest.mark.parametrize("bed", FIELDS)
def test_vm(machine, bed):
    root_name, root_field, own_field = FIELDS[bed]
    m = machine(**BEDS[bed])
    root = int(m.expect(r"nested page table at hpa (0x[0-9a-f]+);").group(1), 16)
    m.expect("guest> ")
    open_prompt(m)
    m.sendline("kmonitor")
    m.expect("K> ")

    text = kernel_monitor(m, "vm")
    assert f"VM 1 (guest), vCPU 0: {root_name} root " in text
    fields = dict(re.findall(r"(?m)\b(\w+) +([0-9a-f]{16})\b", text))
    assert int(fields[root_field], 16) & ~LOW_BITS == root
    assert own_field in fields
    assert kernel_monitor(m, "vm 1") == text
    assert "there is no VM 5" in kernel_monitor(m, "vm 5")

    m.sendline("continue")
    m.expect("vm> ")
    m.sendline("continue")
    m.sendline("poweroff")
    m.expect(r"ended with status 0")
    m.expect(r"\$ ")
    m.sendline("kmonitor")
    m.expect("K> ")
    assert "there is no VM" in kernel_monitor(m, "vm")
    m.sendline("poweroff 0")
    assert m.finish() == 0
