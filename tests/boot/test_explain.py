"""Entries that are broken on purpose: the hardware refuses them, and the message names the rule.

`vm IMAGE --break BREAK` changes one field of the control block before an entry.  The explainer is
not told which one, only that the entry was refused.  It must name the field and its rule.
"""

import re

import pytest

from conftest import BEDS, PATIENCE_LONG, free_frames

# Sections of the manuals: SDM vol. 3 and APM vol. 2.
EXECUTION = "Checks on VMX Controls: VM-Execution Control Fields"
EXITS = "Checks on VMX Controls: VM-Exit Control Fields"
ENTRIES = "Checks on VMX Controls: VM-Entry Control Fields"
HOST = "Checks on Host Control Registers, MSRs, and SSP"
HOST_SEGMENTS = "Checks on Host Segment and Descriptor-Table Registers"
ADDRESS_SPACE = "Checks Related to Address-Space Size"
GUEST = "Checks on Guest Control Registers, Debug Registers, and MSRs"
SEGMENTS = "Checks on Guest Segment Registers"
TABLES = "Checks on Guest Descriptor-Table Registers"
RIP = "Checks on Guest RIP, RFLAGS, and SSP"
OTHER = "Checks on Guest Non-Register State"
CONSISTENCY = "Canonicalization and Consistency Checks"
INJECTION = "Event Injection"
NESTED = "Nested Paging: Enabling Nested Paging"

CANONICAL = "must be a canonical address"
WIDTH = "beyond the physical-address width"
FRAME = "must be 4-KiB aligned and within the physical-address width"
AREA = "must be 16-byte aligned, and the whole area within the physical-address width"
FIXED1 = "fixes to 1"
FIXED0 = "fixes to 0"
SELECTOR = "RPL and TI must be 0"
MEMORY_TYPE = "each byte must be a memory type"

