"""The commands.  Each is a class, whose docstring is the command's help in gdb."""

import re

import gdb
import paging
import target
from vcpu import SEGMENTS, Vcpu, enumerators, string, vms

GPRS = ("RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
        "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15")
CONTROL = ("RIP", "RFLAGS", "CR0", "CR2", "CR3", "CR4", "EFER")
WORD, WORDS_DEFAULT = 8, 8
ENTRY_TRIES = 100  # an interrupt may end an entry before the guest's first instruction


class Command(gdb.Command):
    """A command named after its class: VmEntry is vm-entry."""

    arguments = (0, 0)  # the least and the most that it takes
    usage = ""

    def __init__(self):
        self.name = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type(self).__name__).lower()
        super().__init__(self.name, gdb.COMMAND_USER)

    def invoke(self, text, _from_tty):
        arguments = gdb.string_to_argv(text)
        least, most = self.arguments
        if not least <= len(arguments) <= most:
            raise gdb.GdbError(f"usage: {self.name} {self.usage}".rstrip())
        self.run(*(int(gdb.parse_and_eval(a)) & 0xFFFFFFFFFFFFFFFF for a in arguments))

    def run(self, *arguments):
        raise NotImplementedError


def table(registers, names):
    """Returns the registers of these names, four in a line."""
    cells = [f"{name:>6} {registers[name]:016x}" for name in names if name in registers]
    return "\n".join(" ".join(cells[i:i + 4]) for i in range(0, len(cells), 4))


def show_mode(v):
    """Prints who runs, and the last exit: as the hardware left it and as the kernel has recorded it."""
    state = "guest mode" if v.in_guest else "host mode; the guest's registers as of its last exit"
    print(f"{v.name}: in {state}")
    total, kind, rip = v.exits()
    if v.backend == "svm" and not v.in_guest:
        _, b = v.vmcb()
        code = int(b["exit_code"])
        if total or code:
            print(f"last exit: EXITCODE {code:#x} {exit_kind(code)}, EXITINFO1 "
                  f"{int(b['exit_info1']):#x}, EXITINFO2 {int(b['exit_info2']):#x}")
    print(f"recorded: exit {total}, {kind} at rip {rip:#x}" if total else "recorded: no exit yet")


class VcpuCommand(Command):
    """Show the vCPU on this CPU: guest or host mode, the guest's registers, its last exit.
usage: vcpu [VM]"""

    arguments = (0, 1)
    usage = "[VM]"

    def run(self, *arguments):
        v = Vcpu(*arguments)
        show_mode(v)
        registers = v.registers()
        print(table(registers, GPRS))
        print(table(registers, CONTROL))
        print("  ".join(f"{s} {registers[s]:04x} base {registers[s + '_BASE']:x}"
                        for s in SEGMENTS))
        print(f"{v.nested_format.name} root {v.nested_root:#x}, host CR3 {v.host_root:#x}")


class Gx(Command):
    """Show guest memory in words of 8 bytes, through the guest's page tables and the nested ones.
usage: gx GVA [WORDS]"""

    arguments = (1, 2)
    usage = "GVA [WORDS]"

    def run(self, gva, words=WORDS_DEFAULT):
        data = Vcpu().read_gva(gva, words * WORD)
        for i in range(0, len(data), 2 * WORD):
            line = data[i:i + 2 * WORD]
            cells = (int.from_bytes(line[k:k + WORD], "little") for k in range(0, len(line), WORD))
            print(f"{gva + i:#018x}: " + " ".join(f"{cell:016x}" for cell in cells))


def nested_walk(gpa):
    v = Vcpu()
    fmt = v.nested_format
    print(f"{fmt.name} of VM {int(v.vm['id'])}, root at hpa {v.nested_root:#x}")
    for step in paging.walk(target.read_physical, fmt, v.nested_root, gpa):
        print("  " + paging.describe(fmt, step))
    if step.leaf and step.present:
        print(f"gpa {gpa:#x} is hpa {step.target + (gpa & step.size - 1):#x}")
    else:
        print(f"gpa {gpa:#x} is not mapped: the guest's first access there will exit")


class Npt(Command):
    """Walk the nested page table for a guest-physical address, entry by entry.
usage: npt GPA"""

    arguments = (1, 1)
    usage = "GPA"

    def run(self, gpa):
        nested_walk(gpa)


class Ept(Npt):
    """Do the same as npt, which Intel calls ept.
usage: ept GPA"""


class Gpt(Command):
    """Walk the guest's own page tables for a guest-virtual address, entry by entry.
usage: gpt GVA"""

    arguments = (1, 1)
    usage = "GVA"

    def run(self, gva):
        v = Vcpu()
        registers = v.registers()
        fmt = paging.guest_format(registers["CR0"], registers["CR4"], registers["EFER"])
        if not fmt:
            print(f"paging is off in the guest: gva {gva:#x} is gpa {gva:#x}")
            return
        root = paging.root_of(fmt, registers["CR3"])
        print(f"{fmt.name} paging of the guest, root at gpa {root:#x}")
        for step in paging.walk(v.read_gpa, fmt, root, gva):
            print("  " + paging.describe(fmt, step))
        if step.leaf and step.present:
            print(f"gva {gva:#x} is gpa {step.target + (gva & step.size - 1):#x}")


