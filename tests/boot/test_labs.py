"""Every command of the labs works, and prints what the lab's text relies on."""

import re

import pytest

from conftest import IMAGE, ROOT
import labs

FAILED = re.compile(r"^(No symbol|Undefined|Error|Cannot|The program is not|usage: |unknown command|"
                    r"there is no|.*syntax error|.*bad register)", re.M)


@pytest.mark.early
@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "labs").glob("*.md")), ids=lambda p: p.stem)
def test_lab(path):
    text = path.read_text()
    now = labs.regenerate(IMAGE, text)
    assert not FAILED.search(now), FAILED.search(now).group(0)
    # The blocks are the same, and each has output.
    assert labs.BLOCK.sub(r"\1", now) == labs.BLOCK.sub(r"\1", text)
    assert "```\n```" not in now