# {break: (the field that the message must name, words of the rule, the manual's section)}.
VMX = {
    "pin-reserved": ("PIN_CONTROLS", "bit 1 (reserved) must be 1", EXECUTION),
    "cpu-reserved": ("CPU_CONTROLS", "bit 1 (reserved) must be 1", EXECUTION),
    "cpu2-reserved": ("CPU2_CONTROLS", "bit 29 (reserved) must be 0", EXECUTION),
    "cr3-targets": ("CR3_TARGET_COUNT", "number of CR3 targets", EXECUTION),
    "io-bitmap": ("IO_BITMAP_A", FRAME, EXECUTION),
    "msr-bitmap": ("MSR_BITMAPS", FRAME, EXECUTION),
    "msr-bitmap-width": ("MSR_BITMAPS", FRAME, EXECUTION),
    "no-tpr-shadow": ("CPU2_CONTROLS", 'while "Use TPR shadow" is 0', EXECUTION),
    "virtual-nmis": ("PIN_CONTROLS", "bit 5 (Virtual NMIs) must be 0", EXECUTION),
    "nmi-window": ("CPU_CONTROLS", "bit 22 (NMI-window exiting) must be 0", EXECUTION),
    "vpid": ("VPID", 'must not be 0 while "Enable VPID" is 1', EXECUTION),
    "ept-type": ("EPT_POINTER", "bits 2:0 must be a memory type", EXECUTION),
    "ept-walk": ("EPT_POINTER", "bits 5:3 must be 3", EXECUTION),
    "ept-reserved": ("EPT_POINTER", "bits 11:8", EXECUTION),
    "ept-width": ("EPT_POINTER", WIDTH, EXECUTION),
    "unrestricted": ("CPU2_CONTROLS", "bit 1 (Enable EPT) must be 1", EXECUTION),
    "exit-reserved": ("EXIT_CONTROLS", "bit 0 (reserved) must be 1", EXITS),
    "save-timer": ("EXIT_CONTROLS", "bit 22 (Save VMX-preemption timer value) must be 0", EXITS),
    "exit-store": ("EXIT_MSR_STORE_ADDRESS", AREA, EXITS),
    "exit-load": ("EXIT_MSR_LOAD_ADDRESS", AREA, EXITS),
    "entry-reserved": ("ENTRY_CONTROLS", "bit 0 (reserved) must be 1", ENTRIES),
    "event-type": ("ENTRY_INTR_INFO", "bits 10:8 must be a type of event", ENTRIES),
    "event-nmi": ("ENTRY_INTR_INFO", "must be 2 for an NMI", ENTRIES),
    "event-exception": ("ENTRY_INTR_INFO", "must be at most 31", ENTRIES),
    "event-error": ("ENTRY_INTR_INFO", "bit 11 (deliver error code) must be 0", ENTRIES),
    "event-reserved": ("ENTRY_INTR_INFO", "bits 30:12 are reserved", ENTRIES),
    "event-length": ("ENTRY_INSTRUCTION_LENGTH", "must be from 1 to 15 bytes", ENTRIES),
    "entry-load": ("ENTRY_MSR_LOAD_ADDRESS", AREA, ENTRIES),
    "entry-to-smm": ("ENTRY_CONTROLS", "must be 0 outside SMM", ENTRIES),
    "host-cr0-ne": ("HOST_CR0", FIXED1, HOST),
    "host-cr4-vmxe": ("HOST_CR4", FIXED1, HOST),
    "host-cr4-reserved": ("HOST_CR4", FIXED0, HOST),
    "host-cr3": ("HOST_CR3", WIDTH, HOST),
    "host-sysenter-esp": ("HOST_SYSENTER_ESP", CANONICAL, HOST),
    "host-sysenter-eip": ("HOST_SYSENTER_EIP", CANONICAL, HOST),
    "host-pat": ("HOST_PAT", MEMORY_TYPE, HOST),
    "host-efer": ("HOST_EFER", "reserved bits must be 0", HOST),
    "host-efer-lma": ("HOST_EFER", "bits 8 and 10 (LME, LMA) must equal", HOST),
    "host-cs-rpl": ("HOST_CS_SELECTOR", SELECTOR, HOST_SEGMENTS),
    "host-cs-null": ("HOST_CS_SELECTOR", "must not be null", HOST_SEGMENTS),
    "host-ss-ti": ("HOST_SS_SELECTOR", SELECTOR, HOST_SEGMENTS),
    "host-ds-rpl": ("HOST_DS_SELECTOR", SELECTOR, HOST_SEGMENTS),
    "host-es-rpl": ("HOST_ES_SELECTOR", SELECTOR, HOST_SEGMENTS),
    "host-fs-ti": ("HOST_FS_SELECTOR", SELECTOR, HOST_SEGMENTS),
    "host-gs-ti": ("HOST_GS_SELECTOR", SELECTOR, HOST_SEGMENTS),
    "host-tr-rpl": ("HOST_TR_SELECTOR", SELECTOR, HOST_SEGMENTS),
    "host-tr-null": ("HOST_TR_SELECTOR", "must not be null", HOST_SEGMENTS),
    "host-fs-base": ("HOST_FS_BASE", CANONICAL, HOST_SEGMENTS),
    "host-gs-base": ("HOST_GS_BASE", CANONICAL, HOST_SEGMENTS),
    "host-gdtr-base": ("HOST_GDTR_BASE", CANONICAL, HOST_SEGMENTS),
    "host-idtr-base": ("HOST_IDTR_BASE", CANONICAL, HOST_SEGMENTS),
    "host-tr-base": ("HOST_TR_BASE", CANONICAL, HOST_SEGMENTS),
    "host-size": ("EXIT_CONTROLS", "bit 9 (Host address-space size) must be 1", ADDRESS_SPACE),
    "host-cr4-pae": ("HOST_CR4", "bit 5 (PAE) must be 1", ADDRESS_SPACE),
    "host-rip": ("HOST_RIP", CANONICAL, ADDRESS_SPACE),
    "cr0-ne": ("GUEST_CR0", FIXED1, GUEST),
    "cr0-reserved": ("GUEST_CR0", FIXED0, GUEST),
    "cr0-pg": ("GUEST_CR0", "bit 0 (PE) must be 1 while bit 31 (PG) is 1", GUEST),
    "cr4-vmxe": ("GUEST_CR4", FIXED1, GUEST),
    "cr4-reserved": ("GUEST_CR4", FIXED0, GUEST),
    "debugctl": ("GUEST_DEBUGCTL", "bits 5:3 and 63:16 are reserved", GUEST),
    "ia32e-pg": ("GUEST_CR0", 'bit 31 (PG) must be 1 while "IA-32e mode guest" is 1', GUEST),
    "cr3": ("GUEST_CR3", WIDTH, GUEST),
    "dr7": ("GUEST_DR7", "bits 63:32 must be 0", GUEST),
    "sysenter-esp": ("GUEST_SYSENTER_ESP", CANONICAL, GUEST),
    "sysenter-eip": ("GUEST_SYSENTER_EIP", CANONICAL, GUEST),
    "pat": ("GUEST_PAT", MEMORY_TYPE, GUEST),
    "efer": ("GUEST_EFER", "reserved bits must be 0", GUEST),
    "efer-lma": ("GUEST_EFER", "bit 10 (LMA) must equal", GUEST),
    "tr-ti": ("GUEST_TR_SELECTOR", "TI (bit 2) must be 0", SEGMENTS),
    "ldtr-ti": ("GUEST_LDTR_SELECTOR", "TI (bit 2) must be 0", SEGMENTS),
    "fs-base": ("GUEST_FS_BASE", CANONICAL, SEGMENTS),
    "tr-base": ("GUEST_TR_BASE", CANONICAL, SEGMENTS),
    "cs-base": ("GUEST_CS_BASE", "bits 63:32 must be 0", SEGMENTS),
    "ss-base": ("GUEST_SS_BASE", "bits 63:32 must be 0", SEGMENTS),
    "cs-type": ("GUEST_CS_AR", "bits 3:0 must be 9, 11, 13 or 15", SEGMENTS),
    "ss-type": ("GUEST_SS_AR", "bits 3:0 must be 3 or 7", SEGMENTS),
    "ds-type": ("GUEST_DS_AR", "bits 3:0 must be the type of an accessed segment", SEGMENTS),
    "es-system": ("GUEST_ES_AR", "bit 4 (S) must be 1", SEGMENTS),
    "cs-dpl": ("GUEST_CS_AR", "must equal the DPL of SS", SEGMENTS),
    "ss-dpl": ("GUEST_CS_AR", "must equal the DPL of SS", SEGMENTS),
    "gs-present": ("GUEST_GS_AR", "bit 7 (P) must be 1", SEGMENTS),
    "ds-reserved": ("GUEST_DS_AR", "bits 11:8 and 31:17 are reserved", SEGMENTS),
    "cs-granularity": ("GUEST_CS_AR", "bit 15 (G)", SEGMENTS),
    "tr-type": ("GUEST_TR_AR", "bits 3:0 must be 11 (busy TSS)", SEGMENTS),
    "tr-system": ("GUEST_TR_AR", "bit 4 (S) must be 0", SEGMENTS),
    "tr-present": ("GUEST_TR_AR", "bit 7 (P) must be 1", SEGMENTS),
    "tr-unusable": ("GUEST_TR_AR", "bit 16 (unusable) must be 0", SEGMENTS),
    "ldtr-type": ("GUEST_LDTR_AR", "bits 3:0 must be 2 (LDT)", SEGMENTS),
    "gdtr-base": ("GUEST_GDTR_BASE", CANONICAL, TABLES),
    "idtr-base": ("GUEST_IDTR_BASE", CANONICAL, TABLES),
    "gdtr-limit": ("GUEST_GDTR_LIMIT", "bits 31:16 must be 0", TABLES),
    "idtr-limit": ("GUEST_IDTR_LIMIT", "bits 31:16 must be 0", TABLES),
    "rip": ("GUEST_RIP", "bits 63:32 must be 0 outside 64-bit code", RIP),
    "rflags-fixed": ("GUEST_RFLAGS", "bit 1 must be 1", RIP),
    "rflags-reserved": ("GUEST_RFLAGS", "bits 63:22, 15, 5 and 3 must be 0", RIP),
    "rflags-if": ("GUEST_RFLAGS", "bit 9 (IF) must be 1", RIP),
    "activity": ("GUEST_ACTIVITY_STATE", "must be 0 (active), or 1, 2 or 3", OTHER),
    "activity-blocked": ("GUEST_ACTIVITY_STATE", "while STI or MOV SS blocks", OTHER),
    "blocking-reserved": ("GUEST_INTERRUPTIBILITY", "bits 31:5 are reserved", OTHER),
    "blocking-both": ("GUEST_INTERRUPTIBILITY", "must not both be 1", OTHER),
    "blocking-sti": ("GUEST_INTERRUPTIBILITY", "must be 0 while RFLAGS.IF is 0", OTHER),
    "blocking-smi": ("GUEST_INTERRUPTIBILITY", "must be 0 outside SMM", OTHER),
    "pending-reserved": ("GUEST_PENDING_DEBUG", "are reserved", OTHER),
    "pending-step": ("GUEST_PENDING_DEBUG", "bit 14 (BS) must be 1 exactly if", OTHER),
    "link-pointer": ("VMCS_LINK_POINTER", "must be all ones, or 4-KiB aligned", OTHER),
    "msr-load": ("ENTRY_MSR_LOAD_ADDRESS", "entry 1 of the list there must be", "Loading MSRs"),
}
VMX_64BIT = {
    "cr4-pae": ("GUEST_CR4", 'bit 5 (PAE) must be 1 while "IA-32e mode guest" is 1', GUEST),
    "efer-lme": ("GUEST_EFER", "bits 8 (LME) and 10 (LMA) must be equal", GUEST),
    "cs-l-d": ("GUEST_CS_AR", "bit 14 (D/B) must be 0 while bit 13 (L) is 1", SEGMENTS),
    "rip-canonical": ("GUEST_RIP",
                      "bits beyond the linear-address width must be alike in 64-bit code", RIP),
}
SVM = {
    "efer-svme": ("EFER", "bit 12 (SVME) must be 1", CONSISTENCY),
    "cr0-nw": ("CR0", "bit 29 (NW) must be 0 while bit 30 (CD) is 0", CONSISTENCY),
    "cr0-high": ("CR0", "bits 63:32 must be 0", CONSISTENCY),
    "cr4-reserved": ("CR4", "reserved bits must be 0", CONSISTENCY),
    "cr4-high": ("CR4", "reserved bits must be 0", CONSISTENCY),
    "dr6-high": ("DR6", "bits 63:32 must be 0", CONSISTENCY),
    "dr7-high": ("DR7", "bits 63:32 must be 0", CONSISTENCY),
    "efer-reserved": ("EFER", "reserved bits must be 0", CONSISTENCY),
    "efer-high": ("EFER", "reserved bits must be 0", CONSISTENCY),
    "vmrun": ("VMRUN intercept", "VMRUN itself must be intercepted", CONSISTENCY),
    "iopm": ("IOPM_BASE_PA", "must lie within the physical-address width", CONSISTENCY),
    "msrpm": ("MSRPM_BASE_PA", "must lie within the physical-address width", CONSISTENCY),
    "asid-0": ("ASID", "must not be 0", CONSISTENCY),
    "event-type": ("EVENTINJ", "bits 10:8 must be a type of event", INJECTION),
    "event-nmi": ("EVENTINJ", "must be that of an exception", INJECTION),
    "event-vector": ("EVENTINJ", "must be that of an exception", INJECTION),
    "ncr3": ("N_CR3", WIDTH, NESTED),
    "pat": ("G_PAT", MEMORY_TYPE, NESTED),
}
SVM_64BIT = {
    "cr3": ("CR3", WIDTH, CONSISTENCY),
    "cr4-pae": ("CR4", "bit 5 (PAE) must be 1", CONSISTENCY),
    "cr0-pe": ("CR0", "bit 0 (PE) must be 1", CONSISTENCY),
    "cs-l-d": ("CS attributes", "bits 9 and 10 (L, D) must not both be 1", CONSISTENCY),
}
IN_64BIT = {"bochs-vmx": VMX_64BIT, "bochs-svm": SVM_64BIT, "qemu-svm": SVM_64BIT}
BREAKS = {"bochs-vmx": VMX | VMX_64BIT, "bochs-svm": SVM | SVM_64BIT, "qemu-svm": SVM | SVM_64BIT}

