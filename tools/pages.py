#!/usr/bin/python3
"""Checks what the pages refer to: README.md, CONTRIBUTING.md and docs/**/*.md.

usage: tools/pages.py [--root DIR]

A relative link must lead to a file, and its #anchor to a heading there.  A name in backticks that looks
like a path, such as `vmm/run.c` or `vmm/vmx/`, must exist, and a * in the name must match something.  The
name may go on, as in `vmm/run.c:vcpu_run` and `vmm/vcpu.h:struct vcpu`: then the file must define this
function, type, macro, variable or label.
"""

import re

import treecheck

FENCE = re.compile(r"^ *(```|~~~)")
CODE = re.compile(r"(`+)(.+?)\1")
LINK = re.compile(r"\]\(<?([^()\s>]+)>?(?:\s+\"[^\"]*\")?\)|^\s*\[[^\]]+\]:\s*(\S+)|<img\b[^>]*\bsrc=\"([^\"]+)\"")
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.I)  # how a link begins that leaves the tree
HEADING = re.compile(r"^ {0,3}#{1,6}\s+(.*?)\s*#*$")
ANCHOR = re.compile(r"<a\s+(?:id|name)=\"([^\"]+)\"")

CHECKED = "c|h|S|def|py|ld|gp|sh|tsv"
SOURCE = re.compile(rf"([\w.*/-]+\.(?:{CHECKED}))(?::(.*))?")
PATH = re.compile(r"([\w.-]+)/[\w.*/-]*")  # it is a path if its first part is a directory of the tree
NAME = re.compile(r"(?:(struct|union|enum) )?(\w+)")

SKIPPED = ("obj", "tests")  # directories that are not searched for a name

# How a file defines a name, for each kind of file.  In C a function's name starts its line.
C_DEFINES = r"""
    ^{0}\(                                                              # a function
    | ^\#[ ]*define[ ]+{0}\b
    | ^(?:typedef[ ]+)?(?:struct|union|enum)[ ]+{0}[ ]*(?:\{{|$)        # a tag
    | ^typedef\b.*(?:[ *]{0}(?:\[.*\])?;|\(\*{0}\)\()                   # a type
    | ^\}}[ ](?:\w+[ ]+)*{0}\b                                          # a type or a variable
    | ^(?!extern\b|typedef\b|(?:struct|union|enum)[ ]\w+;)[A-Za-z_][^;=(\n]*
      (?:[ *]{0}(?:[\[,;]|[ ](?:=|__))                                  # a variable
      | \((?:\*(?:const[ ])?)?{0}(?:\[[^\]]*\])*\)\()                   # a variable for functions
    | ^(?:\s+|.*\benum\b.*\{{.*)(?=[A-Z]){0}[ ]*(?:=[^;]*)?[,}}]        # a constant of an enum
"""
DEFINES = {
    ".c": C_DEFINES,
    ".h": C_DEFINES,
    ".S": r"^{0}: | ^\#[ ]*define[ ]+{0}\b | ^\w+[ (]{0}\b | ^\s*\.macro\s+{0}\b",
    ".def": r"^\s*\w+\(\s*(?:[\w\"-]+,\s*)*\"?{0}\b",
    ".py": r"^\s*(?:def|class)\s+{0}\b | ^{0}\s*=",
}
TAG_DEFINES = r"^(?:typedef\s+)?{1}\s+{0}\s*(?:\{{|$)"


