"""tools/sizes.py: it reports files, folders and structures that are too large, and the tree has none."""

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import sizes  # noqa: E402


@pytest.fixture
def tree(tmp_path):
    """An empty tree, but for the central structures."""
    for (header, name), most in sizes.MEMBERS_MAX.items():
        plant_structure(tmp_path, header, name, most)
    return tmp_path


def plant_structure(root, header, name, members):
    """Plants a structure whose members come in all forms."""
    forms = ["int a{n};", "struct {{ int b; int c; }} d{n};", "char *e{n}[4]; /* not; one, more */",
             "int (*call{n})(int x, struct s {{ int y; int z; }} *s);"]
    lines = [forms[n % len(forms)].format(n=n) for n in range(members - 2)]
    (root / header).parent.mkdir(parents=True, exist_ok=True)
    (root / header).write_text(f"struct {name};\n\nstruct {name} {{\n\tint f, g;\n\t"
                               + "\n\t".join(lines) + "\n};\n")


def plant(root, path, lines=1):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text("/* A line. */\n" * lines)


def test_long_file(tree, check_tree):
    plant(tree, "kern/long.c", 501)
    plant(tree, "tools/long.py", 600)
    plant(tree, "vmm/short.S", 500)
    plant(tree, "docs/long.md", 501)
    plant(tree, "obj/kern/long.c", 501)
    result = check_tree("sizes.py", tree)
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "kern/long.c: 501 lines, expected at most 500; split it by subject",
        "tools/long.py: 600 lines, expected at most 500; split it by subject",
        "sizes: 2 sizes exceed their limits"]


def test_full_folder(tree, check_tree):
    for number in range(46):
        plant(tree, f"user/file{number}.c")
        plant(tree, f"guest/t/test{number}.S")
        plant(tree, f"tests/unit/test{number}.c")
    for number in range(45):
        plant(tree, f"kern/file{number}.h")
        plant(tree, f"kern/sys/file{number}.h")
    result = check_tree("sizes.py", tree)
    assert result.returncode == 1
    assert result.stderr == ("user: 46 source files, expected at most 45; "
                             "move those of one subject to a folder of their own\nsizes: 1 sizes exceed their limits\n")


def test_large_structure(tree, check_tree):
    plant_structure(tree, "vmm/vcpu.h", "vcpu", 21)
    (tree / "vmm/ops.h").write_text("struct hv_ops;\n")
    result = check_tree("sizes.py", tree)
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "vmm/vcpu.h: struct vcpu has 21 members, expected at most 20; "
        "put those of one subject into a structure of their own",
        "vmm/ops.h: there is no struct hv_ops; correct MEMBERS_MAX in tools/sizes.py",
        "sizes: 2 sizes exceed their limits"]


def test_tree(check_tree):
    result = check_tree("sizes.py")
    assert (result.returncode, result.stderr) == (0, "")
