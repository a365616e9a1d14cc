#!/usr/bin/python3
"""Checks who may include whom, over the #include lines of the tree.

usage: tools/layers.py [--root DIR]

The table RULES is the architecture.  An #include that the table does not allow is an
error: one line tells the file and line, the rule, and what to do instead.
"""

import collections
import fnmatch
import pathlib
import re

import treecheck

SOURCES = {".c", ".h", ".S", ".def"}
SKIPPED = {"obj", ".git"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')

# Headers that come with a freestanding compiler.
SYSTEM = {"limits.h", "stdarg.h", "stdbool.h", "stddef.h", "stdint.h"}

# allow: patterns of the headers that any file of the directory may include; a * matches no /.
# only: {pattern of a header: patterns of the only files that may include it}.
Rule = collections.namedtuple("Rule", "allow only text remedy")

HV_FILES = ("kern/boot/init.c", "kern/env*.c", "kern/runqueue.c", "kern/sched.c", "kern/sys/*.c", "kern/trap.c",
            "kern/ipi.c", "kern/kmonitor.c", "kern/boot/mp.c", "kern/switchlog.c", "kern/terminal.c")
VMM_KERN = tuple(f"kern/{name}.h"
                 for name in ("audit/audit", "cpu", "dev/timer", "env", "ipi", "lock", "mem/aspace", "mem/page",
                              "mem/pmap", "mem/pt", "mem/tlb", "mem/usercopy", "sched", "step", "switchlog",
                              "trap"))
VMM_ALLOW = ("inc/*", "lib/assert.h", "lib/insn/insn.h", "lib/printf.h", "lib/string.h", "vmm/*",
             "vmm/acct/*", "vmm/shadow/*", *VMM_KERN)
VMM_TEXT = "vmm includes inc, lib, vmm and of the kernel " + ", ".join(
    pathlib.PurePath(header).stem for header in VMM_KERN)

RULES = {
    "inc": Rule(
        ("inc/*",), {},
        "inc includes nothing but inc: kernel, user programs and guest all read it",
        "move what you need into inc, or the declaration to where its implementation is"),
    "lib": Rule(
        ("inc/*", "lib/*"), {},
        "lib includes inc and lib",
        "pass what lib needs as an argument or a call-back"),
    "lib/insn": Rule(
        ("inc/*", "lib/*", "lib/insn/*"), {},
        "lib/insn includes inc, lib and lib/insn",
        "pass what the decoder needs as an argument or a call-back"),
    "lib/user": Rule(
        ("inc/*", "lib/*", "lib/user/*"), {},
        "lib/user includes inc, lib and lib/user",
        "pass what the user library needs as an argument or a call-back"),
    "lib/vdev": Rule(
        ("inc/*", "lib/string.h", "lib/vdev/*"), {},
        "lib/vdev includes inc, lib/string.h and lib/vdev: device models are pure, so that they run "
        "natively under sanitizers",
        "let time come in and bytes go out by call-backs (lib/vdev/vdev.h)"),
    "kern": Rule(
        ("inc/*", "lib/*", "kern/*", "kern/*/*", "vmm/hv.h"),
        {"vmm/hv.h": HV_FILES},
        "kern includes inc, lib and kern, and vmm/hv.h only from " + ", ".join(HV_FILES),
        "call the hypervisor from one of these files"),
    "vmm": Rule(
        (*VMM_ALLOW, "vmm/vmx/vmx.h", "vmm/svm/svm.h"),
        {"vmm/vmx/vmx.h": ("vmm/backends.c",), "vmm/svm/svm.h": ("vmm/backends.c",)},
        VMM_TEXT + "; only vmm/backends.c names the back ends",
        "go through struct hv_ops (vmm/ops.h)"),
    "vmm/vmx": Rule(
        (*VMM_ALLOW, "vmm/vmx/*"), {},
        VMM_TEXT + "; vmm/vmx and vmm/svm never include each other",
        "move what both back ends need to vmm"),
    "vmm/svm": Rule(
        (*VMM_ALLOW, "vmm/svm/*"), {},
        VMM_TEXT + "; vmm/vmx and vmm/svm never include each other",
        "move what both back ends need to vmm"),
    "user": Rule(
        ("inc/*", "lib/*", "lib/user/*", "lib/vdev/*", "user/*", "user/*/*"),
        {"lib/vdev/*": ("user/vm/*",)},
        "user includes inc, lib and user, and lib/vdev only from user/vm",
        "ask the kernel by a system call (lib/user/user.h)"),
    "guest": Rule(
        ("inc/*", "lib/compute.h", "lib/line.h", "lib/string.h", "lib/printf.h",
         "lib/guestkernel.h", "guest/*", "guest/*/*"),
        {"lib/guestkernel.h": ("guest/boot/*",)},
        "guest includes inc, guest, and lib's compute.h, line.h, string.h and printf.h, and its "
        "loader lib/guestkernel.h: it uses no host code but these",
        "write what the guest needs in guest"),
    "boot": Rule(
        ("inc/*", "lib/string.h", "boot/*"), {},
        "boot includes inc, boot and lib/string.h",
        "write what the loader needs in boot"),
    "tests": Rule(("*", "*/*", "*/*/*"), {}, "", ""),
}


def matches(path, patterns):
    """Returns whether the path matches a pattern.  Unlike in fnmatch, a * matches no /."""
    return any(path.count("/") == pattern.count("/") and fnmatch.fnmatchcase(path, pattern)
               for pattern in patterns)


def rule_of(path):
    """Returns name and rule of the nearest directory above the file that has a rule."""
    for parent in pathlib.PurePath(path).parents:
        if str(parent) in RULES:
            return str(parent), RULES[str(parent)]
    return None, None


def explain(root, path, style, header):
    """Returns what is wrong with this #include, or None."""
    name, rule = rule_of(path)
    if rule is None:
        return "no rule for this directory: say in tools/layers.py what it may include"
    if name == "tests":
        return None
    if style == "<":
        if header in SYSTEM:
            return None
        return (f"<{header}> is not a header that freestanding code has: "
                f"there is no C library here but lib; use {', '.join(sorted(SYSTEM))}")
    if not (root / header).is_file():
        return (f'"{header}" does not exist from the top of the tree: '
                f"write the whole path, as in \"lib/string.h\"")
    allowed = matches(header, rule.allow) and all(
        matches(path, files) for pattern, files in rule.only.items() if matches(header, (pattern,)))
    return None if allowed else f"{header} is not allowed here: {rule.text}; {rule.remedy}"


def violations(root):
    """Yields lines of text, one for each forbidden #include."""
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        if path.suffix not in SOURCES or relative.parts[0] in SKIPPED:
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = INCLUDE.match(line)
            problem = found and explain(root, relative.as_posix(), *found.groups())
            if problem:
                yield f"{relative}:{number}: {problem}"


if __name__ == "__main__":
    treecheck.main("layers", "checks who may include whom", violations, "#include lines break the rules")
