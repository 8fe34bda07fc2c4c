"""The tables of conformance/ and docs/ say what the code does, row by row, in both directions."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pynetdicom
import pytest
import typer.main
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase
from pydicom.dataset import Dataset
from pydicom.uid import UID, CTImageStorage
from pynetdicom import AE, AllStoragePresentationContexts, evt, sop_class
from pynetdicom.events import Event
from typer.core import TyperGroup

import ainode.app  # noqa: F401 - registers every metric
from ainode.cli import app as command_line
from ainode.commitment.statuses import ActionStatus, FailureReason
from ainode.deliver.association import Peer, association
from ainode.dicomweb.failure import Reason
from ainode.dicomweb.frames import MEDIA
from ainode.dicomweb.search_keys import KEYS
from ainode.journal import tables
from ainode.receive.contexts import STORAGE_CLASSES, TRANSFER_SYNTAXES
from ainode.receive.statuses import Status
from ainode.settings.schema import field_documents, section_of
from ainode.settings.sections import Dicom
from ainode.settings.toml_text import default_literal
from ainode_dicom_sr.encapsulated_pdf import encapsulated_pdf
from ainode_dicom_sr.objects import IMPLEMENTATION_CLASS_UID, implementation_version_name
from ainode_dicom_sr.parametric_map import parametric_map
from ainode_dicom_sr.report import measurement_report
from ainode_dicom_sr.segmentation import segmentation
from ainode_fhir.audit.search import AUDIT_PARAMETERS
from ainode_fhir.capability import capability_statement
from ainode_fhir.parameters import PARAMETERS
from ainode_models.findings import Decision, Findings
from peers.classified import CLASSES, NORMAL, classified, radiograph_header
from peers.dicom_sources import EQUIPMENT, failed, findings, label_map, series
from peers.documents import page, table
from peers.heat_map import heat_map_of
from peers.prior_samples import with_prior
from peers.probable import with_probabilities
from peers.shared_data import ROOT

STATEMENT = "conformance/dicom-conformance-statement.md"
FHIR = "conformance/fhir-capabilities.md"


def classification() -> tuple[Dataset, Dataset]:
    """SR and SC of a classifier's run, with a class of each decision, and normal ones."""
    absent = replace(NORMAL, number=5, tracking_uid="2.25.75", decision=Decision.ABSENT)
    run, source = classified((*CLASSES, NORMAL, absent)), radiograph_header()
    shown = heat_map_of(run, run.classes[0], source)
    report = measurement_report(run, [source], EQUIPMENT, reference_sources=[source], explanations={1: shown})
    return report, shown


def runs() -> dict[str, tuple[Dataset, Dataset | None]]:
    """SR and, where there is one, SEG of the three ways in which a run can end, and of a classifier's run."""
    ways = {"found": with_prior(findings()), "nothing": findings(np.zeros_like(label_map())), "failed": failed()}
    return {name: objects(run) for name, run in ways.items()} | {"classified": (classification()[0], None)}


def objects(run: Findings) -> tuple[Dataset, Dataset | None]:
    sources = series()
    seg = segmentation(run, sources, EQUIPMENT) if run.present else None
    return measurement_report(
        run, sources, EQUIPMENT, reference_sources=sources, segmentations=[seg] if seg else []
    ), seg


def items(ds: Dataset) -> Iterator[Dataset]:
    for item in ds.get("ContentSequence", ()):
        yield item
        yield from items(item)


def test_the_statuses_of_the_statement_are_those_of_the_code() -> None:
    stated = [row[:1] + row[2:] for row in table(page(STATEMENT), "status")]
    assert stated == [(f"0x{status.hex}", status.meaning, status.clause) for status in Status]


def test_the_answers_of_storage_commitment_in_the_statement_are_those_of_the_code() -> None:
    stated = [row[:1] + row[2:] for row in table(page(STATEMENT), "N-ACTION status")]
    assert stated == [(f"0x{each.code:04X}", each.meaning.replace("`", ""), each.clause) for each in ActionStatus]
    reasons = [row[:1] + row[2:] for row in table(page(STATEMENT), "Failure Reason")]
    assert reasons == [(f"0x{each.code:04X}", each.meaning) for each in FailureReason]


