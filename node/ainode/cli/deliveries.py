"""``ainode deliveries``: what went where, what is late and why, and sending it again."""

import os
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ainode.cli.journal import SettingsOption, journal, local_time
from ainode.settings import load_settings
from ainode_models.errors import ConfigError

app = typer.Typer(
    help="What went where, what is late and why: without a command, lists it.", invoke_without_command=True
)


@app.callback()
def show(
    context: typer.Context,
    settings: SettingsOption = None,
    limit: Annotated[int, typer.Option(help="How many to list, newest first.")] = 20,
) -> None:
    """List deliveries, newest first."""
    if context.invoked_subcommand:
        return
    table = Table(title="deliveries", title_justify="left", box=None, pad_edge=False)
    for column in ("number", "run", "destination", "state", "attempts", "delivered", "reason"):
        table.add_column(column, overflow="fold")
    with journal(load_settings(settings, os.environ)) as book:
        for row in book.deliveries.all(limit):
            when = local_time(row.delivered_at)
            table.add_row(
                str(row.id), row.run_id, row.destination, row.state, str(row.attempts), when, row.reason or ""
            )
    Console(soft_wrap=True).print(table)


@app.command()
def replay(
    number: Annotated[int, typer.Argument(help="Number of the delivery, as listed.")],
    settings: SettingsOption = None,
) -> None:
    """Send a result again, for instance after a destination was mended."""
    with journal(load_settings(settings, os.environ)) as book:
        if not book.deliveries.replay(number):
            raise ConfigError(f"no delivery {number} that can be sent again: it is pending, or its run was replaced")
    typer.echo(f"delivery {number} is pending again")