class Vmcb(Command):
    """Decode the VMCB of the vCPU on this CPU.
usage: vmcb"""

    def run(self):
        at, b = Vcpu().vmcb()
        print(f"VMCB at hpa {at:#x}")
        for field in b.type.fields():
            if not field.name.startswith("reserved"):
                self.show(b, field)

    def show(self, b, field):
        value = b[field.name]
        if value.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
            text = f"sel {int(value['sel']):04x}  base {int(value['base']):016x}  " \
                   f"limit {int(value['limit']):08x}  attrib {int(value['attrib']):03x}"
        elif value.type.strip_typedefs().code == gdb.TYPE_CODE_ARRAY:
            text = bytes(int(value[i]) for i in range(value.type.range()[1] + 1)).hex(" ")
        else:
            text = f"{int(value):0{2 * value.type.sizeof}x}{self.meaning(field.name, int(value))}"
        print(f"  {field.bitpos // 8:03x}  {field.name:16} {text}")

    @staticmethod
    def meaning(name, value):
        if name in ("intercepts1", "intercepts2"):
            names = intercept_names("" if name == "intercepts1" else "2")
            return "  " + " ".join(text for bit, text in names if value & bit)
        if name == "exit_code":
            return f"  {exit_kind(value)}"
        return ""


def intercept_names(word):
    """Returns [(bit, name)] of SVM_ICPT_ (word "") or SVM_ICPT2_ (word "2"), from vmm/svm/svm.h."""
    text = (target.ROOT / "vmm" / "svm" / "svm.h").read_text()
    bits = [(1 << int(bit), name)
            for name, bit in re.findall(rf"SVM_ICPT{word}_(\w+) = 1 << (\d+)", text)]
    return bits + [(int(value, 16), name) for name, value in
                   re.findall(rf"define SVM_ICPT{word}_(\w+) +(0x\w+)u", text)]


def exit_kind(code):
    """Returns the kind of an SVM exit code, by vmm/svm/exits.def."""
    text = (target.ROOT / "vmm" / "svm" / "exits.def").read_text()
    for first, last, kind in re.findall(r"^SVM_EXIT\((0x\w+), (0x\w+), (\w+),", text, re.M):
        if int(first, 16) <= code <= int(last, 16):
            return kind
    return "no exit of ours"


class Vmcs(Command):
    """Print the kernel's last dump of a VMCS, or of a VMCB; the command `vm` of `K>` makes one.
usage: vmcs"""

    def run(self):
        text = string(target.Kernel().variable("hv_dump_text"))
        print(text.rstrip() or "The kernel has dumped nothing yet: `vm` in the kernel monitor dumps.")


class Exits(Command):
    """Show the exit counters of all VMs, or of one.
usage: exits [VM]"""

    arguments = (0, 1)
    usage = "[VM]"

    def run(self, vm_id=None):
        for vm in vms(target.Kernel()) if vm_id is None else [None]:
            v = Vcpu(vm_id if vm is None else int(vm["id"]))
            print(f"{v.name}\n  {'exit':24} {'count':>10} {'ticks':>16} {'mean':>10}")
            for name, count, ticks in v.counters():
                print(f"  {name:24} {count:10} {ticks:16} {ticks // count:10}")
            print(f"  {'total':24} {v.exits()[0]:10}")


class GuestSymbols(Command):
    """Load the symbols of our guest: boot sector, loader and kernel.  $guest_entry is the kernel's
first instruction.  The guest's boot sector is at 0x7c00, where the host's was, too.
usage: guest-symbols"""

    def run(self):
        guest = target.Kernel().objdir / "guest"
        for path in ("boot/boot.sector", "loader", "guest"):
            gdb.execute(f"add-symbol-file '{guest / path}'", to_string=True)
        entry = target.elf_entry(guest / "guest")
        gdb.set_convenience_variable("guest_entry", entry)
        print(f"Guest symbols: boot sector at 0x7c00, kernel's entry at {entry:#x} ($guest_entry)")


class VmEntry(Command):
    """Go on to the next VM entry and stop at the guest's next instruction.
usage: vm-entry"""

    def run(self):
        kernel = target.Kernel()
        vmrun, _ = target.world_switch(kernel)
        for _ in range(ENTRY_TRIES):
            if not run_to(vmrun):
                return
            gdb.execute("stepi")
            if target.in_guest(kernel):
                return
        print(f"{ENTRY_TRIES} entries were cut short before the guest's first instruction")


class VmExit(Command):
    """Go on to the next VM exit and stop at the host's first instruction after it.
usage: vm-exit"""

    def run(self):
        if run_to(target.world_switch(target.Kernel())[1].start):
            gdb.execute("frame")


def run_to(address):
    """Continues to an address; returns False if something else stops the machine first."""
    stop = gdb.Breakpoint(f"*{address:#x}", internal=True)
    stop.silent = True
    try:
        gdb.execute("continue")
    finally:
        stop.delete()
    return target.pc() == address


class InGuest(gdb.Function):
    """Return 1 in guest mode, else 0, as $in_guest(), for conditions: break *0x7c00 if $in_guest()"""

    def __init__(self):
        super().__init__("in_guest")

    def invoke(self):
        return int(target.in_guest(target.Kernel()))


VcpuCommand.__name__ = "Vcpu"
for command in (VcpuCommand, Gx, Gpt, Npt, Ept, Vmcb, Vmcs, Exits, GuestSymbols, VmEntry, VmExit,
                InGuest):
    command()
