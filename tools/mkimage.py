#!/usr/bin/python3
"""Makes Nestling's disk image, or a copy of one with another command line.

boot/image.h defines the layout, and its numbers are read from there.
"""

import argparse
import pathlib
import re
import struct
import sys

IMAGE_H = pathlib.Path(__file__).resolve().parent.parent / "boot" / "image.h"

# struct image_header without the command line: magic, version, kernel {lba, size}, initrd {lba, size}.
HEADER = struct.Struct("<6I")

# Bochs and old BIOSes count whole cylinders of 16 heads with 63 sectors.
CYLINDER_SECTORS = 16 * 63


class ImageError(Exception):
    """No image can be made of this input; the text is for the user."""


def read_layout(path=IMAGE_H):
    """Returns the numbers that boot/image.h defines, by name."""
    numbers = re.findall(r"^#define\s+(\w+)\s+(0x[0-9a-f]+|\d+)\b", path.read_text(), re.MULTILINE)
    return {name: int(value, 0) for name, value in numbers}


LAYOUT = read_layout()
SECTOR = LAYOUT["SECTOR_SIZE"]


def sectors(size):
    return -(-size // SECTOR)


def encode_cmdline(text):
    """Returns the command line as bytes, with its closing 0, padded to the room that it has."""
    data = text.encode()
    limit = LAYOUT["IMAGE_CMDLINE_MAX"] - 1
    if len(data) > limit:
        raise ImageError(f"the command line has {len(data)} bytes, the limit is {limit}")
    if any(byte < 0x20 or byte == 0x7F for byte in data):
        raise ImageError("the command line holds a control character: expected one line of text")
    return data.ljust(limit + 1, b"\0")


def read_file(path, what):
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise ImageError(f"{what}: cannot read {path}: {error.strerror}") from None


def check_boot_sector(data):
    if len(data) != SECTOR or data[-2:] != b"\x55\xaa":
        raise ImageError(f"boot sector: {len(data)} bytes that end in {data[-2:].hex()}, "
                         f"expected {SECTOR} that end in 55aa")


def check_loader(data):
    room = LAYOUT["IMAGE_LOADER_SECTORS"] * SECTOR
    if len(data) > room:
        raise ImageError(f"loader: {len(data)} bytes, the limit is {room}")
    if data[:4] != struct.pack("<I", LAYOUT["LOADER_MAGIC"]):
        raise ImageError(f"loader: starts with {data[:4].hex()}, which is not LOADER_MAGIC")


def make_image(boot, loader, kernel, initrd, cmdline=""):
    """Returns the image, made of the bytes of its parts."""
    check_boot_sector(boot)
    check_loader(loader)
    for name, data in (("kernel", kernel), ("initrd", initrd)):
        if not data:
            raise ImageError(f"{name}: the file is empty")
    kernel_lba = LAYOUT["IMAGE_DATA_LBA"]
    initrd_lba = kernel_lba + sectors(len(kernel))
    header = HEADER.pack(LAYOUT["IMAGE_MAGIC"], LAYOUT["IMAGE_VERSION"],
                         kernel_lba, len(kernel), initrd_lba, len(initrd))
    parts = (
        (0, boot),
        (LAYOUT["IMAGE_LOADER_LBA"], loader),
        (LAYOUT["IMAGE_HEADER_LBA"], header + encode_cmdline(cmdline)),
        (kernel_lba, kernel),
        (initrd_lba, initrd),
    )
    used = initrd_lba + sectors(len(initrd))
    image = bytearray(-(-used // CYLINDER_SECTORS) * CYLINDER_SECTORS * SECTOR)
    for lba, data in parts:
        image[lba * SECTOR:lba * SECTOR + len(data)] = data
    return bytes(image)


def with_cmdline(image, cmdline):
    """Returns a copy of an image with another command line."""
    at = LAYOUT["IMAGE_HEADER_LBA"] * SECTOR
    magic, version = struct.unpack_from("<2I", image.ljust(at + HEADER.size, b"\0"), at)
    if (magic, version) != (LAYOUT["IMAGE_MAGIC"], LAYOUT["IMAGE_VERSION"]):
        raise ImageError("not a Nestling disk image of this version: "
                         f"no image header at sector {LAYOUT['IMAGE_HEADER_LBA']}")
    at += HEADER.size
    line = encode_cmdline(cmdline)
    return image[:at] + line + image[at + len(line):]


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--cmdline", default="", help="the kernel's command line")
    parser.add_argument("--copy", metavar="IMAGE", help="copy this image with another command line")
    for part in ("boot", "loader", "kernel", "initrd"):
        parser.add_argument(f"--{part}", metavar="FILE")
    args = parser.parse_args()
    if not args.copy and not all((args.boot, args.loader, args.kernel, args.initrd)):
        parser.error("expected --boot, --loader, --kernel and --initrd, or --copy")
    return args


def main():
    args = parse_args()
    try:
        if args.copy:
            image = with_cmdline(read_file(args.copy, "image"), args.cmdline)
        else:
            image = make_image(read_file(args.boot, "boot sector"),
                               read_file(args.loader, "loader"),
                               read_file(args.kernel, "kernel"),
                               read_file(args.initrd, "initrd"), args.cmdline)
        pathlib.Path(args.output).write_bytes(image)
    except ImageError as error:
        sys.exit(f"mkimage.py: {error}")
    except OSError as error:
        sys.exit(f"mkimage.py: cannot write {args.output}: {error.strerror}")


if __name__ == "__main__":
    main()
