"""What commands print: tables and JSON on stdout, progress on stderr, pictures drawn in the terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from amalgamate.graph import Array

Function = TypeVar("Function", bound=Callable[..., Any])
QUIET = "amalgamate.quiet"  # keys of click's context, set by the options below
JSON = "amalgamate.json"


def _remember(key: str) -> Callable[[click.Context, click.Parameter, bool], None]:
    def callback(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        ctx.meta[key] = value

    return callback


def common(function: Function) -> Function:
    """The options of every command: --quiet and --traceback."""
    quiet = click.option(
        "-q", "--quiet", is_flag=True, expose_value=False, callback=_remember(QUIET), help="No progress, only results."
    )
    trace = click.option(
        "--traceback", is_flag=True, expose_value=False, help="Show where an internal error comes from."
    )
    return quiet(trace(function))


def printing(function: Function) -> Function:
    """The options of a command that prints data: those of every command, and --json."""
    as_json = click.option("--json", is_flag=True, expose_value=False, callback=_remember(JSON), help="Print JSON.")
    return as_json(common(function))


def _set(key: str) -> bool:
    return bool(click.get_current_context().meta.get(key))


def wants_json() -> bool:
    return _set(JSON)


def show(data: Any, text: Callable[[], None]) -> None:
    """Prints `data` as JSON where --json asks for it, otherwise calls `text`, which prints it for people."""
    if wants_json():
        click.echo(json.dumps(data, indent=2))
    else:
        text()


def note(message: str) -> None:
    """A line about what happens, on stderr; nothing with --quiet or --json."""
    if not (_set(QUIET) or _set(JSON)):
        click.echo(message, err=True)


def table(headers: Sequence[str], rows: Sequence[Sequence[Any]], right: Sequence[str] = ()) -> None:
    """Prints a table on stdout; the columns named in `right` are aligned to the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    page = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for header in headers:
        page.add_column(header, justify="right" if header in right else "left", overflow="fold")
    for row in rows:
        page.add_row(*(_escape(str(cell)) for cell in row))
    # A pipe or a file has no width: rows stay whole there.
    width = None if sys.stdout.isatty() else 200
    Console(file=sys.stdout, width=width, highlight=False, soft_wrap=not sys.stdout.isatty()).print(page)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)


@contextmanager
def progress(label: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A progress bar on stderr while the block runs, for a terminal only; `advance(n)` moves it. A spinner without a total."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if _set(QUIET) or _set(JSON) or not console.is_terminal:
        yield lambda _: None
        return
    middle = BarColumn() if total else SpinnerColumn()
    with Progress(TextColumn(label), middle, TimeElapsedColumn(), console=console, transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda n: bar.advance(task, n)


def draw(pixels: Array) -> list[str]:
    """Grey pixels [h, w] of 0..255 as h lines, two characters to a pixel: in greys on a terminal, else in shades of text."""
    if colourful():
        return ["".join(f"\x1b[48;5;{232 + int(v) * 24 // 256}m  " for v in row) + "\x1b[0m" for row in pixels]
    unicode = (sys.stdout.encoding or "ascii").lower().startswith("utf")
    shades = " ░▒▓█" if unicode else " .:-=+*#%@"
    return ["".join(shades[int(v) * len(shades) // 256] * 2 for v in row) for row in pixels]


def colourful() -> bool:
    """Whether stdout is a terminal that shows 256 colours and NO_COLOR is not set."""
    from rich.console import Console

    console = Console(file=sys.stdout)
    return console.is_terminal and console.color_system in ("256", "truecolor") and not console.no_color