def slug(heading):
    """Returns the anchor that GitHub gives a heading."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\s-]", "", text.lower()).replace(" ", "-")


def prose(text):
    """Yields (line number, line) of the lines outside fenced blocks."""
    fence = None
    for number, line in enumerate(text.splitlines(), 1):
        found = FENCE.match(line)
        if found and fence in (None, found[1]):
            fence = None if fence else found[1]
        elif fence is None:
            yield number, line


def anchors(text):
    """Returns all anchors of a page.  If several headings have one text, the second gets -1, the third -2."""
    found, counts = set(ANCHOR.findall(text)), {}
    for _, line in prose(text):
        heading = HEADING.match(line)
        if heading:
            name = slug(heading[1])
            count = counts[name] = counts.get(name, -1) + 1
            found.add(f"{name}-{count}" if count else name)
    return found


def check_link(root, page, target):
    """Returns what is wrong with a relative link, or None."""
    name, _, anchor = target.partition("#")
    path = (page.parent / name).resolve() if name else page
    if not path.is_relative_to(root):
        return f"link to {target}: it leaves the tree; link to the web page instead"
    if not path.exists():
        return f"link to {target}: there is no {path.relative_to(root)}; correct the path"
    if not anchor:
        return None
    if path.suffix != ".md":
        return f"link to {target}: only pages (.md) have anchors; leave out #{anchor}"
    known = anchors(path.read_text())
    if anchor not in known:
        return (f"link to {target}: {path.relative_to(root)} has no heading #{anchor}; expected one of "
                + ", ".join(sorted(known)))
    return None


def check_path(root, name):
    """Returns what is wrong with the name of a file or directory, or None."""
    if "*" in name:
        # A pattern without a directory means files anywhere.
        found = root.glob(name) if "/" in name else root.rglob(name)
        return None if next(found, None) else f"`{name}`: no file matches; correct the pattern"
    if (root / name).exists():
        return None
    if "/" in name:
        return f"`{name}`: there is no such file; write its path from the top of the tree"
    places = sorted(str(path.relative_to(root)) for path in root.glob(f"*/**/{name}")
                    if path.relative_to(root).parts[0] not in SKIPPED)
    return (f"`{name}`: there is no such file at the top of the tree; write the whole path"
            + (f": {' or '.join(places)}" if places else ""))


def defines(path, name, tag=None):
    """Returns whether the file defines this name.  tag: struct, union or enum."""
    pattern = TAG_DEFINES if tag else DEFINES[path.suffix]
    return re.search(pattern.format(re.escape(name), tag), path.read_text(), re.M | re.X) is not None


def check_name(root, path, name):
    """Returns what is wrong with `path:name`, or None.  The file exists."""
    parts = NAME.fullmatch(name)
    if not parts or name.isdecimal():
        return f"`{path}:{name}`: expected a name behind the colon, such as `vmm/run.c:vcpu_run`"
    file = root / path
    if file.suffix not in DEFINES:
        return f"`{path}:{name}`: no names are known in {file.suffix} files; name the file only"
    if defines(file, parts[2], parts[1]):
        return None
    elsewhere = sorted(str(other.relative_to(root)) for other in root.glob("*/**/*.*")
                       if other.suffix in DEFINES and other.relative_to(root).parts[0] not in SKIPPED
                       and defines(other, parts[2], parts[1]))
    return (f"`{path}:{name}`: {path} does not define {name}; "
            + (f"write {' or '.join(elsewhere)}" if elsewhere else "correct the name"))


def check_code(root, text):
    """Returns what is wrong with a text in backticks, or None.  Most of these texts are no references."""
    source = SOURCE.fullmatch(text)
    if source:
        path, name = source.groups()
        return check_path(root, path) or (None if name is None else check_name(root, path, name))
    path = PATH.fullmatch(text)
    if path and path[1] != "obj" and (root / path[1]).is_dir():
        return check_path(root, text)
    return None


def pages(root):
    yield from (page for page in (root / "README.md", root / "CONTRIBUTING.md") if page.exists())
    yield from sorted((root / "docs").rglob("*.md"))


def problems(root):
    """Yields lines of text, one for each bad reference."""
    for page in pages(root):
        for number, line in prose(page.read_text()):
            found = [check_code(root, text) for _, text in CODE.findall(line)]
            targets = [next(filter(None, groups)) for groups in LINK.findall(CODE.sub("", line))]
            found += [check_link(root, page, target) for target in targets
                      if not ELSEWHERE.match(target)]
            for problem in filter(None, found):
                yield f"{page.relative_to(root)}:{number}: {problem}"


if __name__ == "__main__":
    treecheck.main("pages", "checks what the pages refer to", problems, "references lead nowhere")
