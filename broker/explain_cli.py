"""How the hub's commands say what went wrong, and with which exit code they end."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import click

from schemas.errors import BadSource, CrossbearingError, NotFound, Refusal, Unreachable

_P = ParamSpec("_P")
_T = TypeVar("_T")
FAILED, MISSING, REFUSED, UNREACHABLE = 1, 3, 4, 5


def exit_code(error: CrossbearingError) -> int:
    """The exit code for an error."""
    if isinstance(error, Unreachable):
        return UNREACHABLE
    if isinstance(error, NotFound):
        return MISSING
    return REFUSED if isinstance(error, Refusal) else FAILED


def explained(command: Callable[_P, _T]) -> Callable[_P, _T]:
    """Show an error as one sentence and a hint on standard error, and exit with its code."""

    @wraps(command)
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return command(*args, **kwargs)
        except CrossbearingError as error:
            for problem in error.problems if isinstance(error, BadSource) else ():
                where = f"line {problem.line}" + (f", {problem.field}" if problem.field else "")
                click.echo(f"{where}: {problem.message}", err=True)
            click.echo(f"{error.code}: {error.message}\n{error.hint}", err=True)
            sys.exit(exit_code(error))

    return wrapper
