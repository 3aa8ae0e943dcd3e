"""`--access FILE`: how a server that asks who comes is entered, where no spec says it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from bascule.cli.output import read_file
from bascule.documents import DocumentError, read_yaml
from bascule.errors import UsageError
from bascule.spec.model import Access

AccessFile = Annotated[
    Path | None,
    typer.Option(
        "--access", help="A YAML file with the credentials for the server: the keys of stack.access.prometheus."
    ),
]


def read_access(path: Path | None) -> Access:
    """Raises UsageError for any other file; never shows what is in it."""
    if path is None:
        return Access()
    try:
        return Access.model_validate(read_yaml(read_file(path), path))
    except (DocumentError, ValidationError) as error:
        keys = ", ".join(Access.model_fields)
        raise UsageError(
            f"{path} does not say how to sign in to the server", f"use the keys {keys}; secrets are in files"
        ) from error
