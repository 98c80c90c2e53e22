"""A progress bar over events, shown on terminals only."""

from typing import Self

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from api.cli.terminal import console


class EventProgress:
    """The progress of a long task, on standard error."""

    def __init__(self, description: str, things: str = "events") -> None:
        shown_on = console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn(f"{{task.completed:,}} of {{task.total:,}} {things}"),
            TimeRemainingColumn(),
            console=shown_on,
            transient=True,
            disable=not shown_on.is_terminal,
        )
        self._task = self._progress.add_task(description, total=0)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def hide(self) -> None:
        """Remove the bar, to make room for other output."""
        self._progress.stop()

    def show(self, done: int, total: int, description: str | None = None) -> None:
        """Show the progress, and what is done now, if that has changed."""
        self._progress.update(self._task, completed=done, total=total, description=description)
