"""Asks KVM whether its guests can have VMX or SVM.  The parameters of its modules do not tell."""

import fcntl
import struct

DEVICE = "/dev/kvm"
API_VERSION = 12
GET_API_VERSION = 0xAE00
GET_SUPPORTED_CPUID = 0xC008AE05
GET_MSRS = 0xC008AE88  # asked of the device itself: the most that a guest may have

HEADER = struct.Struct("=II")  # number of entries that follow, padding
CPUID_ENTRY = struct.Struct("=10I")  # leaf, subleaf, flags, EAX, EBX, ECX, EDX, padding
CPUID_ENTRIES_MAX = 256
MSR_ENTRY = struct.Struct("=IIQ")  # MSR, padding, value

CPUID1_ECX_VMX = 1 << 5
CPUIDX1_ECX_SVM = 1 << 2
SVM_EDX_NP = 1 << 0
PROCBASED_CTLS2 = 0x48B
CTLS2_ALLOWED = {"EPT": 1 << 33, "unrestricted guest": 1 << 39}


def nested():
    """Returns ("VMX" or "SVM", None) if guests of KVM can have it complete, else (None, the reason)."""
    try:
        with open(DEVICE, "rb+", buffering=0) as kvm:
            if fcntl.ioctl(kvm, GET_API_VERSION) != API_VERSION:
                return None, f"{DEVICE} does not behave like KVM"
            return examine(supported_cpuid(kvm), feature_msr(kvm, PROCBASED_CTLS2))
    except OSError as error:
        return None, f"{DEVICE}: {error.strerror}"


def examine(cpuid, ctls2):
    """Returns what nested() does.  cpuid: {leaf: (EAX, EBX, ECX, EDX)}; ctls2: the MSR PROCBASED_CTLS2."""
    if cpuid.get(1, (0, 0, 0, 0))[2] & CPUID1_ECX_VMX:
        missing = [name for name, bit in CTLS2_ALLOWED.items() if not ctls2 & bit]
        return ("VMX", None) if not missing else (None, f"KVM nests VMX without {missing[0]}")
    if cpuid.get(0x80000001, (0, 0, 0, 0))[2] & CPUIDX1_ECX_SVM:
        if cpuid.get(0x8000000A, (0, 0, 0, 0))[3] & SVM_EDX_NP:
            return "SVM", None
        return None, "KVM nests SVM without nested paging"
    return None, "KVM does not nest VMX or SVM here"


def supported_cpuid(kvm):
    """Returns {leaf: (EAX, EBX, ECX, EDX)}, of first subleaves only."""
    buffer = bytearray(HEADER.size + CPUID_ENTRIES_MAX * CPUID_ENTRY.size)
    HEADER.pack_into(buffer, 0, CPUID_ENTRIES_MAX, 0)
    fcntl.ioctl(kvm, GET_SUPPORTED_CPUID, buffer)
    count, _ = HEADER.unpack_from(buffer)
    leaves = {}
    for i in range(count):
        leaf, _, _, *registers = CPUID_ENTRY.unpack_from(buffer, HEADER.size + i * CPUID_ENTRY.size)
        leaves.setdefault(leaf, tuple(registers[:4]))
    return leaves


def feature_msr(kvm, msr):
    """Returns the value of an MSR, or 0 if KVM does not have the MSR."""
    buffer = bytearray(HEADER.pack(1, 0) + MSR_ENTRY.pack(msr, 0, 0))
    try:
        found = fcntl.ioctl(kvm, GET_MSRS, buffer)
    except OSError:
        return 0
    return MSR_ENTRY.unpack_from(buffer, HEADER.size)[2] if found == 1 else 0
