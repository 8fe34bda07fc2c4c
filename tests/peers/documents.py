"""Pages of the documentation, and their tables."""

import re

from peers.shared_data import ROOT


def page(name: str) -> str:
    """Text of a page, by its path in the checkout."""
    return (ROOT / name).read_text(encoding="utf-8")


def table(text: str, first: str, *, without_marks: bool = True) -> list[tuple[str, ...]]:
    """Rows of the one table whose first column is called ``first``, cells without backquotes."""
    (body,) = re.findall(rf"^\| {re.escape(first)} \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    rows = body.replace("`", "") if without_marks else body
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in rows.splitlines()]
