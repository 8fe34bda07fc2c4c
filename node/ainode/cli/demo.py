"""``ainode demo``: the whole way of a study on this machine, with a real Orthanc."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    once: Annotated[bool, typer.Option("--once", help="End by itself; otherwise all stays up until Ctrl-C.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for all that the demonstration writes.")] = Path("build"),
) -> None:
    """Send studies to a local Orthanc and show segmentation, report and FHIR resource come back."""
    from ainode.demo.show import show  # no other command waits for what the demonstration needs

    show(out, once=once)
