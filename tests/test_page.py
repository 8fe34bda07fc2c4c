"""The page for people: one sheet, both languages, and no outcome that could be taken for another."""

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset

from ainode.page.report_page import Figure, report_page
from ainode.page.wording import Both
from ainode_dicom_sr.encapsulated_pdf import document_of, encapsulated_pdf
from ainode_dicom_sr.objects import encoded
from ainode_models.findings import Findings
from peers.classified import classified, nothing_classified, radiograph_header
from peers.dicom_checkers import assert_valid_iod, entity_warnings
from peers.dicom_sources import EQUIPMENT, SHAPE, failed, findings, refused, series, write
from peers.poppler import said, text_of
from peers.prior_samples import with_prior

NOTHING = findings(np.zeros(SHAPE, np.uint8))
FIGURE = Figure(np.full((300, 200, 3), 90, np.uint8), Both("Slice 1 of 2", "Corte 1 de 2"))
OUTCOMES = {
    "findings": (findings(), "FINDINGS", "HALLAZGOS"),
    "nothing": (NOTHING, "NOTHING FOUND BY THIS MODEL", "ESTE MODELO NO ENCONTRÓ NADA"),
    "undecided": (nothing_classified(), "NOT DECIDED: A HUMAN MUST", "SIN DECIDIR: DEBE DECIDIR UNA PERSONA"),
    "refused": (refused(), "REFUSED: IMAGES NOT SUITABLE", "RECHAZADO: IMÁGENES NO ADECUADAS"),
    "failed": (failed(), "ANALYSIS FAILED", "EL ANÁLISIS FALLÓ"),
}


def page(run: Findings, source: Dataset | None = None, figures: int = 0) -> bytes:
    return report_page(run, source or series()[0], [FIGURE] * figures, equipment=EQUIPMENT)


@pytest.fixture(scope="module")
def pages() -> dict[str, bytes]:
    """A page of each outcome."""
    return {name: page(run, series()[0]) for name, (run, *_) in OUTCOMES.items()}


def text_of_page(pdf: bytes) -> str:
    """What poppler reads, on one line: the page is one, and its fonts are embedded with their letters."""
    assert "Pages:           1\n" in said("pdfinfo", "-", pdf=pdf)
    fonts = [line.split() for line in said("pdffonts", "-", pdf=pdf).splitlines()[2:]]
    assert len(fonts) == 2
    assert all(font[-5:-2] == ["yes", "yes", "yes"] for font in fonts), "embedded, in part, with Unicode"
    return text_of(pdf)


@pytest.mark.parametrize("name", OUTCOMES)
def test_each_outcome_says_in_both_languages_what_it_is_and_nothing_that_another_says(
    name: str, pages: dict[str, bytes]
) -> None:
    _, english, spanish = OUTCOMES[name]
    text = text_of_page(pages[name])
    assert english in text
    assert spanish in text
    others = [words for other, (_, *said) in OUTCOMES.items() if other != name for words in said]
    assert [words for words in others if words in text] == []
    silent = name in ("refused", "failed")
    assert ("NOT A NEGATIVE RESULT" in text) is ("NO ES UN RESULTADO NEGATIVO" in text) is silent
    assert ("not found / buscado y no encontrado" in text) is (name == "nothing")
    assert ("does not mean that the study is normal" in text) is (name in ("nothing", "undecided"))
    for words in ("PRELIMINARY, UNVERIFIED", "PRELIMINAR, SIN VERIFICAR", "Disclaimer / Aviso: Demonstration"):
        assert words in text


@pytest.mark.parametrize("name", ["findings", "nothing", "undecided"])
def test_a_partial_result_keeps_its_band_and_says_below_it_in_both_languages_what_lacks(name: str) -> None:
    run, english, spanish = OUTCOMES[name]
    lacking = ("heat maps, for the memory did not suffice", "something else, for it took too long")
    text = text_of_page(page(replace(run, lacking=lacking)))
    assert english in text
    assert spanish in text
    assert "PARTIAL RESULT: NOT ALL THAT WAS ASKED FOR COULD BE MADE" in text
    assert "RESULTADO PARCIAL: NO SE PUDO HACER TODO LO PEDIDO" in text
    assert "Lacking / Falta: heat maps, for the memory did not suffice; something else" in text
    assert "PARTIAL" not in text_of_page(page(run))


