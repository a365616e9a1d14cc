"""Walks of x86 page tables, one function for all formats: 32-bit, PAE, long mode, NPT and EPT.

`read(address, size)` gives bytes of the memory that the tables are in: hpas for a host's
and for nested tables, gpas for a guest's.
"""

import collections

P, W, U, A, D, LARGE, NX = 1 << 0, 1 << 1, 1 << 2, 1 << 5, 1 << 6, 1 << 7, 1 << 63
ADDRESS = 0x000FFFFFFFFFF000
CR0_PG, CR4_PSE, CR4_PAE, EFER_LMA = 1 << 31, 1 << 4, 1 << 5, 1 << 10

# levels: index bits of each, from the root on.  flags: bit and name, as printed.
Format = collections.namedtuple("Format", "name present levels entry large flags")

FLAGS = ((W, "writable"), (U, "user"), (A, "accessed"), (D, "dirty"), (NX, "no-execute"))
LONG = Format("long mode", P, (9, 9, 9, 9), 8, (3, 2), FLAGS)
NPT = LONG._replace(name="NPT")
EPT = Format("EPT", 7, (9, 9, 9, 9), 8, (3, 2),
             ((1, "read"), (2, "write"), (4, "execute"), (1 << 8, "accessed"), (1 << 9, "dirty")))
PAE = Format("PAE", P, (2, 9, 9), 8, (2,), FLAGS)
LEGACY = Format("32-bit", P, (10, 10), 4, (2,), FLAGS)
LEGACY_SMALL = LEGACY._replace(large=())

Step = collections.namedtuple("Step", "level index at entry present leaf target size")


def guest_format(cr0, cr4, efer):
    """How a processor in this state translates; None: it does not."""
    if not cr0 & CR0_PG:
        return None
    if efer & EFER_LMA:
        return LONG
    if cr4 & CR4_PAE:
        return PAE
    return LEGACY if cr4 & CR4_PSE else LEGACY_SMALL


def root_of(fmt, register):
    """The root's address in CR3, nCR3 or EPTP."""
    return register & (0xFFFFFFE0 if fmt is PAE else ADDRESS)


def walk(read, fmt, root, address):
    """The entries on the way to address: Steps, the last of which is a leaf or not present."""
    table, shift = root, 12 + sum(fmt.levels)
    for level, bits in zip(range(len(fmt.levels), 0, -1), fmt.levels):
        shift -= bits
        index = address >> shift & (1 << bits) - 1
        at = table + index * fmt.entry
        entry = int.from_bytes(read(at, fmt.entry), "little")
        present = bool(entry & fmt.present)
        leaf = level == 1 or (level in fmt.large and bool(entry & LARGE))
        size = 1 << shift
        table = entry & ADDRESS & (-size if leaf else -1)
        if fmt.entry == 4 and leaf and level == 2:
            table |= (entry >> 13 & 0xFF) << 32  # PSE-36
        yield Step(level, index, at, entry, present, leaf, table, size)
        if leaf or not present:
            return


def translate(read, fmt, root, address):
    """Where address is and how many bytes from there on are contiguous; None: not mapped."""
    for step in walk(read, fmt, root, address):
        if step.leaf and step.present:
            offset = address & step.size - 1
            return step.target + offset, step.size - offset
    return None


def describe(fmt, step):
    """One line for one entry."""
    text = f"level {step.level} [{step.index:3d}] at {step.at:#x}: {step.entry:0{2 * fmt.entry}x}"
    if not step.present:
        return text + "  not present"
    unit = {12: "4 KiB", 21: "2 MiB", 22: "4 MiB", 30: "1 GiB"}.get(step.size.bit_length() - 1, "")
    what = f"{unit} at" if step.leaf else "table at"
    names = " ".join(name for bit, name in fmt.flags if step.entry & bit)
    return f"{text}  {what} {step.target:#x}: {names}"
