"""tools/mutants.py: a test fails when a flush is taken out of the code; and a mutant that survives is
reported."""

import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import mutants  # noqa: E402
from mutantlist import MUTANTS, TESTS, Mutant  # noqa: E402

OBJDIR = os.environ.get("OBJDIR", "obj")


def test_list_fits_the_code():
    assert not mutants.check_list()
    assert len({m.name for m in MUTANTS}) == len(MUTANTS)
    assert {m.test for m in MUTANTS} == set(TESTS), "a mutant uses each test"
    # In the copy, make rebuilds a source that changed, but not all users of a header that changed.
    assert all(m.file.endswith(".c") for m in MUTANTS)


def test_mutants(full, capsys):
    """The short form tries a few mutants that need no emulator."""
    chosen = MUTANTS if full else [m for m in MUTANTS if TESTS[m.test].target][:3]
    assert mutants.run_all(chosen, OBJDIR) == 0
    said = capsys.readouterr().out
    assert f"mutants: {len(chosen)} killed, 0 survived" in said
    print(said)


def test_survivor_is_told(capsys):
    harmless = Mutant("harmless", "kern/mem/aspace.c", "\ttlb_hold(src);\n", "\ttlb_hold(src);;\n",
                      "test_aspace", "nothing")
    assert mutants.run_all([harmless], OBJDIR) == 1
    said = capsys.readouterr().out
    assert "SURVIVED" in said and "mutants: 0 killed, 1 survived" in said


def test_text_that_is_not_there():
    with pytest.raises(ValueError, match="has this 0 times"):
        mutants.mutate("text", Mutant("gone", "kern/mem/tlb.c", "no such text", "", "test_aspace", ""))
