"""Writes the objects of one run: SEG, PM, SC, SR, TREE and PDF as files, FHIR as a Bundle and in the node's store."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from fhir.resources.R4B.bundle import Bundle
from pydicom.dataset import Dataset

from ainode.durable_file import durable_file
from ainode.encode.heat_map import heat_maps
from ainode.encode.illustration import Illustration, pictures
from ainode.encode.imaging_context import imaging_context
from ainode.encode.kept_findings import keep_findings
from ainode.encode.key_images import key_images
from ainode.journal.runs import ResultRow, RunRow
from ainode.orders.study_orders import StudyOrders
from ainode.study import Study
from ainode_dicom_sr.encapsulated_pdf import document_of, encapsulated_pdf
from ainode_dicom_sr.equipment import Equipment
from ainode_dicom_sr.objects import write_object
from ainode_dicom_sr.parametric_map import parametric_map
from ainode_dicom_sr.report import measurement_report
from ainode_dicom_sr.result_tree import result_tree
from ainode_dicom_sr.secondary_capture import secondary_capture
from ainode_dicom_sr.segmentation import segmentations
from ainode_dicom_sr.segmentation_form import SegmentationForm
from ainode_fhir.bundle import as_json, report_bundle
from ainode_fhir.datatypes import Json
from ainode_fhir.diagnostic_report import report_id
from ainode_fhir.site import Site
from ainode_fhir.store import ResourceStore
from ainode_fhir.study import ImagingContext, Kind, ResultObject
from ainode_fhir.supersede import superseded_bundle
from ainode_models.findings import Findings
from ainode_models.radiograph import Radiograph

REPORT = "report.json"
"""File of the transaction with the resources of a run, in the run's folder."""
WITHDRAWAL = "withdrawal.json"
"""File of the transaction that withdraws the reports of the runs before, where there are any."""


@dataclass(frozen=True)
class Images:
    """Headers of what the model was given, without pixels."""

    evidence: Sequence[Dataset]
    """Of every input image."""
    reference: Sequence[Dataset]
    """Of the series that the label map lies on, in the order of its slices, or of the image that was classified; empty
    after a failure."""
    radiograph: Radiograph | None = None
    """What a classifier saw."""


_KINDS: Mapping[str, Kind] = MappingProxyType(
    {"SEG": "SEG", "LABELMAP": "SEG", "SPLIT": "SEG", "PM": "PM", "SC": "SC", "SR": "SR", "TREE": "TREE", "PDF": "PDF"}
)


