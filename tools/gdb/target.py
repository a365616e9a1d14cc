"""The machine behind gdb: physical memory, the host kernel's variables, and who runs now.

In guest mode QEMU translates gdb's addresses by the guest's page tables alone, as if
these held host-physical addresses.  So nothing here reads memory by gdb's own means:
everything uses physical reads, and walks page tables by tools/gdb/paging.py.
"""

import contextlib
import pathlib
import re
import struct

import gdb
import paging

ROOT = pathlib.Path(__file__).resolve().parents[2]
PT_LOAD = 1
VMRUN, SAVE_BEGINS = bytes.fromhex("0f01d8"), bytes.fromhex("48873c24")  # xchg %rdi, (%rsp)
PAGE = 0x1000


class Problem(gdb.GdbError):
    """Something that gdb tells the user in one line."""


def packet(text):
    gdb.execute(f"maintenance packet {text}", to_string=True)


@contextlib.contextmanager
def physical_memory():
    packet("Qqemu.PhyMemMode:1")
    try:
        yield
    finally:
        packet("Qqemu.PhyMemMode:0")


def read_physical(hpa, size):
    with physical_memory():
        try:
            return bytes(gdb.selected_inferior().read_memory(hpa, size))
        except gdb.MemoryError:
            raise Problem(f"hpa {hpa:#x} is not memory") from None


def layout(name):
    """Returns a constant of inc/memlayout.h."""
    text = (ROOT / "inc" / "memlayout.h").read_text()
    return int(re.search(rf"^#define {name}\s+(0x[0-9a-f]+)", text, re.M).group(1), 16)


class Kernel:
    """The host kernel's symbols and memory, which can be read in guest mode, too."""

    def __init__(self):
        self.objfile = next((o for o in gdb.objfiles() if o.filename.endswith("kern/kernel")), None)
        if not self.objfile:
            raise Problem("the host kernel's symbols are not loaded: start gdb by `make gdb`, "
                          "or say `file obj/kern/kernel`")
        self.objdir = pathlib.Path(self.objfile.filename).parents[1]
        self.segments = elf_segments(self.objfile.filename)

    def symbol(self, name):
        found = (self.objfile.lookup_global_symbol(name) or
                 self.objfile.lookup_static_symbol(name))
        if not found:
            raise Problem(f"the host kernel has no symbol {name}: is it another build?")
        return found

    def address(self, name):
        return int(self.symbol(name).value().address)

    def image_hpa(self, va):
        """Returns the hpa of an address in the kernel image, which needs no walk; None for other addresses."""
        for start, hpa, size in self.segments:
            if start <= va < start + size:
                return hpa + va - start
        return None

    def root(self):
        field = self.symbol("kernel_pt").type["root"]
        at = self.image_hpa(self.address("kernel_pt")) + field.bitpos // 8
        return int.from_bytes(read_physical(at, 8), "little")

    def hpa(self, va):
        """Returns the hpa of a kernel address, and how many bytes from there on are mapped as one."""
        found = self.image_hpa(va)
        if found is not None:
            return found, PAGE - found % PAGE
        found = paging.translate(read_physical, paging.LONG, self.root(), va)
        if not found:
            raise Problem(f"the host kernel has nothing at {va:#x}")
        return found

    def read(self, va, size):
        data = b""
        while len(data) < size:
            hpa, there = self.hpa(va + len(data))
            data += read_physical(hpa, min(there, size - len(data)))
        return data

    def value(self, type_, va):
        """Returns the value at a kernel address.  gdb cannot follow pointers in it: value() can."""
        if isinstance(type_, str):
            type_ = gdb.lookup_type(type_)
        return gdb.Value(self.read(va, type_.sizeof), type_.strip_typedefs())

    def variable(self, name):
        return self.value(self.symbol(name).type, self.address(name))


def elf_segments(path):
    """Returns [(address, physical address, size)] of the segments that an ELF64 file loads."""
    data = pathlib.Path(path).read_bytes()
    offset, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    rows = (struct.unpack_from("<IIQQQQQQ", data, offset + i * size) for i in range(count))
    return [(row[3], row[4], row[6]) for row in rows if row[0] == PT_LOAD]


def elf_entry(path):
    return struct.unpack_from("<Q", pathlib.Path(path).read_bytes(), 24)[0]


def info_registers():
    """Returns {name: number} of QEMU's registers, some of which gdb does not show."""
    text = gdb.execute("monitor info registers", to_string=True)
    found = {name: int(value, 16) for name, value in re.findall(r"(\w+)=([0-9a-f]+)\b", text)}
    for name, base, limit in re.findall(r"(GDT|IDT)= +([0-9a-f]+) ([0-9a-f]+)", text):
        found[name] = int(base, 16)
    return found


def backend(kernel):
    """Returns the name of the back end in use, or None before there is one."""
    at = int(kernel.variable("hv"))
    return next((name for name in ("svm", "vmx") if at == kernel.address(f"hv_{name}")), None)


def running_vcpu(kernel):
    """Returns the address of the struct vcpu whose state is on the selected CPU, or 0."""
    if not backend(kernel):
        return 0
    thread = gdb.selected_thread()
    index = thread.num - 1 if thread else 0
    at = layout("CPU_BASE") + index * layout("CPU_SPAN")
    return int(kernel.value("struct cpu", at)["vcpu"])


def in_guest(kernel):
    """Returns whether the selected CPU is in guest mode.

    QEMU does not tell.  While a vCPU is on the CPU, the host has always the same IDT, and page tables
    that map its kernel.  A guest may have one of the two by chance, but not both.
    """
    if not running_vcpu(kernel):
        return False
    registers = info_registers()
    va = kernel.address("hv")
    host = paging.translate(read_physical, paging.LONG, registers["CR3"] & paging.ADDRESS, va)
    return not (registers["IDT"] == kernel.address("idt") and host and
                host[0] == kernel.image_hpa(va))


def pc():
    return int(gdb.parse_and_eval("$pc")) & 0xFFFFFFFFFFFFFFFF


def world_switch(kernel):
    """Returns the address of VMRUN, and the range of addresses after it at which the CPU still has the
    guest's GPRs."""
    if backend(kernel) != "svm":
        raise Problem("there is no VM on SVM yet")
    start = int(gdb.parse_and_eval("(unsigned long)&svm_enter_guest"))
    code = kernel.read(start, PAGE)
    vmrun, save = code.find(VMRUN), code.find(SAVE_BEGINS)
    if not 0 <= vmrun < save:
        raise Problem("svm_enter_guest looks different: is the kernel another build?")
    return start + vmrun, range(start + vmrun + len(VMRUN), start + save + 1)