# Breaks that an emulator does not check: the entry succeeds, and nothing may be explained.
UNCHECKED = {
    "bochs-vmx": {"debugctl", "pending-step", "rip-canonical"},
    "bochs-svm": {"cr0-pe", "cr3"},
    "qemu-svm": {"ncr3", "pat"},
}
REFUSED = {"bochs-vmx": "VM-instruction error [78]: |exit reason 3[34]: ",
           "bochs-svm": "VMEXIT_INVALID", "qemu-svm": "VMEXIT_INVALID"}

RULES_MAX = 3  # the most rules that one break violates
# The command makes outputs that go to the monitor, each of which ends a run of the vCPU.  So run 2000 is in
# 64-bit code: booting takes some hundreds of runs, and more as the guest grows.
COMMAND_64BIT, RUN_64BIT = "bench out 2000", 2000
PART = 28  # the most breaks in one boot: Bochs stops when it has drawn too much on its screen
PARTS = [(bed, list(breaks)[at:at + PART]) for bed, breaks in BREAKS.items()
         for at in range(0, len(breaks), PART)]
EXPLAINED_MIN = {"bochs-vmx": 30, "bochs-svm": 12, "qemu-svm": 12}


class Shell:
    """A shell on one bed."""

    def __init__(self, machine, bed):
        self.machine = machine(**BEDS[bed], run="sh", timeout=PATIENCE_LONG)
        self.machine.expect(r"\$ $")

    def run(self, command):
        start = len(self.machine.output)
        self.machine.sendline(command)
        self.machine.expect(r"\n\$ $")
        return self.machine.output[start:]

    def finish(self):
        self.machine.sendline("poweroff")
        assert self.machine.finish() == 0


