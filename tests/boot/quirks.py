"""What the emulators get wrong, as tests see it."""

# The lines of the guest's self-test that fail: exactly these.
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
    # Bochs lets no interrupt in while a guest that was entered with IF clear leaves it so, and
    # SVM has no timer of its own that could make an exit.
    ("bochs-svm", "t/loop"): "Bochs: INTR intercept deaf with IF clear",
    ("bochs-svm", "t/intloop"): "Bochs: INTR intercept deaf with IF clear",
    # Breakpoints do not work under TCG's VMRUN, nor do alignment checks: the guest says so and ends.
    ("qemu-svm", "t/dbloop"): "ends by itself",
    ("qemu-svm", "t/acloop"): "ends by itself",
    ("qemu-svm", "t/dbstack"): "ends by itself",
}
