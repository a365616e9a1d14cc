"""The host on several CPUs: they come up, and share the work."""

import mkiso
import pytest

from conftest import OBJDIR

BEDS = {
    "bochs-vmx": ("bochs", {}),
    "bochs-svm": ("bochs", {"cpu": "zambezi"}),
    "qemu-svm": ("qemu", {"flags": ("--tcg",)}),
}


@pytest.mark.parametrize("cpus", [2, 4])
@pytest.mark.parametrize("bed", BEDS)
def test_cpus_come_up(bed, cpus, machine):
    emulator, options = BEDS[bed]
    m = machine(emulator, cpus=cpus, run="free; poweroff", **options)
    assert m.finish() == 0
    assert f"  CPUs    {cpus}: " in m.output
    assert not [line for line in m.lines if line.startswith("nestling: ")][:-1]


def test_cpus_of_a_multiboot2_loader(machine, tmp_path):
    """GRUB hands the ACPI tables on."""
    iso = tmp_path / "nestling.iso"
    mkiso.make_iso(iso, OBJDIR / "boot" / "kernel", OBJDIR / "initrd.cpio", "run=free; poweroff")
    m = machine("qemu", flags=("--tcg",), cpus=2, iso=iso)
    assert m.finish() == 0
    assert "  CPUs    2: " in m.output
