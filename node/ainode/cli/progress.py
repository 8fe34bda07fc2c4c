"""A progress bar for work that takes minutes to hours."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


@contextmanager
def progress_on(console: Console) -> Iterator[Callable[[str, int, int, str], None]]:
    """A function to tell what is done: what, how much, of how much, and how it goes; a bar for each ``what``."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bars: dict[str, TaskID] = {}
    with Progress(*columns, TextColumn("{task.fields[said]}"), console=console) as progress:

        def tell(what: str, done: int, of: int, said: str) -> None:
            if what not in bars:
                bars[what] = progress.add_task(what, total=of, said=said)
            progress.update(bars[what], completed=done, said=said)

        yield tell
