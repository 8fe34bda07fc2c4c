"""The command line: ``ainode``."""

import os
import sys

import typer

from ainode.cli import bench, config, deliveries, demo, doctor, evaluate, keys, models, rules, runs, serve, sr, train
from ainode_models.errors import AinodeError

app = typer.Typer(
    name="ainode",
    help="The AI node beside the PACS: studies in, segmentations, structured reports and FHIR reports out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve")(serve.serve)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.command("evaluate")(evaluate.evaluate)
app.command("sr")(sr.sr)
app.add_typer(runs.app, name="runs")
app.add_typer(deliveries.app, name="deliveries")
app.add_typer(rules.app, name="rules")
app.add_typer(models.app, name="models")
app.add_typer(keys.app, name="keys")
app.add_typer(config.app, name="config")
app.add_typer(train.app, name="train")
app.add_typer(bench.app, name="bench")


def main() -> None:
    """Run a command; an error is one sentence and exit code 2, and with ``AINODE_TRACEBACK=1`` its traceback too."""
    try:
        app()
    except AinodeError as error:
        if os.environ.get("AINODE_TRACEBACK"):
            raise
        typer.secho(f"ainode: {error}", err=True, fg="red")
        sys.exit(2)
