"""Tables in a pipe and on a terminal."""

from boathouse.hub.tables import format_table

HEADINGS = ("JOB", "STATE", "MESSAGE")
ROWS = [("a1", "failed", "In [3]: ValueError:\nno such station"), ("b22", "running", "")]


def test_columns_stand_under_their_headings() -> None:
    assert format_table(HEADINGS, ROWS).splitlines() == [
        "JOB  STATE    MESSAGE",
        "a1   failed   In [3]: ValueError: no such station",
        "b22  running",
    ]


def test_a_terminal_gets_no_broken_lines() -> None:
    shown = format_table(HEADINGS, ROWS, width=20).splitlines()
    assert max(map(len, shown)) == 20
    assert shown[1] == "a1   failed   In [3…"
