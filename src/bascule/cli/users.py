"""Commands about who may sign in to the console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bascule.api.tokens import Seat
from bascule.cli.options import AsJson
from bascule.cli.output import app, print_json, print_rows, say
from bascule.cli.spec_option import takes_spec, takes_spec_first
from bascule.spec import Spec

if TYPE_CHECKING:
    from bascule.api.users import Users

users_app = typer.Typer(no_args_is_help=True, help="Who may sign in to the console.")
app.add_typer(users_app, name="users")

Name = Annotated[str, typer.Argument(help="The name to sign in with.")]


@users_app.command("list")
@takes_spec_first
def users_list(spec: Spec, as_json: AsJson = False) -> None:
    """List the users and what each may do."""
    rows = [{"user": name, "seat": seat.value} for name, seat in _users(spec).all().items()]
    print_rows("users", rows, as_json)


@users_app.command("set")
@takes_spec
def users_set(
    spec: Spec,
    name: Name,
    password: Annotated[
        str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True, help="Asked for when left out.")
    ],
    seat: Annotated[Seat, typer.Option(help="operator: reads and acts; viewer: only reads.")] = Seat.VIEWER,
) -> None:
    """Add a user, or change a user's rights and password."""
    _users(spec).put(name, seat, password)
    say(f"{name} may sign in to the console as {seat.value}")


@users_app.command("remove")
@takes_spec
def users_remove(spec: Spec, name: Name) -> None:
    """Remove a user, and sign that user out at once."""
    _users(spec).remove(name)
    say(f"{name} may no longer sign in")


@users_app.command("address")
@takes_spec_first
def users_address(spec: Spec, as_json: AsJson = False) -> None:
    """Print a console address that signs in one browser as operator; it works once."""
    from bascule.api import Tokens

    address = Tokens(spec.stack.state).address(spec.stack.page("console"))
    if as_json:
        print_json({"address": address})
    else:
        say(address)


def _users(spec: Spec) -> Users:
    from bascule.api.users import Users

    return Users(spec.stack.state)
