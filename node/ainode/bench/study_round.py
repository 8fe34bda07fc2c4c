"""Some studies sent at once, each watched until the archive shows its results."""

import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from ainode.bench.study_cases import SentStudy
from ainode.demo.site import STORESCU, WITHOUT_NAGLE

_POLL_S = 0.02
_WANTED = {"SEG", "SR"}


@dataclass(frozen=True)
class Outcome:
    """One study that was sent, in seconds since 1970."""

    study: SentStudy
    began: float
    sent: float
    """dcmtk's storescu had its last answer and ended."""
    found: float | None
    """None when the results were not there in time."""


def run_round(studies: Sequence[SentStudy], port: int, dicomweb: str, *, seconds: float) -> list[Outcome]:
    """Send all studies at once to the node's DICOM ``port`` of this machine, each by a storescu of its own.

    Waits ``seconds`` at most for the results of all in the archive whose DICOMweb is at ``dicomweb``.
    """
    deadline = time.time() + seconds
    with ThreadPoolExecutor(len(studies)) as pool, httpx.Client(trust_env=False) as http:
        sending = {study.uid: (time.time(), pool.submit(_send, study, port)) for study in studies}
        found: dict[str, float] = {}
        while len(found) < len(studies) and time.time() < deadline:
            for uid in [uid for uid, (_, sent) in sending.items() if sent.done() and uid not in found]:
                if _shown(http, dicomweb, uid) >= _WANTED:
                    found[uid] = time.time()
            time.sleep(_POLL_S)
    return [Outcome(each, sending[each.uid][0], sending[each.uid][1].result(), found.get(each.uid)) for each in studies]


def _send(study: SentStudy, port: int) -> float:
    target = ["-aec", "AINODE", "127.0.0.1", str(port)]
    command = [str(STORESCU), "--max-send-pdu", "131072", *target, "+sd", "+r", str(study.folder)]
    subprocess.run(command, env=WITHOUT_NAGLE, check=True, capture_output=True)
    return time.time()


def _shown(http: httpx.Client, dicomweb: str, study_uid: str) -> set[str]:
    """Modalities of the series that QIDO-RS shows (PS3.18 10.6)."""
    answer = http.get(f"{dicomweb}/studies/{study_uid}/series", headers={"Accept": "application/dicom+json"})
    series = answer.raise_for_status().json() if answer.content else []
    return {each["00080060"]["Value"][0] for each in series}
