"""The way to the kernel, by our own boot sector and by GRUB; and the messages about bad images."""

import re
import struct

import pytest

import mkimage
import mkiso
from conftest import EMULATORS, IMAGE, OBJDIR

SECTOR = mkimage.SECTOR
HEADER = mkimage.LAYOUT["IMAGE_HEADER_LBA"] * SECTOR
LOADER = mkimage.LAYOUT["IMAGE_LOADER_LBA"] * SECTOR
CMDLINE = HEADER + mkimage.HEADER.size
KERNEL = mkimage.LAYOUT["IMAGE_DATA_LBA"] * SECTOR
# Offsets within struct image_header, an ELF header, an ELF program header, a Multiboot2 header.
H_MAGIC, H_VERSION, H_KERNEL_LBA, H_KERNEL_SIZE, H_INITRD_LBA, H_INITRD_SIZE = range(0, 24, 4)
E_CLASS, E_TYPE, E_MACHINE, E_PHOFF, E_PHENTSIZE, E_PHNUM = 4, 16, 18, 32, 54, 56
P_FLAGS, P_OFFSET, P_PADDR, P_FILESZ, P_MEMSZ = 4, 8, 24, 32, 40
M_LENGTH, M_CHECKSUM, M_TAGS = 8, 12, 16
PT_LOAD = 1
MB2_MAGIC = struct.pack("<I", 0xE85250D6)


class Image:
    """A disk image to damage."""

    def __init__(self):
        self.data = bytearray(IMAGE.read_bytes())

    def get(self, form, at):
        return struct.unpack_from("<" + form, self.data, at)[0]

    def put(self, form, at, value):
        struct.pack_into("<" + form, self.data, at, value)

    def segment(self):
        """Returns the offset of the program header of the first PT_LOAD segment."""
        at = KERNEL + self.get("Q", KERNEL + E_PHOFF)
        while self.get("I", at) != PT_LOAD:
            at += self.get("H", KERNEL + E_PHENTSIZE)
        return at

    def multiboot(self):
        return self.data.index(MB2_MAGIC, KERNEL)


def header(form, field, value):
    return lambda image: image.put(form, HEADER + field, value)


def elf(form, field, value):
    return lambda image: image.put(form, KERNEL + field, value)


def segment(field, value):
    return lambda image: image.put("Q", image.segment() + field, value)


def multiboot(form, field, value):
    return lambda image: image.put(form, image.multiboot() + field, value)


def only_boot_sector(image):
    del image.data[SECTOR:]


