"""Tables of measures as people read them: labels with units, sensible digits, a dash with its reason."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from lstm_signal.units import Row

Columns = Mapping[str, Mapping[str, Mapping[str, Any]]]  # by column and measure: {"value", "unit", "reason"}


def measure_cells(rows: Mapping[str, Row], columns: Columns, reasons: list[str]) -> list[list[str]]:
    """Return the text of each cell, row by row, the label first; each dash's reason joins `reasons` once.

    A measure with a p-value has it in brackets; intervals, where the row names them, stand in a row below. A measure
    that no column has is left out, and one that a column has not is blank.
    """
    cells = []
    for key, row in rows.items():
        own = [column.get(key) for column in columns.values()]
        if not any(own):
            continue
        cells.append([row.label, *("" if measure is None else _cell(row, measure, reasons) for measure in own)])
        if row.interval and any(measure and "low" in measure for measure in own):
            cells.append([f"  {row.interval}", *(_interval(row, measure or {}) for measure in own)])
    return cells


def _interval(row: Row, measure: Mapping[str, Any]) -> str:
    if "low" not in measure:
        return ""
    low, high = (f"{measure[end] * row.factor:.{row.digits}f}" for end in ("low", "high"))
    return f"{low} to {high}"


def _cell(row: Row, measure: Mapping[str, Any], reasons: list[str]) -> str:
    if measure["value"] is not None:
        p = f" ({measure['p']:.3f})" if "p" in measure else ""
        return f"{measure['value'] * row.factor:.{row.digits}f}{p}"
    known = [line for line in reasons if line.endswith(f": {measure['reason']}")]
    if not known:
        known = [f"- ({chr(ord('a') + len(reasons))}): {measure['reason']}"]
        reasons.extend(known)
    return known[0].partition(":")[0]


def text_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table for the terminal, drawn by rich: the first column is text, the others are numbers."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for number, name in enumerate(header):
        table.add_column(Text(name), justify="right" if number else "left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    # As wide as the table needs: a name that is cut off is worse than a line that wraps.
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]
    console = Console(file=io.StringIO(), width=sum(widths) + 4 * len(widths))
    console.print(table)
    drawn: str = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join([title, *(line.rstrip() for line in drawn.splitlines())]).rstrip()


def html_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the same table for a notebook; every text in it is escaped."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    body = "".join(
        f'<tr><th scope="row" style="text-align:left">{escape(row[0])}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return f"<table><caption>{escape(title)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def html_lines(lines: Sequence[str]) -> str:
    """Return lines of text for a notebook, escaped."""
    return "".join(f"<div>{escape(line)}</div>" for line in lines)
