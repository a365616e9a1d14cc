#!/usr/bin/python3
"""Makes a bootable ISO, on which GRUB starts the kernel with the initrd as a module."""

import argparse
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile

GRUB_CFG = """\
serial --unit=0 --speed=115200
terminal_output console serial
multiboot2 /boot/kernel {cmdline}
module2 /boot/initrd.cpio initrd
boot
"""


class IsoError(Exception):
    """No ISO can be made; the text is for the user."""


def grub_words(cmdline):
    """Returns the command line in GRUB's syntax.  GRUB puts words with spaces back into double quotes."""
    words = shlex.split(cmdline)
    if any(set(word) & set("'\"\\") for word in words):
        raise IsoError("GRUB cannot pass on quotes within quotes on the command line")
    return " ".join(f"'{word}'" for word in words)


def make_iso(output, kernel, initrd, cmdline=""):
    if not shutil.which("grub-mkrescue"):
        raise IsoError("grub-mkrescue is not installed: `make deps` installs it")
    with tempfile.TemporaryDirectory(prefix="nestling-iso-") as directory:
        boot = pathlib.Path(directory, "boot")
        (boot / "grub").mkdir(parents=True)
        (boot / "grub" / "grub.cfg").write_text(GRUB_CFG.format(cmdline=grub_words(cmdline)))
        shutil.copy(kernel, boot / "kernel")
        shutil.copy(initrd, boot / "initrd.cpio")
        done = subprocess.run(["grub-mkrescue", "-o", str(output), directory], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise IsoError(f"grub-mkrescue failed:\n{done.stdout.rstrip()}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--initrd", required=True)
    parser.add_argument("--cmdline", default="", help="the kernel's command line")
    args = parser.parse_args()
    try:
        make_iso(args.output, args.kernel, args.initrd, args.cmdline)
    except (IsoError, OSError) as error:
        sys.exit(f"mkiso.py: {error}")


if __name__ == "__main__":
    main()
