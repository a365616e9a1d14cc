"""Walks x86 page tables, with one function for all formats: 32-bit, PAE, long mode, NPT and EPT.

`read(address, size)` returns bytes of the memory that holds the tables.  Its addresses are hpas for
nested tables and the host's tables, and gpas for a guest's tables.
"""

import collections

P, W, U, A, D, LARGE, NX = 1 << 0, 1 << 1, 1 << 2, 1 << 5, 1 << 6, 1 << 7, 1 << 63
ADDRESS = 0x000FFFFFFFFFF000
CR0_PG, CR4_PSE, CR4_PAE, EFER_LMA = 1 << 31, 1 << 4, 1 << 5, 1 << 10

# levels: the number of index bits of each level, from the root on.  entry: bytes of an entry.  large: the
# levels that may have large pages.  flags: (bit, name) as printed.
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
    """Returns the format by which a processor in this state translates, or None if paging is off."""
    if not cr0 & CR0_PG:
        return None
    if efer & EFER_LMA:
        return LONG
    if cr4 & CR4_PAE:
        return PAE
    return LEGACY if cr4 & CR4_PSE else LEGACY_SMALL


def root_of(fmt, register):
    """Returns the address of the root from CR3, nCR3 or EPTP."""
    return register & (0xFFFFFFE0 if fmt is PAE else ADDRESS)


def walk(read, fmt, root, address):
    """Yields a Step for each entry on the way to an address.  The last one is a leaf, or not present."""
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
    """Returns where an address leads, and how many bytes from there on are mapped as one; None: not mapped."""
    for step in walk(read, fmt, root, address):
        if step.leaf and step.present:
            offset = address & step.size - 1
            return step.target + offset, step.size - offset
    return None


def describe(fmt, step):
    """Returns one line that describes an entry."""
    text = f"level {step.level} [{step.index:3d}] at {step.at:#x}: {step.entry:0{2 * fmt.entry}x}"
    if not step.present:
        return text + "  not present"
    unit = {12: "4 KiB", 21: "2 MiB", 22: "4 MiB", 30: "1 GiB"}.get(step.size.bit_length() - 1, "")
    what = f"{unit} at" if step.leaf else "table at"
    names = " ".join(name for bit, name in fmt.flags if step.entry & bit)
    return f"{text}  {what} {step.target:#x}: {names}"