def test_the_transfer_syntaxes_of_the_statement_are_those_of_the_code_in_their_order() -> None:
    listed = table(page(STATEMENT), "UID")
    assert listed == [(uid, UID(uid).name) for uid in TRANSFER_SYNTAXES]
    assert f"accepts {len(listed)} transfer syntaxes" in page(STATEMENT)


def test_what_the_origin_server_answers_is_what_the_statement_says() -> None:
    assert [row[0] for row in table(page(STATEMENT), "STOW-RS reason")] == [f"0x{each:04X}" for each in Reason]
    keys = {row[0]: row[1] for row in table(page(STATEMENT), "matching key")}
    assert keys == {name: kind.value for name, (_, kind) in KEYS.items()}
    assert {row[0]: row[1] for row in table(page(STATEMENT), "frames of")} == MEDIA


def test_the_storage_classes_listed_are_those_of_the_code() -> None:
    names = {str(value): name for name, value in vars(sop_class).items() if isinstance(value, UID)}
    current = {str(context.abstract_syntax) for context in AllStoragePresentationContexts}
    listed = table(page("conformance/storage-sop-classes.md"), "UID")
    assert len(listed) == len(set(listed))
    assert set(listed) == {
        (uid, UID(uid).keyword or names[uid], "current" if uid in current else "retired") for uid in STORAGE_CLASSES
    }
    assert f"Accepts **{len(listed)} SOP classes**" in page(STATEMENT)


def test_the_receivers_settings_in_the_statement_are_those_of_the_code() -> None:
    documents = field_documents(Dicom)
    settings = section_of(Dicom).settings
    assert table(page(STATEMENT), "setting") == [
        (each.name, default_literal(each.default), documents[each.name].replace("`", "")) for each in settings
    ]


def announced_as_requestor() -> tuple[str, str]:
    """Implementation UID and version that a PACS hears from our SCU."""
    heard: list[tuple[str, str]] = []

    def hear(event: Event) -> None:
        peer = event.assoc.requestor
        heard.append((str(peer.implementation_class_uid), str(peer.implementation_version_name)))

    pacs = AE("PACS")
    pacs.add_supported_context(CTImageStorage)
    server = pacs.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_REQUESTED, hear)])
    assert server
    try:
        with association(Peer("pacs", "PACS", "127.0.0.1", server.server_address[1], "US", 10), [CTImageStorage]):
            pass
    finally:
        server.shutdown()
    return heard[0]


def test_the_statement_names_the_implementation_and_its_version() -> None:
    client = AE()
    rows = {row[0]: row[1:] for row in table(page(STATEMENT), "property")}
    accepts, requests = zip(*(rows[f"Implementation {what}"] for what in ("Class UID", "Version Name")), strict=True)
    assert accepts == (str(IMPLEMENTATION_CLASS_UID), implementation_version_name())
    assert requests == ("the same", "the same")
    assert announced_as_requestor() == accepts
    assert rows["maximum PDU received"][1] == f"{client.maximum_pdu_size} bytes"
    assert f"pynetdicom {pynetdicom.__version__} knows" in page(STATEMENT)


def test_the_objects_have_the_values_that_the_statement_gives() -> None:
    report, seg = runs()["found"]
    assert seg is not None
    rows = table(page(STATEMENT), "keyword")
    page_of_run = encapsulated_pdf(findings(), b"%PDF-", sources=series(), equipment=EQUIPMENT)
    run = with_probabilities(findings())
    probable = parametric_map(run, run.present[0], series(), EQUIPMENT)
    for column, ds in enumerate((seg, report, classification()[1], page_of_run, probable), start=1):
        made = {row[0]: shown(ds, row[0]) for row in rows}
        assert made == {row[0]: row[column] for row in rows}
        assert not [element for element in ds.iterall() if element.tag.is_private]


def shown(ds: Dataset, keyword: str) -> str:
    value = ds.get(keyword)
    text = "" if value is None else value if isinstance(value, str | int) else "\\".join(value)
    return str(text).replace("brain-tumour-demo", "NAME").replace("chest-xray-demo", "NAME")


