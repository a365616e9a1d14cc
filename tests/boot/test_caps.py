"""`caps` shows what the CPU offers, by the manuals' names."""

import re

from conftest import BEDS


# Rows that must be there, with their answers.
EXPECTED = {
    "bochs-vmx": [r"^ +0  External-interrupt exiting +yes +yes$",
                  r"^ +1  Enable EPT +yes +yes$",
                  r"^ +7  Unrestricted guest +yes +yes$",
                  r"^IA32_VMX_EPT_VPID_CAP \(48ch\) = [0-9a-f]{16}$"],
    "bochs-svm": [r"^ +0  Nested paging +yes$", r"^ +3  Next RIP saved on #VMEXIT +yes$",
                  r"^ +7  Decode assists +no$"],
    "qemu-svm": [r"^ +0  Nested paging +yes$", r"^ +3  Next RIP saved on #VMEXIT +no$"],
}


def test_caps(machine):
    for name, options in BEDS.items():
        m = machine(**options, run="caps")
        assert m.finish() == 0
        for row in EXPECTED[name]:
            assert re.search(row, m.output, re.M), (name, row)
        assert "This CPU can run VMs." in m.output