class Encoder:
    """Encodes findings for the outputs that the run asks for; doing so twice writes the same objects."""

    def __init__(
        self,
        results: Path,
        *,
        equipment: Equipment,
        site: Site,
        store: ResourceStore,
        forms: Mapping[str, SegmentationForm] = MappingProxyType({}),
        orders: StudyOrders | None = None,
        card: Callable[[str], str | None] = lambda _model: None,
    ) -> None:
        """``forms``: that of the segmentations for each destination that takes any, by its name.

        ``card`` gives the model card of ``name@version``, in Markdown.
        """
        self._orders = orders
        self._card = card
        self._results = results
        self._forms = forms
        self._equipment = equipment
        self._site = site
        self._store = store

    def encode(
        self, run: RunRow, findings: Findings, images: Images, *, study: Study, replaced: Sequence[str]
    ) -> list[ResultRow]:
        """Write the objects and return their rows, paths relative to the results folder.

        ``replaced`` are the runs whose reports this one's takes the place of.
        """
        folder = self._results / run.run_id
        folder.mkdir(parents=True, exist_ok=True)
        maps = self._maps(run, findings, images)
        rows = [row for row, _ in maps.values()]
        objects = self._dicom(run, findings, images, {number: header for number, (_, header) in maps.items()})
        rows += [self._save(run.run_id, kind, ds) for kind, ds in objects.items()]
        page = document_of(objects["PDF"]) if "PDF" in objects else None
        if "fhir" in run.spec.outputs:
            context = imaging_context(study, images.evidence)
            if self._orders:
                context = self._orders.completed(context)
            rows.append(self._report(run, findings, context, objects=rows, replaced=replaced, page=page))
            if self._orders:
                self._orders.look_again(context)
        return rows

    def _maps(self, run: RunRow, findings: Findings, images: Images) -> Mapping[int, tuple[ResultRow, Dataset]]:
        """Row and header of the Parametric Map of each present segment, by its number; one at a time is in memory."""
        if "pm" not in run.spec.outputs or findings.probabilities is None:
            return {}
        made: dict[int, tuple[ResultRow, Dataset]] = {}
        for segment in findings.present:
            ds = parametric_map(findings, segment, images.reference, self._equipment)
            row = self._save(run.run_id, f"PM{segment.number}", ds)
            del ds.FloatPixelData
            made[segment.number] = row, ds
        return made

    def _dicom(
        self, run: RunRow, findings: Findings, images: Images, maps: Mapping[int, Dataset]
    ) -> Mapping[str, Dataset]:
        """By their kind; what the report refers to comes before it."""
        objects: dict[str, Dataset] = {}
        outputs = run.spec.outputs
        forms = self._wanted(run) if "seg" in outputs and findings.present else ()
        segmented = {form: segmentations(findings, images.reference, self._equipment, form=form) for form in forms}
        for form, made in segmented.items():
            objects |= _by_kind(form, made)
        drawn = _drawn(findings, images) if {"sc", "pdf"}.intersection(outputs) else []
        captures = self._captures(findings, images, drawn) if "sc" in outputs else {}
        objects |= {f"SC{number}": image for number, image in captures.items()}
        explanations = captures if findings.classes else {}
        if "sr" in outputs:
            objects["SR"] = measurement_report(
                findings,
                images.evidence,
                self._equipment,
                reference_sources=images.reference,
                # One report for all destinations: it refers to the form that most viewers read, of those that are made.
                segmentations=next((segmented[form] for form in SegmentationForm if form in segmented), ()),
                explanations=explanations,
            )
        if "tree" in outputs and "SR" in objects:
            sources = images.reference or images.evidence
            objects["TREE"] = result_tree(
                findings, objects["SR"], self._equipment, sources=sources, explanations=explanations, maps=maps
            )
        if "pdf" in outputs:
            objects["PDF"] = self._page(findings, images, drawn)
        return objects

    def _wanted(self, run: RunRow) -> Sequence[SegmentationForm]:
        """Forms that the destinations of a run want; without any, what nearly every viewer reads."""
        wanted = {self._forms[name] for name in run.spec.destinations if name in self._forms}
        return sorted(wanted or {SegmentationForm.BINARY})

    def _captures(self, findings: Findings, images: Images, drawn: Sequence[Illustration]) -> Mapping[int, Dataset]:
        """Secondary Captures by their number, which is that of the class for those of a classifier."""
        return {
            picture.number: secondary_capture(
                findings,
                picture,
                sources=[images.reference[place] for place in each.sources],
                equipment=self._equipment,
            )
            for each, picture in zip(drawn, pictures(findings, drawn), strict=True)
        }

    def _page(self, findings: Findings, images: Images, drawn: Sequence[Illustration]) -> Dataset:
        from ainode.page.report_page import Figure, report_page  # fpdf and its fontTools are the slowest of all imports
        from ainode.page.wording import Both

        sources = images.reference or images.evidence
        figures = [Figure(each.pixels, Both(*each.titles)) for each in drawn]
        page = report_page(findings, sources[0], figures, equipment=self._equipment)
        return encapsulated_pdf(findings, page, sources=sources, equipment=self._equipment)

    def _save(self, run_id: str, kind: str, ds: Dataset) -> ResultRow:
        path = f"{run_id}/{kind.lower()}.dcm"
        with durable_file(self._results / path) as file:
            write_object(ds, file)
        return ResultRow(
            run_id=run_id,
            kind=kind,
            path=path,
            sop_class_uid=str(ds.SOPClassUID),
            sop_instance_uid=str(ds.SOPInstanceUID),
            series_uid=str(ds.SeriesInstanceUID),
        )

    def _report(
        self,
        run: RunRow,
        findings: Findings,
        context: ImagingContext,
        *,
        objects: Sequence[ResultRow],
        replaced: Sequence[str],
        page: bytes | None,
    ) -> ResultRow:
        bundles = {
            REPORT: report_bundle(
                findings,
                context,
                tuple(_result_object(row) for row in objects),
                site=self._site,
                replaces=run.supersedes,
                page=page,
                card=self._card(f"{run.model}@{run.model_version}"),
            )
        }
        if old := self._results_of(replaced):
            bundles[WITHDRAWAL] = superseded_bundle(old, base_url=self._site.base_url)
        for name, bundle in bundles.items():
            self._write(run.run_id, name, bundle)
        keep_findings(findings, self._results / run.run_id)
        # Last, as nothing may go wrong any more: a run that fails has no findings in the store. The withdrawal goes
        # before the report: it has the study as it was.
        for bundle in reversed(bundles.values()):
            self._store.apply(bundle)
        return ResultRow(run_id=run.run_id, kind="FHIR", path=f"{run.run_id}/{REPORT}")

    def _results_of(self, run_ids: Sequence[str]) -> list[Json]:
        """Each resource of the reports of some runs, once: they share patient and study.

        A run that never began has a report without results, in which there is nothing to withdraw.
        """
        reports = [self._store.result_of(report_id(run_id)) for run_id in run_ids]
        found = [resource for report in reports if report and "result" in report[0] for resource in report]
        return list({(resource["resourceType"], resource["id"]): resource for resource in found}.values())

    def _write(self, run_id: str, name: str, bundle: Bundle) -> None:
        with durable_file(self._results / run_id / name) as file:
            file.write(json.dumps(as_json(bundle)).encode())


def _by_kind(form: SegmentationForm, made: Sequence[Dataset]) -> Mapping[str, Dataset]:
    if form is SegmentationForm.SPLIT:
        return {f"{form.kind}{number}": ds for number, ds in enumerate(made, start=1)}
    (whole,) = made
    return {form.kind: whole}


def _drawn(findings: Findings, images: Images) -> Sequence[Illustration]:
    if images.radiograph is not None:
        return heat_maps(findings, images.radiograph)
    return key_images(findings, images.reference)


def _result_object(row: ResultRow) -> ResultObject:
    assert row.sop_class_uid
    assert row.sop_instance_uid
    assert row.series_uid
    return ResultObject(
        kind=_KINDS[row.group],
        sop_class_uid=row.sop_class_uid,
        sop_instance_uid=row.sop_instance_uid,
        series_uid=row.series_uid,
    )
