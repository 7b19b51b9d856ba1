"""A table of texts, for the terminal, for markdown, for HTML and for Prefect."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from html import escape

from rich import box
from rich.table import Table as RichTable


@dataclass(frozen=True)
class TextTable:
    """Rows of texts. The first column is aligned left, all others right.

    Attributes:
        header: titles of the columns.
        rows: one text per column.
        bold: indices of the rows that stand out on the terminal.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    bold: Collection[int] = ()

    def markdown(self) -> str:
        """For Prefect's markdown artifacts and MLflow's notes."""
        lines = [self.header, ["---"] + ["---:"] * (len(self.header) - 1), *self.rows]
        return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)

    def html(self) -> str:
        """For a page of charts."""
        head = "".join(f"<th>{escape(cell)}</th>" for cell in self.header)
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in self.rows)
        return f"<table><tr>{head}</tr>{body}</table>"

    def records(self) -> list[dict[str, str]]:
        """For Prefect's table artifacts."""
        return [dict(zip(self.header, row, strict=True)) for row in self.rows]

    def terminal(self, title: str | None = None, *, narrow: bool = False) -> RichTable:
        """For the terminal.

        Args:
            title: above the table.
            narrow: break the header at each space, and leave no room between the columns.
        """
        padding = 0 if narrow else (0, 1, 0, 0)
        table = RichTable(title=title, box=box.SIMPLE_HEAD, padding=padding, pad_edge=False, show_edge=False)
        for index, name in enumerate(self.header):
            words = name.replace(" ", "\n") if narrow else name
            table.add_column(words, justify="right" if index else "left", no_wrap=True)
        for index, row in enumerate(self.rows):
            table.add_row(*row, style="bold" if index in self.bold else None)
        return table
