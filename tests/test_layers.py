"""tools/layers.py: it reports a violation of each rule, and the tree keeps all rules."""

import pytest

# Headers that exist in the planted tree.
HEADERS = ("inc/x86.h", "lib/string.h", "lib/printf.h", "lib/user/user.h", "lib/assert.h",
           "lib/vdev/uart.h", "kern/mem/pmap.h", "kern/console.h", "vmm/hv.h", "vmm/vmx/vmx.h",
           "vmm/svm/svm.h", "user/vm/machine.h", "guest/kernel/mem.h", "boot/loader.h")

FORBIDDEN = (
    ("inc/new.h", '"lib/string.h"', "inc includes nothing but inc"),
    ("inc/new.h", '"kern/mem/pmap.h"', "inc includes nothing but inc"),
    ("lib/new.c", '"kern/mem/pmap.h"', "lib includes inc and lib"),
    ("lib/new.c", '"lib/vdev/uart.h"', "lib includes inc and lib"),
    ("lib/new.c", '"user/vm/machine.h"', "lib includes inc and lib"),
    ("lib/vdev/new.c", '"lib/printf.h"', "device models are pure"),
    ("lib/new.c", '"lib/user/user.h"', "lib includes inc and lib"),
    ("lib/vdev/new.c", '"lib/user/user.h"', "device models are pure"),
    ("lib/vdev/new.c", '"kern/mem/pmap.h"', "device models are pure"),
    ("lib/vdev/new.c", "<stdio.h>", "freestanding"),
    ("kern/mem/page.c", '"vmm/hv.h"', "vmm/hv.h only from"),
    ("kern/env.c", '"vmm/vmx/vmx.h"', "kern includes inc, lib and kern"),
    ("kern/new.c", '"lib/user/user.h"', "kern includes inc, lib and kern"),
    ("kern/new.c", '"lib/vdev/uart.h"', "kern includes inc, lib and kern"),
    ("kern/new.c", '"guest/kernel/mem.h"', "kern includes inc, lib and kern"),
    ("kern/new.h", '"vmm/hv.h"', "vmm/hv.h only from"),
    ("vmm/run.c", '"vmm/vmx/vmx.h"', "only vmm/backends.c names the back ends"),
    ("vmm/run.c", '"vmm/svm/svm.h"', "only vmm/backends.c names the back ends"),
    ("vmm/run.c", '"kern/console.h"', "vmm includes inc, lib, vmm and of the kernel"),
    ("vmm/run.c", '"lib/user/user.h"', "vmm includes inc, lib, vmm and of the kernel"),
    ("vmm/vmx/new.c", '"vmm/svm/svm.h"', "never include each other"),
    ("vmm/svm/new.S", '"vmm/vmx/vmx.h"', "never include each other"),
    ("vmm/vmx/new.c", '"kern/console.h"', "vmm includes inc, lib, vmm and of the kernel"),
    ("user/new.c", '"kern/mem/pmap.h"', "user includes inc, lib and user"),
    ("user/new.c", '"lib/vdev/uart.h"', "lib/vdev only from user/vm"),
    ("user/vm/new.c", '"vmm/hv.h"', "user includes inc, lib and user"),
    ("guest/kernel/new.c", '"lib/assert.h"', "it uses no host code"),
    ("guest/t/new.S", '"kern/mem/pmap.h"', "it uses no host code"),
    ("boot/new.c", '"lib/printf.h"', "boot includes inc, boot and lib/string.h"),
    ("kern/new.c", '"pmap.h"', "write the whole path"),
    ("kern/new.c", '"../inc/x86.h"', "write the whole path"),
    ("kern/new.c", "<stdlib.h>", "freestanding"),
    ("lib/vdev/new.c", "<linux/serial_reg.h>", "freestanding"),
    ("extra/new.c", '"inc/x86.h"', "no rule for this directory"),
)

ALLOWED = (
    ("inc/new.h", '"inc/x86.h"'),
    ("lib/user/new.c", '"lib/user/user.h"'),
    ("lib/vdev/new.c", '"lib/string.h"'),
    ("lib/vdev/new.c", '"inc/x86.h"'),
    ("kern/boot/init.c", '"vmm/hv.h"'),
    ("kern/sys/sysvm.c", '"vmm/hv.h"'),
    ("kern/new.c", '"lib/printf.h"'),
    ("vmm/backends.c", '"vmm/vmx/vmx.h"'),
    ("vmm/backends.c", '"vmm/svm/svm.h"'),
    ("vmm/run.c", '"kern/mem/pmap.h"'),
    ("vmm/vmx/new.c", '"vmm/hv.h"'),
    ("user/new.c", '"lib/user/user.h"'),
    ("user/vm/new.c", '"lib/vdev/uart.h"'),
    ("guest/kernel/new.c", '"guest/kernel/mem.h"'),
    ("boot/new.c", '"boot/loader.h"'),
    ("tests/unit/new.c", "<stdio.h>"),
    ("tests/unit/new.c", '"kern/mem/pmap.h"'),
    ("obj/kern/new.c", '"guest/kernel/mem.h"'),
)


def plant(root, path, include):
    for header in HEADERS:
        (root / header).parent.mkdir(parents=True, exist_ok=True)
        (root / header).touch()
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(f"/* A file. */\n#include {include}\n")


@pytest.mark.parametrize("path,include,rule", FORBIDDEN)
def test_forbidden(tmp_path, path, include, rule, check_tree):
    plant(tmp_path, path, include)
    result = check_tree("layers.py", tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith(f"{path}:2: ")
    assert rule in result.stderr
    assert "1 #include lines break the rules" in result.stderr


@pytest.mark.parametrize("path,include", ALLOWED)
def test_allowed(tmp_path, path, include, check_tree):
    plant(tmp_path, path, include)
    result = check_tree("layers.py", tmp_path)
    assert (result.returncode, result.stderr) == (0, "")


def test_every_violation_is_reported(tmp_path, check_tree):
    plant(tmp_path, "inc/new.h", '"lib/string.h"')
    plant(tmp_path, "lib/new.c", '  "kern/mem/pmap.h"')
    (tmp_path / "lib/new.h").write_text("#  include\t\"kern/mem/pmap.h\"\n// #include <stdio.h>\n")
    result = check_tree("layers.py", tmp_path)
    assert [line.split(": ")[0] for line in result.stderr.splitlines()] == [
        "inc/new.h:2", "lib/new.c:2", "lib/new.h:1", "layers"]


def test_tree(check_tree):
    result = check_tree("layers.py")
    assert (result.returncode, result.stderr) == (0, "")
