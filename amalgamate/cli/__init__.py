"""The command line. Each command lies in the file that its name is looked up in, and imports what it needs when it runs."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from amalgamate.errors import AmalgamateError
from amalgamate.resources import version

# Command -> the module of this package that holds it, in the order of the help page.
COMMANDS = {
    "demo": "demo",
    "runtime": "build",
    "build": "build",
    "compile": "build",
    "predict": "predict",
    "verify": "verify",
    "inspect": "inspect",
    "bench": "bench",
    "package": "package",
    "ops": "about",
    "explain": "about",
    "doctor": "about",
}


class Lazy(click.Group):
    """A group that imports a command's module when the command is asked for, so that `amalgamate ops` starts at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"amalgamate.cli.{COMMANDS[name]}")
        command: click.Command = getattr(module, f"{name}_command")
        return command


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version())
def app() -> None:
    """Turns a trained neural network into one C file and one header that predict anywhere.

    \b
    amalgamate demo                           see it work
    amalgamate build net.onnx -o dist         dist/net.c and dist/net.h
    amalgamate predict net.onnx picture.jpg   the whole chain on one line
    """


def run(args: Sequence[str]) -> int:
    """Runs one command line and returns its exit code: 0, 1 after an error (said on stderr), 2 for a wrong call."""
    try:
        code = app.main(list(args), prog_name="amalgamate", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except AmalgamateError as error:
        click.echo(str(error), err=True)
    except click.UsageError as error:
        error.show()
        return 2
    except click.ClickException as error:
        error.show()
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 130
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        if "--traceback" in args:
            raise
        click.echo(f"internal error: {type(error).__name__}: {error}", err=True)
        click.echo(
            "This is a fault of amalgamate. Please report it with the output of the same command and --traceback",
            err=True,
        )
    return 1


def main() -> NoReturn:
    sys.exit(run(sys.argv[1:]))
