"""``ainode runs review``: what a human decided about a result, written down by the one who runs the node."""

import os
from typing import Annotated

import typer
from pydantic import ValidationError

from ainode.api.review_answers import NamedReviewer, ReviewRequest, StruckFinding, Verdict
from ainode.cli.journal import Journal, SettingsOption, journal, local_time
from ainode.encode.kept_findings import kept_findings
from ainode.journal.runs import RunRow
from ainode.places import Places
from ainode.settings import load_settings
from ainode_fhir.review import Reviewer, check_review
from ainode_models.errors import ConfigError


def review(
    run_id: Annotated[str, typer.Argument(help="Id of a finished run, or its first letters.")],
    verdict: Annotated[Verdict, typer.Argument(help="What was decided.")],
    reviewer: Annotated[str, typer.Option(help="Who decided, by an identifier.", metavar="SYSTEM|VALUE")],
    name: Annotated[str, typer.Option(help="Their name, for readers.")] = "",
    reason: Annotated[str, typer.Option(help="Why; needed to reject.")] = "",
    comment: Annotated[str, typer.Option(help="What is to be said beside.")] = "",
    strike: Annotated[
        list[str] | None,
        typer.Option(help="Number of a finding that does not count, and why.", metavar="NUMBER=REASON"),
    ] = None,
    settings: SettingsOption = None,
) -> None:
    """Write down that a human accepted, edited or rejected a result; FHIR says so as soon as the node runs."""
    loaded = load_settings(settings, os.environ)
    try:
        asked = ReviewRequest(
            verdict=verdict,
            reason=reason,
            comment=comment,
            struck=[_struck(text) for text in strike or ()],
            reviewer=_reviewer(reviewer, name),
        )
    except ValidationError as error:
        where = ", ".join(".".join(map(str, each["loc"])) for each in error.errors())
        raise ConfigError(f"too long, empty, or more than one line: {where}") from error
    assert asked.reviewer
    with journal(loaded) as book:
        run = _finished_run(book, run_id)
        who = Reviewer(asked.reviewer.system, asked.reviewer.value, asked.reviewer.name)
        draft = asked.draft(run.run_id, who, via="command line")
        findings = kept_findings(Places.of(loaded).results / run.run_id)
        check_review(draft.verdict, reason=draft.reason, struck=draft.struck, findings=findings)
        row = book.reviews.add(draft)
        typer.echo(f"review {row.review.number} of run {run.run_id}: {verdict}")


def reviewed(book: Journal, run: RunRow) -> tuple[str, ...]:
    """A line for the list of runs, about the review that counts."""
    row = book.reviews.last(run.run_id)
    if row is None:
        return ()
    state = "" if row.state == "applied" else f" ({row.state}{f': {row.trouble}' if row.trouble else ''})"
    when = local_time(row.review.reviewed_at.timestamp())
    return (f"review: {row.review.verdict} by {row.review.reviewer.shown} on {when}{state}",)


def _finished_run(book: Journal, prefix: str) -> RunRow:
    found = [row for row in book.runs.all(10_000) if row.run_id.startswith(prefix) and row.state == "finished"]
    if len(found) != 1:
        raise ConfigError(f"{len(found)} finished runs begin with {prefix!r}; ainode runs lists them")
    return found[0]


def _reviewer(text: str, name: str) -> NamedReviewer:
    system, _, value = text.rpartition("|")
    if not system or not value or value == "*":
        raise ConfigError(f"{text!r} names no reviewer; write SYSTEM|VALUE, for example urn:oid:1.2.3|4711")
    return NamedReviewer(system=system, value=value, name=name)


def _struck(text: str) -> StruckFinding:
    number, _, reason = text.partition("=")
    if not number.strip().isdecimal():
        raise ConfigError(f"{text!r} strikes no finding; write NUMBER=REASON, for example 2='an artefact'")
    return StruckFinding(number=int(number), reason=reason)