def check(bed, name, output):
    """Checks the message of one broken entry."""
    field, must, section = BREAKS[bed][name]
    stop = re.search(r"vm \d+: stopped: (.*)\n((?:  .*\n)*)", output)
    assert stop, output
    said, rules = stop.groups()
    if name in UNCHECKED[bed]:
        assert said.startswith(f"the guest was entered with the break {name}") and not rules
        return
    assert said.startswith("VM entry failed: ") and re.search(REFUSED[bed], said), output
    manual = "SDM vol. 3" if bed == "bochs-vmx" else "APM vol. 2"
    named = re.findall(rf'  (.*) is (?:0x[0-9a-f]+|0): (.*)\n    {manual}, "(.*)"\n', rules)
    assert len(named) <= RULES_MAX, "so many rules do not show which field is wrong"
    assert [n for n in named if n[0] == field and must in n[1] and n[2] == section], output


@pytest.mark.parametrize("bed,breaks", PARTS, ids=[f"{bed}-{part[0]}" for bed, part in PARTS])
def test_every_break_is_explained(machine, bed, breaks):
    shell = Shell(machine, bed)
    before = free_frames(shell.run("free"))
    for name in breaks:
        command = f"vm t/counts -q --break {name}"
        if name in IN_64BIT[bed]:
            command = f"vm guest -q -c '{COMMAND_64BIT}' --break {name}@{RUN_64BIT}"
        check(bed, name, shell.run(command))
    # The host is unharmed: no frame is lost, and the next VM runs.
    assert free_frames(shell.run("free")) == before
    assert "counts: done" in shell.run("vm t/counts -q")
    shell.finish()


