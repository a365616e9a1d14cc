"""What the emulators get wrong, as tests see it."""

# The lines of the guest's self-test that fail on a bed: exactly these.
NONCANONICAL = "FAIL msr: writing 0000900000000000 to {} gets #GP"
SELFTEST_FAILURES = {
    # TCG does not switch breakpoints on when VMRUN loads DR7, does not check MSRs for canonical
    # addresses, and does not intercept RDTSCP.
    "qemu-svm": {"FAIL dr: a breakpoint on an instruction hits once, before it",
                 "FAIL dr: a breakpoint on data hits once, after the write",
                 "FAIL ud: RDTSCP   no exception"} | {
                     NONCANONICAL.format(msr) for msr in (
                         "SYSENTER_ESP", "SYSENTER_EIP", "LSTAR", "CSTAR", "FS_BASE", "GS_BASE",
                         "KERNEL_GS_BASE")},
}

# Endless guests that a bed cannot show, and why.
NOT_ENDLESS = {
    # Bochs lets no interrupt in while a guest that was entered with IF clear keeps IF clear, and SVM
    # has no timer of its own that could make an exit.
    ("bochs-svm", "t/loop"): "Bochs: INTR intercept deaf with IF clear",
    ("bochs-svm", "t/intloop"): "Bochs: INTR intercept deaf with IF clear",
    # Breakpoints and alignment checks do not work under TCG's VMRUN: the guest says so and ends.
    ("qemu-svm", "t/dbloop"): "ends by itself",
    ("qemu-svm", "t/acloop"): "ends by itself",
    ("qemu-svm", "t/dbstack"): "ends by itself",
}

# The notes of the guest's `pgedit` on what differs from the manual: {(bed, paging, guest): notes}.  With
# nested paging these are the emulator's own doing, as without a hypervisor (guest.img, t/pgedit32.img).  TCG
# makes an exchange as a read and then a write, whoever walks the tables; the other notes are about TCG's walk
# and its TLB.
EXCHANGE = "the fault of an exchange is reported as a read's"
TCG = {EXCHANGE, "the fault of a reserved bit is reported without PF_P",
       "INVLPG in a large page leaves code of its other parts cached"}
TCG_PAE = {"PAE's top entries get accessed bits"}
PGEDIT_NOTES = {
    ("qemu-svm", "nested", "guest -q"): TCG,
    ("qemu-svm", "nested", "t/pgedit32"): TCG | TCG_PAE,
    ("qemu-svm", "shadow", "guest -q"): {EXCHANGE},
    ("qemu-svm", "shadow", "t/pgedit32"): {EXCHANGE},
}
