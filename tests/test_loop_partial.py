"""A node whose models cannot make what was asked for beside their answers delivers the answers, and says what lacks."""

import io
import os
from pathlib import Path

import pytest
from pydicom import dcmread

from ainode.journal.runs import RunRow
from ainode_dicom_sr.encapsulated_pdf import document_of
from ainode_dicom_sr.reader_findings import findings_in
from peers.classified import radiograph
from peers.dcmtk import storescu
from peers.head_study import write_head
from peers.node import HEAD_RULE, NodeServer
from peers.orthanc import OrthancServer
from peers.poppler import text_of
from peers.probe_runtime import install_probe, probe_classifier, probe_package

SEGMENTS = HEAD_RULE.replace("t1-head-demo", "segments").replace(
    "destinations", 'outputs = ["seg", "pm", "sr", "fhir"]\ndestinations'
)
CLASSIFIES = """
[[rule]]
name = "chest"
model = "classifies"
outputs = ["sc", "sr", "pdf", "fhir"]
destinations = ["orthanc"]
[rule.input.chest]
Modality = "DX"
"""
NO_MAPS = "probability maps, for the memory did not suffice"
NO_HEAT = "heat maps, for the model could not make them"


def test_results_that_lack_something_are_delivered_and_say_so_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = install_probe(tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(probe), os.environ.get("PYTHONPATH", "")]))
    models = tmp_path / "models"
    probe_package(models, "segments", keeping="lacks memory")
    probe_classifier(models, "classifies", keeping="breaks")
    _, head = write_head(tmp_path / "head")
    chest = tmp_path / "chest.dcm"
    radiograph().save_as(chest, enforce_file_format=True)
    with (
        OrthancServer(tmp_path / "orthanc") as orthanc,
        NodeServer(tmp_path / "node", orthanc, rules=SEGMENTS + CLASSIFIES, models=models) as node,
    ):
        storescu([*head, chest], "127.0.0.1", node.dicom_port, called="AINODE")

        def ended() -> list[RunRow]:
            runs = node.look(lambda book: book.runs.all())
            return runs if len(runs) == 2 and all(run.finished_at for run in runs) else []

        node.wait(ended, "both runs")
        listed = node.ainode("runs").stdout
        for run in ended():
            assert (run.state, run.outcome) == ("finished", "findings"), run.reason
            node.wait_for_delivery(run.run_id)
            lacking, made = (NO_MAPS, {"SEG", "SR"}) if run.model == "segments" else (NO_HEAT, {"SR", "DOC"})
            assert f"reason: partial, it lacks {lacking}" in listed
            found = orthanc.find("Instance", {"StudyInstanceUID": run.study_uid})
            objects = [dcmread(io.BytesIO(orthanc.file_of(item["MainDicomTags"]["SOPInstanceUID"]))) for item in found]
            ours = {ds.Modality: ds for ds in objects}
            assert ours.keys() == made
            report = ours["SR"]
            assert (report.CompletionFlag, report.CompletionFlagDescription) == ("PARTIAL", f"Lacks {lacking}")
            back = findings_in(report)
            assert (back.outcome, back.lacking, back.partial) == ("findings", (lacking,), True)
            if "DOC" in ours:
                assert f"Lacking / Falta: {lacking}" in text_of(document_of(ours["DOC"]))
        conclusions = [str(body["conclusion"]) for body in node.reports()]
        for lacking in (NO_MAPS, NO_HEAT):
            assert sum(f"PARTIAL RESULT: asked for, but not made: {lacking}." in said for said in conclusions) == 1
        assert all(body["status"] == "partial" for body in node.reports())