@pytest.mark.parametrize("bed", BEDS)
def test_no_break_is_missing(machine, bed):
    shell = Shell(machine, bed)
    listed = re.findall(r"^([a-z][a-z0-9-]*) +[A-Z]\S", shell.run("vm --break list"), re.M)
    assert listed == list(BREAKS[bed])
    assert len(set(listed) - UNCHECKED[bed]) >= EXPLAINED_MIN[bed]
    shell.finish()


@pytest.mark.parametrize("bed", BEDS)
def test_good_entries_break_no_rule(machine, bed):
    """The explainer checks every entry of a guest that tests all modes, and finds nothing."""
    shell = Shell(machine, bed)
    output = shell.run("vm guest -c selftest --check")
    assert re.search(r"selftest: \d+ passed", output)
    assert "breaks a rule" not in output and not re.search(r"^vm \d+: stopped", output, re.M)
    if bed == "bochs-vmx":  # VMREADs show that it did check
        exits, reads = (int(re.search(pattern, output, re.M)[1])
                        for pattern in (r"^ +total +(\d+)", r"VMREADs: (\d+)"))
        assert reads > 100 * exits
    shell.finish()


BAD_INPUT = {
    "vm t/counts --break nosuch": "no such break",
    "vm t/counts --break cr3@0": "expected the number of a run",
    "vm t/counts --break cr3@pig": "expected the number of a run",
    "vm t/counts --break": "--break needs a value",
    "vm t/counts --brake cr3": "usage: vm",
}


def test_bad_input(boot_test):
    m = boot_test(cpu="max", run="; ".join(BAD_INPUT))
    m.finish()
    for message in BAD_INPUT.values():
        assert message in m.output
    assert "counts: done" not in m.output
