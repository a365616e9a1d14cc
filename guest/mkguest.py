#!/usr/bin/env python3
"""Make a guest's disk image: boot sector [loader [kernel]].

The boot sector is padded to 512 bytes and closed with 55 AA; with a loader,
the word before the signature tells how many sectors the loader has.  The
layout is described in inc/guestboot.h.
"""
import argparse
import pathlib
import re
import sys

LAYOUT = pathlib.Path(__file__).parents[1] / "inc" / "guestboot.h"


def layout(name):
    """A number that guestboot.h defines."""
    return int(re.search(rf"^#define {name}\s+(\w+)", LAYOUT.read_text(), re.M)[1], 0)


SECTOR = layout("SECTOR_SIZE")
SIGNATURE_AT = SECTOR - 2
LOADER_SECTORS_AT = layout("LOADER_SECTORS_AT")
LOADER_SECTORS_MAX = layout("LOADER_SECTORS_MAX")


def padded(data):
    return data + bytes(-len(data) % SECTOR)


def boot_sector(code, path, limit):
    if len(code) > limit:
        sys.exit(f"mkguest: {path}: a boot sector of {len(code)} bytes, at most {limit} fit")
    return bytearray(code + bytes(SIGNATURE_AT - len(code)) + b"\x55\xaa")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("boot", help="flat binary of the boot sector")
    parser.add_argument("loader", nargs="?", help="flat binary of the loader")
    parser.add_argument("kernel", nargs="?", help="ELF file of the kernel")
    args = parser.parse_args()

    with open(args.boot, "rb") as f:
        code = f.read()
    image = boot_sector(code, args.boot, LOADER_SECTORS_AT if args.loader else SIGNATURE_AT)
    if args.loader:
        with open(args.loader, "rb") as f:
            loader = padded(f.read())
        sectors = len(loader) // SECTOR
        if sectors > LOADER_SECTORS_MAX:
            sys.exit(f"mkguest: {args.loader}: {sectors} sectors, at most {LOADER_SECTORS_MAX}")
        image[LOADER_SECTORS_AT:SIGNATURE_AT] = sectors.to_bytes(2, "little")
        image += loader
    if args.kernel:
        with open(args.kernel, "rb") as f:
            image += padded(f.read())
    with open(args.output, "wb") as f:
        f.write(image)


if __name__ == "__main__":
    main()
