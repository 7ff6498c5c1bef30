"""Tables for a terminal: columns as wide as what stands in them."""

from collections.abc import Sequence

GAP = "  "


def format_table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, width: int = 0) -> str:
    """Rows under headings, as lines.

    Parameters
    ----------
    headings : sequence of str
        One for each column.
    rows : sequence of sequences of str
        As long as the headings each.
    width : int, optional
        Columns of the terminal, to which lines are cut; 0 for whole lines.

    Examples
    --------
    >>> print(format_table(("USER", "PLAN"), [("ann", "scaler"), ("bob", "explorer")]))
    USER  PLAN
    ann   scaler
    bob   explorer
    """
    # One line a row, whatever a message holds.
    cells = [[" ".join(cell.split()) for cell in row] for row in (headings, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = (GAP.join(map(str.ljust, row, widths)).rstrip() for row in cells)
    return "\n".join(
        f"{line[: width - 1]}…" if width and len(line) > width else line for line in lines
    )
