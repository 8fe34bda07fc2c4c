"""``ainode rules``: check the routing rules, and explain what they make of a study."""

import os
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from ainode.cli.journal import SettingsOption
from ainode.route.router import RuleVerdict, SeriesVerdict, route
from ainode.route.rule import Rule
from ainode.route.site import site_rules
from ainode.settings import load_settings
from ainode.study import ReadFiles, Series, Study, read_study_folder
from ainode.volume.builder import read_header
from ainode.volume.geometry import stack_slices
from ainode_models.errors import InputError
from ainode_models.registry import Registry

app = typer.Typer(no_args_is_help=True, help="Check the routing rules, and explain what they make of a study.")
_WIDTH = 100


@app.command()
def check(settings: SettingsOption = None) -> None:
    """Read the rules file strictly, and check the models and destinations that it names."""
    loaded = load_settings(settings, os.environ)
    rules = site_rules(loaded, Registry(loaded.models.folder))
    typer.echo(f"{loaded.rules.file}: {len(rules)} {'rule is' if len(rules) == 1 else 'rules are'} fine")


@app.command()
def test(
    study_folder: Annotated[Path, typer.Argument(metavar="STUDY_FOLDER", help="Folder with the files of a study.")],
    settings: SettingsOption = None,
) -> None:
    """Explain, series by series, which rule would take it, for which model input, or why not.

    Nothing is sent and no model runs. The values of attributes that could identify the patient are not shown.
    """
    loaded = load_settings(settings, os.environ)
    rules = site_rules(loaded, Registry(loaded.models.folder))
    found = read_study_folder(study_folder)
    if not found.studies:
        raise InputError(f"{study_folder}: holds no DICOM instance ({_skipped(found)})")
    console = Console(width=_WIDTH, highlight=False)
    for study in found.studies:
        _explain(console, rules, study)
    if found.skipped:
        _line(console, 0, f"Left out: {_skipped(found)}")


def _skipped(found: ReadFiles) -> str:
    listed = [f"{entry.path.name}: {entry.reason}" for entry in found.skipped[:5]]
    more = len(found.skipped) - len(listed)
    return "; ".join(listed + ([f"and {more} more"] if more else [])) or "the folder is empty"


def _explain(console: Console, rules: tuple[Rule, ...], study: Study) -> None:
    _line(console, 0, f"Study {study.study_uid}", style="bold")
    series = sorted(study.series, key=lambda member: (_number(member).zfill(10), member.series_uid))
    for verdict in route(rules, study).verdicts:
        _explain_rule(console, verdict, series)
    if not rules:
        _line(console, 2, "There are no rules.")
    console.print()


def _number(series: Series) -> str:
    return str(series.header.get("SeriesNumber") or "?")


def _title(series: Series) -> str:
    images = f"{series.images} {'image' if series.images == 1 else 'images'}"
    description = str(series.header.get("SeriesDescription") or "no description")
    return f"series {_number(series)}, {series.modality or '?'}, {images}, {description}"


def _explain_rule(console: Console, verdict: RuleVerdict, series: list[Series]) -> None:
    console.print()
    _line(console, 2, f'Rule "{verdict.rule.name}" {verdict.summary}', style="bold")
    said = {entry.series_uid: entry for entry in verdict.series}
    for member in series:
        entry = said[member.series_uid]
        style = "green" if entry.input else "yellow"
        _line(console, 4, f"{_title(member)} -> {entry.input or 'not taken'}", style=style)
        for reason in entry.reasons:
            _line(console, 6, reason)
        for volume in _volumes(verdict.rule, entry, member):
            _line(console, 6, volume)


def _volumes(rule: Rule, entry: SeriesVerdict, series: Series) -> Iterator[str]:
    """For each input that says which volume of the series it takes, the one that it would get, or why none."""
    for wanting in rule.inputs:
        if wanting.name in entry.inputs and wanting.volume is not None:
            try:
                stack = stack_slices([read_header(path) for path in series.paths], wanting.volume)
            except InputError as refusal:
                yield f"{wanting.name} would fail: {refusal}"
            else:
                yield f"{wanting.name} gets {len(stack.headers)} slices{''.join(f'; {note}' for note in stack.notes)}"


def _line(console: Console, indent: int, text: str, *, style: str = "") -> None:
    """One paragraph, wrapped, without the padding that rich adds at the ends of lines."""
    first, others = " " * indent, " " * (indent + 2)
    for line in textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=others, break_on_hyphens=False):
        console.print(Text(line, style=style), soft_wrap=True)