def test_the_concept_names_of_the_statement_are_those_of_the_content_trees() -> None:
    made: dict[tuple[str, str], list[str]] = {}
    templates = set()
    for way, (report, _) in runs().items():
        for item in items(report):
            name = item.ConceptNameCodeSequence[0]
            ways = made.setdefault((f"({name.CodeValue}, {name.CodingSchemeDesignator})", name.CodeMeaning), [])
            ways += [] if way in ways else [way]
        templates |= {item.ContentTemplateSequence[0].TemplateIdentifier for item in items(report) if templated(item)}
    stated = table(page(STATEMENT), "code")
    assert {row[:2]: row[2].split(", ") for row in stated} == made
    assert templates == {"1411", "1501"}


def templated(item: Dataset) -> bool:
    return "ContentTemplateSequence" in item


def test_the_resources_and_search_parameters_stated_are_those_of_the_server() -> None:
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", page(FHIR), re.MULTILINE | re.DOTALL))
    stated = {kind: table(text, "parameter") for kind, text in sections.items()}
    assert stated == {
        kind: [(each.name, each.kind, each.path, each.target or "") for each in parameters]
        for kind, parameters in PARAMETERS.items()
    }


def test_the_search_parameters_of_the_record_of_access_are_those_of_the_server() -> None:
    (section,) = re.findall(r"^## AuditEvent\n(.*?)(?=^##)", page(FHIR), re.MULTILINE | re.DOTALL)
    stated = table(section, "parameter")
    assert stated == [(each.name, each.kind, each.path) for each in AUDIT_PARAMETERS.values()]


def test_the_interactions_stated_are_those_of_the_capability_statement() -> None:
    body = capability_statement(base_url="http://node", version="0", started=datetime(2026, 1, 1, tzinfo=UTC))
    served = {each["code"] for kind in body["rest"][0]["resource"] for each in kind["interaction"]}
    assert {row[0] for row in table(page(FHIR), "interaction")} == served | {"capabilities"}


def test_every_metric_is_documented_with_its_labels() -> None:
    collectors = {each for each in REGISTRY._collector_to_names if isinstance(each, MetricWrapperBase)}
    registered = {
        (metric.name + ("_total" if metric.type == "counter" else ""), metric.type, ", ".join(each._labelnames))
        for each in collectors
        for metric in each.describe()
    }
    assert {row[:3] for row in table(page("docs/metrics.md"), "metric")} == registered


@pytest.mark.parametrize("name", ["instances", "studies", "runs", "deliveries", "commitments"])
def test_every_state_of_the_journal_is_explained(name: str) -> None:
    """The comment beside each column of ``ainode.journal.tables`` is where the states are fixed."""
    source = (ROOT / "node" / "ainode" / "journal" / "tables.py").read_text(encoding="utf-8")
    (states,) = re.findall(rf'"{name}",\n.*?"state".*?# (.*?)\n', source, re.DOTALL)
    assert name in tables.metadata.tables
    singular = {"studies": "study", "deliveries": "delivery"}.get(name, name.removesuffix("s"))
    assert [row[0] for row in table(page("docs/operations.md"), singular)] == states.split(", ")


def test_every_command_that_a_page_names_exists() -> None:
    for name in ("docs/operations.md", "docs/fhir.md", "docs/logs.md", "docs/metrics.md", "conformance/README.md"):
        for line in re.findall(r"(?:`|^    )ainode ([a-z]+(?: [a-z]+)*)", page(name), re.MULTILINE):
            assert is_command(line.split()), f"{name}: ainode {line}"


def is_command(words: list[str]) -> bool:
    """Whether the words begin with a command, and with one of its subcommands where it has any but can do without."""
    group = typer.main.get_command(command_line)
    assert isinstance(group, TyperGroup)
    command = group.commands.get(words[0])
    if not isinstance(command, TyperGroup):
        return command is not None
    return words[1] in command.commands if len(words) > 1 else command.invoke_without_command
