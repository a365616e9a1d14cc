"""Reads the tables of exits that a run prints."""

import re

import recording

TIMES = ["guest", "handler", "monitor", "halted", "paused", "waiting"]
# Numbers that are no exit reason in the SDM, up to the last reason that the leaves know.
NO_REASON = [35, 38, 42, 65, 69]


def value(text):
    """Returns a cell's text, or its number if it is one."""
    return int(text, 0) if re.fullmatch(r"\d+|0x[0-9a-f]+", text) else text


def tables(output):
    """Returns each table that `--tsv` printed, as a list of rows {name in the table's first line: value}."""
    return [[{name: value(cell) for name, cell in row.items()} for row in rows]
            for rows in recording.tables(output)]


def split_total(rows, column="name"):
    """Returns the rows without the last one, and the last one, which must be the total."""
    *rows, total = rows
    assert total[column] == "total"
    return rows, total


def check_sums(exits, times, memory):
    """Checks that parts add up to the whole.  Returns the rows of exits by name, and the ticks by state."""
    rows, total = split_total(exits)
    assert [row["reason"] for row in rows] == [*range(70), "-"]
    assert [row["reason"] for row in rows if row["name"] == "-"] == NO_REASON
    for row in rows:
        assert (row["cycles"] > 0) == (row["count"] > 0)
    assert sum(row["count"] for row in rows) == total["count"]
    assert sum(row["cycles"] for row in rows) == total["cycles"]
    assert sum(row["monitor"] for row in rows) == total["monitor"]
    ticks = {row["time"]: row["ticks"] for row in times}
    assert list(ticks) == [*TIMES, "wall"]
    assert sum(ticks[name] for name in TIMES) == ticks["wall"]
    assert ticks["handler"] == total["cycles"]
    assert ticks["monitor"] >= total["monitor"]
    assert [row["memory"] for row in memory] == ["tables"] and memory[0]["pages"] >= 3
    return {row["name"]: row for row in rows}, ticks


def table(output):
    """Returns the table of exits at the end of a run: {reason: (count, cycles)}, and both of the total."""
    rows = re.findall(r"^ *(\d+)  [A-Z_]+ +(\d+) +[\d.]+ % +(\d+) +\d+$", output, re.M)
    total = re.search(r"^ +total +(\d+) +100.0 % +(\d+)", output, re.M)
    assert rows and total, output
    return {int(r): (int(n), int(c)) for r, n, c in rows}, tuple(map(int, total.groups()))
