"""VMs and vCPUs as the kernel keeps them."""

import functools
import re

import gdb
import paging
import target

SEGMENTS = ("ES", "CS", "SS", "DS", "FS", "GS")


@functools.lru_cache
def enumerators(enum, prefix):
    """Returns {value: name without the prefix} of an enum."""
    return {int(f.enumval): f.name[len(prefix):] for f in gdb.lookup_type(enum).fields()}


def vms(kernel):
    """Returns a struct vm for each VM."""
    array = kernel.symbol("vms").type
    data, size = kernel.read(kernel.address("vms"), array.sizeof), array.target().sizeof
    slots = (gdb.Value(data[i:i + size], array.target()) for i in range(0, len(data), size))
    return [vm for vm in slots if vm["used"]]


def string(value):
    return bytes(int(value[i]) & 0xFF for i in range(value.type.range()[1] + 1)).split(b"\0")[0] \
        .decode(errors="replace")


class Vcpu:
    """The vCPU on the selected CPU; if there is none, or vm_id is given, the first vCPU of a VM."""

    def __init__(self, vm_id=None):
        self.kernel = target.Kernel()
        self.backend = target.backend(self.kernel)
        if not self.backend:
            raise target.Problem("the host kernel has no back end yet: let it boot on")
        self.running = target.running_vcpu(self.kernel)
        self.address = self.running if vm_id is None and self.running else self.find(vm_id)
        self.struct = self.kernel.value("struct vcpu", self.address)
        self.vm = self.kernel.value("struct vm", int(self.struct["vm"]))
        self.in_guest = self.address == self.running and target.in_guest(self.kernel)

    def find(self, vm_id):
        for vm in vms(self.kernel):
            if (vm_id is None or int(vm["id"]) == vm_id) and int(vm["vcpu_count"]):
                return int(vm["vcpus"][0])
        raise target.Problem("there is no VM now" if vm_id is None else f"there is no VM {vm_id}")

    @property
    def name(self):
        return f"vCPU {int(self.struct['index'])} of VM {int(self.vm['id'])} " \
               f"({string(self.vm['name'])})"

    @property
    def nested_root(self):
        return int(self.vm["npt"]["root"])

    @property
    def host_root(self):
        """The CR3 of the process that runs the vCPU."""
        env = self.kernel.value("struct env", int(self.struct["env"]))
        return int(self.kernel.value("struct aspace", int(env["as"]))["pt"]["root"])

    @property
    def nested_format(self):
        return paging.NPT if self.backend == "svm" else paging.EPT

    def vmcb(self):
        if self.backend != "svm":
            raise target.Problem("this CPU has VMX: there is a VMCS, see `vmcs`")
        own = self.kernel.value("struct svm_vcpu", int(self.struct["backend"]))
        return int(own["vmcb_pa"]), self.kernel.value("struct vmcb", int(own["vmcb"]))

    def registers(self):
        """Returns the guest's registers {name: number}.  A segment has its selector as ES and its base as
        ES_BASE."""
        return self.live_registers() if self.in_guest else self.saved_registers()

    def saved_registers(self):
        _, b = self.vmcb()
        found = {name: int(self.struct["guest"]["gpr"][number])
                 for number, name in enumerators("enum vm_reg", "REG_").items() if name != "COUNT"}
        for name in ("rip", "rsp", "rflags", "cr0", "cr3", "cr4", "efer"):
            found[name.upper()] = int(b[name])
        for name in SEGMENTS:
            found[name] = int(b[name.lower()]["sel"])
            found[f"{name}_BASE"] = int(b[name.lower()]["base"])
        found["CR2"] = int(b["cr2"])
        if self.address == self.running and target.pc() in target.world_switch(self.kernel)[1]:
            live = self.live_registers()
            found.update((name, live[name]) for name in enumerators("enum vm_reg", "REG_").values()
                         if name in live and name not in ("RAX", "RSP"))
            found["RAX"] = int(b["rax"])
        return found

    @staticmethod
    def live_registers():
        text = gdb.execute("monitor info registers", to_string=True)
        found = {}
        # In 16-bit and 32-bit mode QEMU names RAX EAX, but shows all of its bits.
        for name, value in re.findall(r"\b([ER]?[A-Z0-9]{1,4}) *= *([0-9a-f]+)\b", text):
            name = re.sub(r"^E(?=[A-Z][A-Z]$|FL$|IP$)", "R", name)
            found[{"RFL": "RFLAGS"}.get(name, name)] = int(value, 16)
        for name, base in re.findall(r"^([A-Z]S) *=[0-9a-f]{4} ([0-9a-f]+)", text, re.M):
            found[f"{name}_BASE"] = int(base, 16)
        return found

    def exits(self):
        """Returns how many exits the kernel has counted, and the name of the kind and the rip of the last one."""
        acct = self.struct["acct"]
        last = self.kernel.value("struct hv_exit", int(acct["exit"]))
        kind = enumerators("enum hv_exit_kind", "HV_EXIT_")[int(last["kind"])]
        return int(acct["total"]), kind, int(last["rip"])

    def counters(self):
        """Yields (name, count, ticks in the handler) of each kind of exit that came."""
        kinds = self.struct["acct"]["kinds"]
        for number, name in enumerators("enum hv_exit_kind", "HV_EXIT_").items():
            if name != "KINDS":
                kind = self.kernel.value("struct acct_kind", int(kinds[number]))
                if int(kind["count"]):
                    yield name, int(kind["count"]), int(kind["cycles"])

    def hpa(self, gpa):
        """Returns the hpa of a gpa, and how many bytes from there on are mapped as one."""
        found = paging.translate(target.read_physical, self.nested_format, self.nested_root, gpa)
        return found or self.untouched_hpa(gpa)

    def untouched_hpa(self, gpa):
        """Does the same for RAM that the guest has not touched yet, by way of the monitor's memory."""
        for i in range(int(self.vm["slot_count"])):
            slot = self.vm["slots"][i]
            offset = gpa - int(slot["gpa"])
            if 0 <= offset < int(slot["size"]):
                return paging.translate(target.read_physical, paging.LONG, self.host_root,
                                        int(slot["hva"]) + offset)
        raise target.Problem(f"gpa {gpa:#x} is no RAM of VM {int(self.vm['id'])}")

    def read_gpa(self, gpa, size):
        """Returns guest-physical memory.  Memory that nobody has written yet reads as 0."""
        data = b""
        while len(data) < size:
            hpa, there = self.hpa(gpa + len(data)) or (None, target.PAGE - gpa % target.PAGE)
            n = min(there, size - len(data))
            data += target.read_physical(hpa, n) if hpa is not None else bytes(n)
        return data

    def gpa(self, gva, registers):
        """Returns the gpa of a gva, and how many bytes from there on are mapped as one."""
        fmt = paging.guest_format(registers["CR0"], registers["CR4"], registers["EFER"])
        if not fmt:
            return gva, target.PAGE - gva % target.PAGE
        root = paging.root_of(fmt, registers["CR3"])
        found = paging.translate(self.read_gpa, fmt, root, gva)
        if not found:
            raise target.Problem(f"gva {gva:#x} is not in the guest's page tables (CR3 is "
                                 f"{registers['CR3']:#x}, {fmt.name})")
        return found

    def read_gva(self, gva, size):
        registers = self.registers()
        data = b""
        while len(data) < size:
            gpa, there = self.gpa(gva + len(data), registers)
            data += self.read_gpa(gpa, min(there, size - len(data)))
        return data
