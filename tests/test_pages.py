"""tools/pages.py: it reports each kind of bad reference with its line, and the tree's pages have none."""

import pytest

# The planted tree: a page with headings, and files of each kind that define names.
FILES = {
    "docs/other.md": "# The title\n## A `word`, and (more)\n### Twice\n### Twice\n",
    "vmm/run.c": "static int\nrun_once(struct vcpu *v, int count)\n{\n\treturn other(v, count);\n}\n"
                 "static uint8_t bitmap[4096] __attribute__((aligned(4096)));\n"
                 "void (*hook)(void);\nstatic struct rule {\n\tint x;\n} rules[] = {\n};\n"
                 "extern int foreign;\n",
    "vmm/vcpu.h": "struct vcpu;\nstruct vcpu {\n\tint member;\n};\n#define VCPUS_MAX 8\n"
                  "typedef void (*handler_t)(struct vcpu *);\nenum { FIRST, SECOND };\n"
                  "int prototype(struct vcpu *v);\n",
    "vmm/entry.S": "enter:\n\tret\n",
    "inc/exits.def": 'EXIT_KIND(CPUID, 10, "CPUID", cpuid)\n',
    "tools/run.py": "LIMIT = 3\n\n\ndef main():\n    pass\n",
    "docs/img/boot.svg": "",
    "LICENSE": "",
}

GOOD = (
    "[a](docs/other.md) and [b](docs/other.md#a-word-and-more)",
    "[a](docs/other.md#twice-1), [license](LICENSE), ![picture](docs/img/boot.svg)",
    '<img src="docs/img/boot.svg"> and [title](docs/other.md "words")',
    "[below](#below) and [the web](https://example.org/none.md) and <https://example.org>",
    "```\n[a](none.md) `vmm/none.c`\n```",
    "`[a](none.md)` is no link",
    "`vmm/run.c`, `vmm/`, `docs/img`, `vmm/*.h`, `*.def`, `docs/*/boot.svg`",
    "`vmm/run.c:run_once`, `vmm/run.c:bitmap`, `vmm/run.c:rules`, `vmm/run.c:hook`",
    "`vmm/vcpu.h:struct vcpu`, `vmm/vcpu.h:VCPUS_MAX`, `vmm/vcpu.h:handler_t`, `vmm/vcpu.h:SECOND`",
    "`vmm/entry.S:enter`, `inc/exits.def:CPUID`, `tools/run.py:main`, `tools/run.py:LIMIT`",
    "`t/busy`, `a/b`, `obj/kern/kernel` and `echo $((1 + 2))` are no files of the tree",
)

BAD = (
    ("[a](docs/none.md)", "there is no docs/none.md"),
    ("![a](docs/img/none.svg)", "there is no docs/img/none.svg"),
    ('<img src="none.svg">', "there is no none.svg"),
    ("[a]: none.md", "there is no none.md"),
    ("[a](docs/other.md#nowhere)", "docs/other.md has no heading #nowhere; expected one of a-word-and-more"),
    ("[a](#nowhere)", "README.md has no heading #nowhere"),
    ("[a](LICENSE#terms)", "only pages (.md) have anchors"),
    ("[a](../elsewhere.md)", "it leaves the tree"),
    ("`vmm/none.c`", "there is no such file"),
    ("`vmm/none/`", "there is no such file"),
    ("`run.c`", "write the whole path: vmm/run.c"),
    ("`vmm/*.def`", "no file matches"),
    ("`vmm/run.c:other`", "vmm/run.c does not define other; correct the name"),
    ("`vmm/run.c:count`", "does not define count"),
    ("`vmm/run.c:foreign`", "does not define foreign"),
    ("`vmm/run.c:struct vcpu`", "does not define struct vcpu; write vmm/vcpu.h"),
    ("`vmm/vcpu.h:run_once`", "vmm/vcpu.h does not define run_once"),
    ("`vmm/vcpu.h:prototype`", "does not define prototype"),
    ("`vmm/vcpu.h:struct rule`", "does not define struct rule"),
    ("`inc/exits.def:HLT`", "does not define HLT"),
    ("`vmm/entry.S:leave`", "does not define leave"),
    ("`tools/run.py:launch`", "does not define launch"),
    ("`vmm/run.c:12`", "expected a name behind the colon"),
    ("`vmm/run.c:`", "expected a name behind the colon"),
)


def plant(root, text, page="README.md"):
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    (root / page).parent.mkdir(parents=True, exist_ok=True)
    (root / page).write_text(f"# A page\n\n{text}\n\n## Below\n")


@pytest.mark.parametrize("text", GOOD)
def test_good(tmp_path, text, check_tree):
    plant(tmp_path, text)
    result = check_tree("pages.py", tmp_path)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("text, said", BAD)
def test_bad(tmp_path, text, said, check_tree):
    plant(tmp_path, text)
    result = check_tree("pages.py", tmp_path)
    assert result.returncode == 1
    first, last = result.stderr.splitlines()
    assert first.startswith("README.md:3: ") and said in first
    assert last == "pages: 1 references lead nowhere"


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/one.md", "docs/labs/two.md"])
def test_every_page_is_read(tmp_path, page, check_tree):
    plant(tmp_path, "`vmm/none.c` and [a](none.md)", page)
    result = check_tree("pages.py", tmp_path)
    assert [line.split(": ")[0] for line in result.stderr.splitlines()] == [f"{page}:3"] * 2 + ["pages"]


def test_links_begin_where_the_page_is(tmp_path, check_tree):
    plant(tmp_path, "[a](../other.md) and [b](../../LICENSE), but `vmm/run.c`", "docs/labs/two.md")
    result = check_tree("pages.py", tmp_path)
    assert (result.returncode, result.stderr) == (0, "")


def test_tree(check_tree):
    result = check_tree("pages.py")
    assert (result.returncode, result.stderr) == (0, "")
