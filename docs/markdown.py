"""The Markdown of a page: its paragraphs and tables."""

from collections.abc import Iterable
from textwrap import fill

_MADE = "`make docs` makes this page from the code.\n"


def make_text(paragraphs: str) -> str:
    """Return the paragraphs in lines of 120 characters."""
    texts = (" ".join(paragraph.split()) for paragraph in paragraphs.strip().split("\n\n"))
    return (
        "\n\n".join(fill(text, 120, break_long_words=False, break_on_hyphens=False) for text in texts) + "\n"
    )


def make_list(items: Iterable[str]) -> str:
    return "".join(
        f"{fill(f'- {item}', 120, subsequent_indent='  ', break_long_words=False, break_on_hyphens=False)}\n"
        for item in items
    )


def make_page(title: str, introduction: str, *parts: str) -> str:
    return "\n".join((f"# {title}\n", make_text(introduction), *parts, _MADE))


def make_table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    cells = ([" ".join(cell.replace("|", "\\|").split()) for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)
