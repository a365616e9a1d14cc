"""The pictures are well-formed SVG and show what was measured."""

import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from beds import BEDS, ON_BOCHS
from conftest import IMAGE, PATIENCE_LONG, ROOT

pytestmark = pytest.mark.xdist_group("plots")  # these tests share pictures

SVG = "{http://www.w3.org/2000/svg}"
BED = BEDS["qemu-svm"].title
TITLES = {
    "counts": "Exits by reason",
    "cycles": "Cycles by reason, all exits of a kind together",
    "costs": "What each exit costs (percent of its kind)",
    "boot": "Exits over time while the guest boots",
}
EXPECTED = {
    "counts": {"IO_INSTRUCTION", "CPUID", "VMCALL", "302", BED},
    "cycles": {"EPT_VIOLATION", f"{BED}: in the monitor", f"{BED}: in the handler"},
    "costs": {"RDMSR", "100", "256", "an emulator's tick is an instruction", BED},
    "boot": {"kernel", "boot sector and loader", "IO_INSTRUCTION", BED},
}


def texts(path):
    """Returns the texts of a picture.  Where gnuplot has cut a text, its parts are put together."""
    root = ElementTree.parse(path).getroot()
    assert root.tag == f"{SVG}svg"
    return {"".join(element.itertext()).strip() for element in root.iter(f"{SVG}text")}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """The directory with pictures of one bed.  The committed pictures show two."""
    path = tmp_path_factory.mktemp("plots")
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "plots.py", "--image", IMAGE, "--data", path / "data",
         "--output", path, "--bed", "qemu-svm"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE_LONG,
        check=False)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines() == [str(path / f"{name}.svg") for name in TITLES], \
        "gnuplot has nothing to say"
    return path


@pytest.mark.parametrize("name", TITLES)
def test_picture(pictures, name):
    found = texts(pictures / f"{name}.svg")
    assert {TITLES[name]} | EXPECTED[name] <= found


@pytest.mark.parametrize("name", TITLES)
def test_committed_picture(name):
    """The docs have the same pictures, of two beds."""
    found = texts(ROOT / "docs" / "img" / f"{name}.svg")
    assert TITLES[name] in found
    for bed in ON_BOCHS:
        assert any(BEDS[bed].title in text for text in found)
