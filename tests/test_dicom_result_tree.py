"""IHE AIR's tree of results, read by dicom3tools, dcmtk, our checker and our reader."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from ainode_conformance.check import report_violations
from ainode_dicom_sr.objects import encoded
from ainode_dicom_sr.parametric_map import parametric_map
from ainode_dicom_sr.reader import read
from ainode_dicom_sr.reader_findings import findings_in
from ainode_dicom_sr.reader_model import Group, ReadReport
from ainode_dicom_sr.report import measurement_report
from ainode_dicom_sr.result_tree import result_tree
from ainode_dicom_sr.segmentation import segmentation
from ainode_models.errors import EncodingError, InputError
from ainode_models.findings import Findings
from peers.classified import classified, nothing_classified, radiograph_header
from peers.content_items import content_below
from peers.dicom_checkers import assert_valid_iod, entity_warnings, report_text
from peers.dicom_sources import EQUIPMENT, failed, findings, label_map, refused, series, write
from peers.documents import page, table
from peers.heat_map import heat_map_of
from peers.probable import with_probabilities

NOTHING = findings(np.zeros_like(label_map()))


def written(run: Findings, *, with_seg: bool = True) -> dict[str, Dataset]:
    """Tree, report, and what both refer to, of one run."""
    sources = [radiograph_header()] if run.classes else series("oblique")
    shown = {item.number: heat_map_of(run, item, sources[0]) for item in run.classes if item.notable}
    seg = segmentation(run, sources, EQUIPMENT) if run.present and with_seg else None
    report = measurement_report(
        run, sources, EQUIPMENT, reference_sources=sources, segmentations=[seg] if seg else [], explanations=shown
    )
    tree = result_tree(run, report, EQUIPMENT, sources=sources, explanations=shown)
    return {"tree": tree, "report": report, **{f"sc{number}": ds for number, ds in shown.items()}}


def test_a_parametric_map_stands_below_the_region_that_it_is_of() -> None:
    run, sources = with_probabilities(findings()), series()
    objects = written(run)
    maps = {each.number: parametric_map(run, each, sources, EQUIPMENT) for each in run.present}
    tree = result_tree(run, objects["report"], EQUIPMENT, sources=sources, maps=maps)
    nodes = [
        (group.label, reference.purpose.meaning, reference.sop_instance_uid)
        for group in reading(tree).groups
        for reference in group.references
        if reference.purpose and reference.purpose.value == "AIR036"
    ]
    assert nodes == [
        (f"Probability of {each.label}", "Parametric Map", maps[each.number].SOPInstanceUID) for each in run.present
    ]
    assert report_violations(tree) == []


def reading(tree: Dataset) -> ReadReport:
    found = read(tree)
    assert isinstance(found, ReadReport)
    return found


def pointed_to(group: Group) -> list[str]:
    return [str(each.value) for each in group.evaluations if each.concept and each.concept.value == "AIR005"]


@pytest.mark.parametrize(
    "run",
    [
        *(findings(), NOTHING, refused(), failed(), classified(), nothing_classified()),
        replace(findings(), lacking=("probability maps",)),
    ],
    ids=["found", "nothing", "refused", "failed", "classes", "no class", "partial"],
)
def test_the_tree_of_every_outcome_points_to_all_observations_of_its_report(run: Findings, tmp_path: Path) -> None:
    objects = written(run)
    tree, report = objects["tree"], objects["report"]
    paths = [tmp_path / f"{name}.dcm" for name in objects]
    for path, ds in zip(paths, objects.values(), strict=True):
        path.write_bytes(encoded(ds))
    assert_valid_iod(tmp_path / "tree.dcm")
    sources = [radiograph_header()] if run.classes else series("oblique")
    assert entity_warnings([*paths, *write(sources, tmp_path / "sources")]) == []
    assert report_violations(tree) == []
    found = reading(tree)
    assert found.notes == ()
    assert (found.template, found.kind, found.completion) == (
        "IHERADAIR1",
        "Basic Text SR Storage",
        report.CompletionFlag,
    )
    observed = [item.ObservationUID for item in content_below(report) if "ObservationUID" in item]
    assert [uid for group in found.groups for uid in pointed_to(group)] + pointed_to(found.general) == observed
    referenced = {each.sop_instance_uid for group in (found.general, *found.groups) for each in group.references}
    assert referenced == {ds.SOPInstanceUID for name, ds in objects.items() if name != "tree"}


def labels(run: Findings, *, with_seg: bool = True) -> list[tuple[str | None, str]]:
    """Label and name of each node."""
    found = reading(written(run, with_seg=with_seg)["tree"])
    return [
        (group.label, reference.purpose.meaning)
        for group in (found.general, *found.groups)
        for reference in group.references
        if reference.purpose
    ]


def test_the_labels_say_what_was_found_and_what_was_not() -> None:
    group = "Measurement Group"
    assert labels(findings()) == [
        ("Findings: brain-tumour-demo 1.0.0", "Root Result"),
        ("Necrosis", "Region"),
        ("Enhancing tumour", "Region"),
        ("Oedema: not found", group),
    ]
    assert [kind for _, kind in labels(findings(), with_seg=False)] == ["Root Result", group, group, group]
    assert labels(NOTHING)[0] == ("Nothing found: brain-tumour-demo 1.0.0", "Root Result")
    assert all(str(label).endswith(": not found") for label, _ in labels(NOTHING)[1:])
    partial = replace(findings(), lacking=("probability maps",))
    assert labels(partial)[0] == ("Findings, PARTIAL: brain-tumour-demo 1.0.0", "Root Result")
    assert labels(partial)[1:] == labels(findings())[1:]
    assert labels(failed()) == [("FAILED, not a negative result: brain-tumour-demo 1.0.0", "Root Result")]
    assert labels(refused()) == [("IMAGES REFUSED, not a negative result: brain-tumour-demo 1.0.0", "Root Result")]
    assert labels(classified())[1:] == [
        ("Viral pneumonia: present", group),
        ("Heat map of Viral pneumonia", "Visual explanation"),
        ("Lung opacity <any>: undetermined", group),
        ("Heat map of Lung opacity <any>", "Visual explanation"),
        ("COVID-19: absent", group),
        ("Certainty of the best class", group),
    ]


def test_dcmtk_reads_the_tree_without_a_warning_and_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "tree.dcm"
    path.write_bytes(encoded(written(findings())["tree"]))
    text = report_text(path)
    assert "# TID IHERADAIR1 (99IHE)" in text
    assert "AI brain-tumour-demo tree of results - NOT FOR DIAGNOSTIC USE" in text
    assert path.read_bytes() == encoded(written(findings())["tree"])


def test_the_tree_has_the_values_that_the_statement_gives() -> None:
    tree = written(findings(), with_seg=False)["tree"]
    for keyword, value in table(page("conformance/dicom-conformance-statement.md"), "keyword of the tree"):
        assert str(tree[keyword].value).replace("brain-tumour-demo", "NAME") == value
    assert not [element for element in tree.iterall() if element.tag.is_private]


def test_a_tree_is_no_report_of_findings_and_needs_its_images() -> None:
    objects = written(findings())
    with pytest.raises(InputError, match="its SOPInstanceUID is another's"):
        findings_in(objects["tree"])
    with pytest.raises(EncodingError, match="none were given"):
        result_tree(findings(), objects["report"], EQUIPMENT, sources=[])