def test_what_went_wrong_stands_there_with_what_to_do(pages: dict[str, bytes]) -> None:
    assert "the T2 series has a gap of 12 mm after slice 40" in text_of_page(pages["failed"])
    text = text_of_page(pages["refused"])
    assert "Reason / Motivo the T1 series has slices 12 mm apart" in text
    assert "Read the images without this analysis." in text
    assert "Lea las imágenes sin este análisis." in text


def test_findings_are_listed_with_their_sizes_and_all_that_makes_the_page_traceable() -> None:
    text = text_of_page(page(replace(findings(), remarks=("Computed on the CPU.",)), figures=2))
    for words in (
        f"Necrosis {findings().segments[0].volume_ml:.1f} 41.2 88",
        "Looked for and not found / Buscado y no encontrado: Oedema",
        "Remarks / Observaciones • Computed on the CPU.",
        "Slice 1 of 2",
        "Corte 1 de 2",
        "Model / Modelo: brain-tumour-demo 1.0.0",
        "Weights, SHA-256 / Pesos, SHA-256: c0ffee0000000000",
        "Analysis started / Inicio del análisis: 2026-01-04 11:22:33 +0000",
        "Intended use / Uso previsto: Shows how the node works.",
        "Run / Ejecución: run-1",
        "Example, Anna X-1 1970-01-01",
        "2026-01-04 A-77 F",
    ):
        assert words in text, text
    chest = text_of_page(page(classified(), radiograph_header())).replace(" %", "%")
    assert "Viral pneumonia present / presente 71%" in chest
    assert "COVID-19 absent / ausente 4%" in chest
    assert "Lung opacity <any> not decided, a human must / sin decidir: decide una persona 25%" in chest


def test_beside_a_prior_each_label_has_its_volume_then_now_and_the_change() -> None:
    text = text_of_page(page(with_prior(findings()), figures=2))
    for words in (
        "Volume then (mL)",
        "Volumen entonces",
        "Necrosis 12.3 17.2 +4.9 41.2 88",
        "Oedema 2.0 0.0 -2.0 - -",
        "Enhancing tumour 0.0 2.4 +2.4 41.2 88",
        "Compared with the study of / Comparado con el estudio de: 2025-07-01 (Model / Modelo 0.9.1, "
        "Run / Ejecución run-0)",
    ):
        assert words in text, text
    assert "Necrosis 12.3 0.0 -12.3 - -" in text_of_page(page(with_prior(NOTHING)))


def test_a_great_many_findings_remarks_and_long_texts_still_are_one_page() -> None:
    (one, *_) = findings().present
    algorithm = replace(findings().algorithm, disclaimer="Not for use. " * 200, intended_use="x" * 500)
    many = replace(
        findings(),
        algorithm=algorithm,
        segments=tuple(replace(one, number=n, label=f"Structure {n} " + "long " * 30) for n in range(1, 105)),
        remarks=tuple(f"Remark {n}: " + "words " * 60 for n in range(30)),
    )
    source = series()[0]
    source.PatientName, source.StudyDescription = "Long" * 8 + "^" + "Name" * 7, "described " * 6
    text = text_of_page(page(many, source, figures=2))
    assert "more, see the Structured Report / más, véase el informe estructurado" in text
    assert "Structure 1 long" in text
    assert "Slice 1 of 2" in text
    lost = replace(refused(), algorithm=algorithm, failure="the series is wrong in many ways, " * 100)
    assert "What to do / Qué hacer" in text_of_page(page(lost, source))


