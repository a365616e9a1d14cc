"""The test beds: the emulators and CPU models on which VMs are run, measured and tested."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Bed:
    """One emulator with one CPU model."""
    title: str  # for people
    emulator: str  # as tools/run.py calls it
    cpu: str  # the emulator's name of the CPU model
    flags: tuple = ()  # further options of tools/run.py
    exact_flags: tuple = ()  # options that make a tick an instruction; Bochs needs none

    def options(self, exact=False):
        """Returns the flags.  exact: a tick is an instruction, so that runs repeat."""
        return (*self.flags, *(self.exact_flags if exact else ()))

    def arguments(self, exact=False):
        """Returns the arguments of tools/run.py that choose this bed."""
        return [self.emulator, "--cpu", self.cpu, *self.options(exact)]


BEDS = {
    "bochs-vmx": Bed("VMX on Bochs", "bochs", "corei7_skylake_x"),
    "bochs-svm": Bed("SVM on Bochs", "bochs", "zambezi"),
    "qemu-svm": Bed("SVM on QEMU TCG", "qemu", "max", ("--tcg",), ("--icount",)),
}
# The beds on which a tick is an instruction with several CPUs, too: Bochs runs its CPUs in turn, on one
# clock.
ON_BOCHS = [name for name, bed in BEDS.items() if bed.emulator == "bochs"]

# CPUs that run no VMs at all.
NO_VMS = {
    "bochs": Bed("no VMs on Bochs", "bochs", "p4_prescott_celeron_336"),
    "qemu": Bed("no VMs on QEMU TCG", "qemu", "qemu64,-svm", ("--tcg",)),
}
# A CPU without EPT: its VMs have shadow paging only.
WITHOUT_EPT = Bed("VMX without EPT on Bochs", "bochs", "core2_penryn_t9600")