def short_disk(image):
    """A disk that ends in the middle of the kernel."""
    size = image.get("I", HEADER + H_KERNEL_SIZE)
    del image.data[KERNEL + size // 2 // SECTOR * SECTOR:]


def half_kernel(image):
    size = image.get("I", HEADER + H_KERNEL_SIZE)
    image.put("I", HEADER + H_KERNEL_SIZE, size // 2)


def multiboot_length(value):
    """The Multiboot2 header has another length, and a checksum that fits it."""
    def damage(image):
        at = image.multiboot()
        image.put("I", at + M_CHECKSUM,
                  image.get("I", at + M_CHECKSUM) + image.get("I", at + M_LENGTH) - value & 0xFFFFFFFF)
        image.put("I", at + M_LENGTH, value)
    return damage


def endless_cmdline(image):
    image.data[CMDLINE:CMDLINE + mkimage.LAYOUT["IMAGE_CMDLINE_MAX"]] = (
        b"x" * mkimage.LAYOUT["IMAGE_CMDLINE_MAX"])


def kernel_without_code(image):
    """No segment is executable."""
    at = image.segment()
    for _ in range(image.get("H", KERNEL + E_PHNUM)):
        image.put("I", at + P_FLAGS, 0)
        at += image.get("H", KERNEL + E_PHENTSIZE)


def huge_initrd(image):
    """An initrd has 64 MiB, all of it in the image, on a machine with 32 MiB."""
    size = 64 << 20
    image.put("I", HEADER + H_INITRD_SIZE, size)
    image.data.extend(bytes(size))


BAD_IMAGES = {
    "only the boot sector": (only_boot_sector, "disk error reading the loader, status 0x.."),
    "no loader": (lambda image: image.put("I", LOADER, 0), "the sectors behind .* hold no loader"),
    "header magic": (header("I", H_MAGIC, 0), "bad image header: magic is 0x0, expected 0x"),
    "header version": (header("I", H_VERSION, 99), "bad image header: version is 99, expected 1"),
    "kernel over header": (header("I", H_KERNEL_LBA, 3), "bad image header: kernel .* at sector 3,"),
    "kernel empty": (header("I", H_KERNEL_SIZE, 0), "bad image header: kernel of 0 bytes"),
    "initrd empty": (header("I", H_INITRD_SIZE, 0), "bad image header: initrd of 0 bytes"),
    "kernel far out": (header("I", H_KERNEL_LBA, 0xFFFFFFFF), "disk too short: the kernel reaches"),
    "initrd far out": (header("I", H_INITRD_SIZE, 0xFFFFFFFF), "disk too short: the initrd reaches"),
    "command line": (endless_cmdline, "bad image header: the command line has no end"),
    "short disk": (short_disk, "disk too short: the kernel reaches sector 0x.*, the disk has 0x"),
    "tiny kernel": (header("I", H_KERNEL_SIZE, 63), "bad kernel: truncated: 63 bytes"),
    "truncated kernel": (half_kernel, "bad kernel: truncated: ELF segment"),
    "ELF magic": (elf("I", 0, 0x4B4C457F), "bad kernel: ELF magic is 0x4b4c457f, expected 0x464c457f"),
    "ELF class": (elf("B", E_CLASS, 1), "bad kernel: ELF EI_CLASS is 0x1, expected 0x2"),
    "ELF type": (elf("H", E_TYPE, 3), "bad kernel: ELF e_type is 0x3, expected 0x2"),
    "ELF machine": (elf("H", E_MACHINE, 40), "bad kernel: ELF e_machine is 0x28, expected 0x3e"),
    "ELF phentsize": (elf("H", E_PHENTSIZE, 1), "bad kernel: ELF e_phentsize is 0x1, expected 0x38"),
    "no segments": (elf("H", E_PHNUM, 0), "bad kernel: ELF e_phnum is 0,"),
    "many segments": (elf("H", E_PHNUM, 65535), "bad kernel: ELF e_phnum is 65535,"),
    "segments far out": (elf("Q", E_PHOFF, 1 << 63), "bad kernel: ELF e_phoff is 0x8000000000000000"),
    "segment size": (segment(P_FILESZ, 1 << 62), "bad kernel: ELF segment .: p_filesz .* is larger"),
    "segment offset": (segment(P_OFFSET, 2**64 - 4096), "bad kernel: truncated: ELF segment"),
    "over the loader": (segment(P_PADDR, 0x8000), "no memory for the kernel: .* at 0x8000,"),
    "over the BIOS": (segment(P_PADDR, 0xFFFF0000), "no memory for the kernel: .* at 0xffff0000,"),
    "beyond all memory": (segment(P_PADDR, 2**64 - 4096), "no memory for the kernel"),
    "segment too large": (segment(P_MEMSZ, 1 << 40), "no memory for the kernel"),
    "no Multiboot2": (multiboot("I", 0, 0), "bad kernel: no Multiboot2 header"),
    "Multiboot2 checksum": (multiboot("I", M_CHECKSUM, 1), "bad kernel: no Multiboot2 header"),
    "Multiboot2 length": (multiboot_length(0x10000), "bad kernel: Multiboot2 header length is 65536"),
    "Multiboot2 tag": (multiboot("I", M_TAGS + 4, 0), "bad kernel: Multiboot2 header tag at"),
    "Multiboot2 long tag": (multiboot("I", M_TAGS + 4, 2**32 - 1), "bad kernel: Multiboot2 header tag"),
    "Multiboot2 need": (multiboot("I", M_TAGS, 77), "bad kernel: .* Multiboot2 header tag 77"),
    "no code": (kernel_without_code, "bad kernel: entry address 0x.* is in no executable"),
    "initrd too large": (huge_initrd, "no memory for the initrd: 67108864 bytes"),
}


def check_refusal(m, message):
    """Checks that the machine prints exactly one line, and that the launcher reports a failure."""
    assert m.finish() == 2
    assert len(m.lines) == 1, m.output
    assert re.match("nestling: cannot boot: " + message, m.lines[0]), m.output


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_bad_image(name, boot_test, tmp_path):
    damage, message = BAD_IMAGES[name]
    image = Image()
    damage(image)
    path = tmp_path / "bad.img"
    path.write_bytes(image.data)
    check_refusal(boot_test(image=path, mem=32), message)


def test_bad_image_on_bochs(machine, tmp_path):
    image = Image()
    image.put("H", KERNEL + E_MACHINE, 40)
    path = tmp_path / "bad.img"
    path.write_bytes(image.data)
    check_refusal(machine("bochs", image=path), "bad kernel: ELF e_machine is 0x28")


def test_no_long_mode(boot_test):
    check_refusal(boot_test(cpu="qemu32"), "this CPU has no long mode")


def test_no_cpuid(machine):
    check_refusal(machine("bochs", cpu="pentium"), "this CPU has no long mode")


@pytest.mark.parametrize("emulator", EMULATORS)
def test_own_loader(emulator, machine):
    m = machine(**EMULATORS[emulator], run="echo from our own loader")
    assert m.finish() == 0
    assert "from our own loader" in m.lines


@pytest.mark.parametrize("emulator", EMULATORS)
def test_grub(emulator, machine, tmp_path):
    iso = tmp_path / "nestling.iso"
    mkiso.make_iso(iso, OBJDIR / "boot" / "kernel", OBJDIR / "initrd.cpio", "run=echo 'from GRUB'")
    m = machine(**EMULATORS[emulator], iso=iso)
    assert m.finish() == 0
    assert "from GRUB" in m.lines
