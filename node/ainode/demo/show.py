"""The demonstration from start to end, told on the terminal."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ainode.cli.journal import Journal, journal
from ainode.demo.outcome import fetch_outcome
from ainode.demo.report import Finished, demo_report, demo_table
from ainode.demo.site import STORESCU, WITHOUT_NAGLE, DemoSite
from ainode.demo.studies import DemoStudy, phantom_study, real_head
from ainode.demo.watch import StudyProgress, look
from ainode.folder_lock import FolderLock
from ainode.peers import dicomweb
from ainode_models.errors import ConfigError, PeerRefused, PeerUnreachable
from ainode_models.registry import Registry

ROOT = Path(__file__).resolve().parents[3]


def show(out: Path, *, once: bool) -> None:
    """Run the demonstration in ``out``/demo and write ``out``/demo.json; ``PeerRefused`` when a study fails."""
    console = Console()
    folder = out / "demo"
    out.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does, with all that was started
    lock = FolderLock(out)
    lock.take()
    shutil.rmtree(folder, ignore_errors=True)
    if not STORESCU.is_file():
        raise ConfigError(f"there is no {STORESCU}: run scripts/install-system")
    console.print("Making a phantom study: four MR series of a head with two tumours ...")
    head = real_head(os.environ, ROOT)
    studies = [phantom_study(folder / "phantom"), *([head] if head else [])]
    console.print("Starting Orthanc and the node ...")
    with DemoSite(folder / "site", models=ROOT / "models", ohif=out / "ohif" / "dist") as site:
        finished = _run(site, studies, console)
        report = demo_report(finished, ROOT)
        report.write(out / "demo.json")
        console.print(demo_table(finished))
        for item in finished:
            _tell(item, site, console)
        console.print(f"\nThe figures are in {out / 'demo.json'}. Demonstration models: not for diagnostic use.")
        if not report.holds or not all(item.outcome.good for item in finished):
            raise PeerRefused("the demonstration did not end as it should; the table above says where")
        if not once:
            _stay(console)


def _tell(item: Finished, site: DemoSite, console: Console) -> None:
    study, outcome = item.progress.study, item.outcome
    dice = ", ".join(f"{label} {score:.3f}" for label, score in outcome.dice.items())
    lines = (
        *(f"{kind} in Orthanc: {uid}" for kind, uid in outcome.objects.items()),
        f"Dice against the truth: {dice}" if dice else "Dice: nobody knows the truth of a real patient",
        f"report: curl '{outcome.search}'",
        f"viewer: {site.viewer_url(study.study_uid)}",
    )
    console.print(f"\n[bold]{study.name}[/]")
    for line in lines:
        console.print(f"  {line}", soft_wrap=True, highlight=False, markup=False)


def _run(site: DemoSite, studies: Sequence[DemoStudy], console: Console) -> list[Finished]:
    client = dicomweb(site.settings.archive[0])
    registry = Registry(site.settings.models.folder)
    finished = []
    with journal(site.settings) as book:
        for study in studies:
            sent_at = time.time()
            _send(study, site, console)
            progress = _watch(book, study, console)
            if progress.run is None or progress.run.state == "failed" or not progress.delivered_at:
                raise PeerRefused(f"{study.name}: {progress.words}; ainode runs says why")
            manifest = registry.get(progress.run.model).manifest
            outcome = fetch_outcome(
                study, manifest, client, fhir=site.fhir_url, out=site.folder / "results" / study.name.replace(" ", "-")
            )
            finished.append(Finished(progress, outcome, sent_at))
    return finished


def _send(study: DemoStudy, site: DemoSite, console: Console) -> None:
    console.print(f"Sending the {study.name} ({len(study.files)} instances) to Orthanc with storescu ...")
    done = subprocess.run(
        [STORESCU, "-aec", site.orthanc.ae_title, "127.0.0.1", str(site.orthanc.dicom_port), *study.files],
        check=False,
        env=WITHOUT_NAGLE,
    )
    if done.returncode:
        raise PeerRefused(f"storescu could not send the {study.name} to Orthanc; its words are above")


def _watch(book: Journal, study: DemoStudy, console: Console) -> StudyProgress:
    """Show progress until the study is done; give up after ten minutes."""
    deadline = time.monotonic() + 600
    stage = ""
    with console.status("") as status:
        while time.monotonic() < deadline:
            progress = look(book, study)
            status.update(progress.words)
            if progress.stage != stage:
                stage = progress.stage
                console.print(f"  {progress.words}", markup=False, highlight=False)
            if progress.done:
                return progress
            time.sleep(0.2)
    raise PeerUnreachable(f"{study.name}: no result after 10 minutes; it is at: {progress.words}")


def _stay(console: Console) -> None:
    console.print("All stays up: press Ctrl-C to end.")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        console.print("Ending ...")
