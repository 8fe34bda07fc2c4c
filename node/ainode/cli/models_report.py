"""What the check of a package has shown, in words."""

import typer

from ainode_models.package_check import Report


def say_report(name: str, report: Report) -> None:
    """One line with the verdict, and one for each remark."""
    seconds = f"loaded in {report.load_seconds:.1f} s"
    if report.agreement:
        seconds += f"; sample in {report.sample_seconds:.1f} s: {report.agreement}"
    typer.echo(f"{name}: {report.reference} is sound ({seconds})")
    for remark in report.remarks:
        typer.secho(f"{name}: note: {remark}", fg="yellow")