@pytest.mark.parametrize(
    ("character_set", "name", "shown"),
    [
        ("ISO_IR 100", "Núñez^María José^^Dra.", "Núñez, Dra. María José"),
        ("ISO_IR 144", "Толстой^Лев", "Толстой, Лев"),
        ("ISO_IR 192", "Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada, Tarou X-1"),
        (
            "ISO_IR 192",
            "=山田^太郎",
            "other script, see images / otra escritura, ver imágenes X-1",
        ),
        ("ISO_IR 192", "قباني^لنزار", "other script, see images / otra escritura, ver imágenes X-1"),
        ("ISO_IR 192", "", "not stated / no consta"),
    ],
    ids=["Spanish", "Russian", "Japanese and Latin", "Japanese", "Arabic", "none"],
)
def test_names_are_written_as_they_are_or_the_page_says_where_to_look(
    character_set: str, name: str, shown: str, tmp_path: Path
) -> None:
    source = series()[0]
    source.SpecificCharacterSet, source.PatientName = character_set, name
    text = text_of_page(page(NOTHING, dcmread(write([source], tmp_path / "source")[0])))
    assert "\N{REPLACEMENT CHARACTER}" not in text
    assert shown in text


def test_the_same_run_gives_the_same_bytes_and_no_word_of_the_patient_outside_the_page() -> None:
    pdf = page(findings(), figures=1)
    assert page(findings(), figures=1) == pdf
    about = said("pdfinfo", "-", pdf=pdf)
    assert "Title:           AI analysis, preliminary, unverified: brain-tumour-demo 1.0.0" in about
    assert "Example" not in about


@pytest.mark.parametrize("name", OUTCOMES)
def test_it_is_a_valid_encapsulated_document_of_the_same_patient_and_study(
    name: str, pages: dict[str, bytes], tmp_path: Path
) -> None:
    run, pdf = OUTCOMES[name][0], pages[name]
    sources = [radiograph_header()] if run.classes else series()
    ds = encapsulated_pdf(run, pdf, sources=sources, equipment=EQUIPMENT)
    path = tmp_path / "pdf.dcm"
    path.write_bytes(encoded(ds))
    assert_valid_iod(path)
    assert entity_warnings([path, *write(sources, tmp_path / "sources")]) == []
    assert document_of(ds) == pdf
    assert (ds.Modality, ds.BurnedInAnnotation, ds.VerificationFlag) == ("DOC", "YES", "UNVERIFIED")
    assert (ds.ContentQualification, ds.MIMETypeOfEncapsulatedDocument) == ("RESEARCH", "application/pdf")
    assert ds.ConceptNameCodeSequence[0].CodeValue == "18748-4"
    assert ds.DocumentTitle.startswith(f"AI result ({run.outcome}), preliminary, unverified: ")
    assert [item.ReferencedSOPInstanceUID for item in ds.SourceInstanceSequence] == [
        source.SOPInstanceUID for source in sources
    ]
    assert ds.ContributingEquipmentSequence[0].ManufacturerModelName == run.algorithm.name
    assert encoded(encapsulated_pdf(run, pdf, sources=sources, equipment=EQUIPMENT)) == path.read_bytes()
    for word, outcome in (("FAILED", "failed"), ("REFUSED", "refused")):
        assert (word in ds.SeriesDescription) is (outcome == name)


def test_the_bands_differ_in_colour_and_where_there_is_none_and_none_is_green(
    pages: dict[str, bytes], tmp_path: Path
) -> None:
    looks = {}
    for name, pdf in pages.items():
        (tmp_path / "p.pdf").write_bytes(pdf)
        command: list[str | Path] = [
            "/usr/bin/pdftoppm",
            "-r",
            "40",
            "-singlefile",
            "-png",
            tmp_path / "p.pdf",
            tmp_path / "p",
        ]
        subprocess.run(command, check=True)
        image = np.asarray(Image.open(tmp_path / "p.png").convert("RGB"), dtype=int)
        assert image.shape[:2] == (468, 331), "A4"
        looks[name] = image[100:150, 20:310]
    for name, band in looks.items():
        assert not ((band[..., 1] > band[..., 0] + 30) & (band[..., 1] > band[..., 2] + 30)).any(), name
        for other, another in looks.items():
            if other != name:
                assert np.abs(band.mean(axis=-1) - another.mean(axis=-1)).mean() > 8, (name, other)
