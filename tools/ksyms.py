#!/usr/bin/env python3
"""Turns the output of `nm -n` into the kernel's symbol table, as assembly.

Reads standard input.  An empty one gives an empty table, for the first of the
two links (kern/Makefrag).  kern/ksyms.c reads the table.
"""

import sys

FUNCTION_TYPES = "tT"


def functions(lines):
    """Yields (address, name) of the functions by rising address, one name for each address."""
    last = None
    for line in lines:
        fields = line.split()
        if len(fields) != 3 or fields[1] not in FUNCTION_TYPES:
            continue
        address, name = int(fields[0], 16), fields[2]
        if name == "text_start":
            last = None
            yield address, None
        elif address != last and not name.startswith(".L") and name != "text_end":
            last = address
            yield address, name


def main():
    symbols = list(functions(sys.stdin))
    start = next((address for address, name in symbols if name is None), 0)
    table = [(a - start, name) for a, name in symbols if name is not None and a >= start]

    print('\t.section .ksyms, "a"')
    print("\t.globl ksyms_count, ksyms_table, ksyms_names")
    print("\t.balign 8")
    print(f"ksyms_count:\n\t.long {len(table)}")
    print("ksyms_table:")
    offset = 0
    for address, name in table:
        print(f"\t.long {address:#x}, {offset:#x}")
        offset += len(name) + 1
    print("ksyms_names:")
    for _, name in table:
        print(f'\t.asciz "{name}"')
    print('\t.section .note.GNU-stack, "", @progbits')


if __name__ == "__main__":
    main()
