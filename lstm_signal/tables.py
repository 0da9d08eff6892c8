"""Tables of measures as people read them: labels with units, sensible digits, a dash with its reason."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from lstm_signal.measures import Row

Columns = Mapping[str, Mapping[str, Mapping[str, Any]]]  # by column and measure: {"value", "unit", "reason"}


def cells(rows: Mapping[str, Row], columns: Columns, reasons: list[str]) -> list[list[str]]:
    """Return the text of each cell, row by row, the label first; each dash's reason joins `reasons` once."""
    return [
        [row.label, *(_cell(row, column[key], reasons) for column in columns.values())] for key, row in rows.items()
    ]


def _cell(row: Row, measure: Mapping[str, Any], reasons: list[str]) -> str:
    if measure["value"] is not None:
        return f"{measure['value'] * row.factor:.{row.digits}f}"
    known = [line for line in reasons if line.endswith(f": {measure['reason']}")]
    if not known:
        known = [f"- ({chr(ord('a') + len(reasons))}): {measure['reason']}"]
        reasons.extend(known)
    return known[0].partition(":")[0]


def text_table(title: str, rows: Mapping[str, Row], columns: Columns, reasons: list[str]) -> str:
    """Return a table for the terminal, drawn by rich: a row a measure, a column a model."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("")
    for name in columns:
        table.add_column(Text(name), justify="right")
    for row in cells(rows, columns, reasons):
        table.add_row(*(Text(cell) for cell in row))
    # As wide as the table needs: a name that is cut off is worse than a line that wraps.
    console = Console(file=io.StringIO(), width=40 + sum(max(len(name), 12) + 4 for name in columns))
    console.print(table)
    drawn: str = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in drawn.splitlines()).rstrip()
