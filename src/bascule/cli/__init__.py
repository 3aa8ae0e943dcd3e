"""The command line: a function per command, by what it does; the only place that prints. See docs/commands.md."""

from __future__ import annotations

import logging
import signal
import sys
import traceback

__all__ = ["main"]

USAGE, NO_DATA, DEFECT = 2, 4, 70


def main() -> None:
    """Run a command; a user's mistake is an error message, never a traceback.

    Ctrl-C ends the process at once: a command that has something to clean up catches it itself (`stopping`).
    A failure never exits 1 by accident: a pipeline reads 1 as `roll back` or `breached`.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # before the imports below, which take a moment
    from bascule.cli.commands import app
    from bascule.cli.output import complain
    from bascule.errors import BasculeError, QueryRejected
    from bascule.visible import LogText

    if logging.lastResort is not None:  # who prints what no other handler takes
        logging.lastResort.setFormatter(LogText())

    try:
        app()
    except BasculeError as error:
        complain(str(error))
        sys.exit(NO_DATA if isinstance(error, QueryRejected) else error.exit_code)
    except BrokenPipeError:  # the pipe was closed, as in `bascule sla report … | head`
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        complain(f"{error.filename or 'a file'}: {error.strerror or error}")
        sys.exit(USAGE)
    except Exception:  # noqa: BLE001 - no unexpected error may exit 1
        complain(traceback.format_exc())
        complain("This is an internal error of Bascule; please report it with the lines above.")
        sys.exit(DEFECT)
