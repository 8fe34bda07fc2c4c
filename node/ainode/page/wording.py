"""What the page says, in English and in Spanish."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from ainode_models.findings import Decision, Findings, Outcome, Prior


@dataclass(frozen=True)
class Both:
    """The same in both languages."""

    en: str
    es: str

    def __str__(self) -> str:
        """Both, as the labels of the page are written."""
        return f"{self.en} / {self.es}"


class Verdict(StrEnum):
    """What the band across the page says; unlike `Outcome` it tells a classifier that does not decide."""

    FINDINGS = "findings"
    NOTHING = "nothing"
    UNDECIDED = "undecided"
    REFUSED = "refused"
    FAILED = "failed"


def verdict_of(findings: Findings) -> Verdict:
    """The verdict of a run; no class that is present means that a human must decide, never that there is nothing."""
    if not findings.analysed:
        return Verdict.REFUSED if findings.outcome is Outcome.REFUSED else Verdict.FAILED
    if findings.classes and not any(item.decision is Decision.PRESENT for item in findings.classes):
        return Verdict.UNDECIDED
    return Verdict.FINDINGS if findings.outcome is Outcome.FINDINGS else Verdict.NOTHING


HEADLINES: Mapping[Verdict, Both] = MappingProxyType(
    {
        Verdict.FINDINGS: Both("FINDINGS", "HALLAZGOS"),
        Verdict.NOTHING: Both("NOTHING FOUND BY THIS MODEL", "ESTE MODELO NO ENCONTRÓ NADA"),
        Verdict.UNDECIDED: Both("NOT DECIDED: A HUMAN MUST", "SIN DECIDIR: DEBE DECIDIR UNA PERSONA"),
        Verdict.REFUSED: Both("REFUSED: IMAGES NOT SUITABLE", "RECHAZADO: IMÁGENES NO ADECUADAS"),
        Verdict.FAILED: Both("ANALYSIS FAILED", "EL ANÁLISIS FALLÓ"),
    }
)

NOT_NEGATIVE = Both("NOT A NEGATIVE RESULT", "NO ES UN RESULTADO NEGATIVO")
"""Added to the headline of what says nothing about the patient."""

MEANINGS: Mapping[Verdict, Both] = MappingProxyType(
    {
        Verdict.FINDINGS: Both(
            "The model found what is listed below. A physician must confirm it.",
            "El modelo encontró lo que se indica abajo. Un médico debe confirmarlo.",
        ),
        Verdict.NOTHING: Both(
            "It looked only for what is listed below. This does not mean that the study is normal.",
            "Solo buscó lo que se indica abajo. Esto no significa que el estudio sea normal.",
        ),
        Verdict.UNDECIDED: Both(
            "No class reaches its threshold. This does not mean that the study is normal.",
            "Ninguna clase alcanza su umbral. Esto no significa que el estudio sea normal.",
        ),
        Verdict.REFUSED: Both(
            "These images were not analysed. This page says nothing about the patient.",
            "Estas imágenes no se analizaron. Esta página no dice nada sobre el paciente.",
        ),
        Verdict.FAILED: Both(
            "Something went wrong, and there is no result. This page says nothing about the patient.",
            "Se produjo un error y no hay resultado. Esta página no dice nada sobre el paciente.",
        ),
    }
)

ADVICE: Mapping[Verdict, Both] = MappingProxyType(
    {
        Verdict.REFUSED: Both(
            "Read the images without this analysis. If the study has suitable images, have them sent to the node.",
            "Lea las imágenes sin este análisis. Si el estudio tiene imágenes adecuadas, haga que se envíen al nodo.",
        ),
        Verdict.FAILED: Both(
            "Read the images without this analysis. Whoever runs the node can repeat it.",
            "Lea las imágenes sin este análisis. Quien administra el nodo puede repetirlo.",
        ),
    }
)

DECISIONS: Mapping[Decision, Both] = MappingProxyType(
    {
        Decision.PRESENT: Both("present", "presente"),
        Decision.ABSENT: Both("absent", "ausente"),
        Decision.UNCERTAIN: Both("not decided, a human must", "sin decidir: decide una persona"),
    }
)

TITLE = Both("AI analysis", "Análisis por IA")
STATUS = Both(
    "PRELIMINARY, UNVERIFIED: made by software, not verified by a physician. Research, not for diagnostic use.",
    "PRELIMINAR, SIN VERIFICAR: hecho por software, sin revisión médica. Investigación, no apto para diagnóstico.",
)
PATIENT = Both("Patient", "Paciente")
PATIENT_ID = Both("Patient ID", "ID del paciente")
BIRTH_DATE = Both("Birth date", "Fecha de nacimiento")
SEX = Both("Sex", "Sexo")
ACCESSION = Both("Accession number", "Número de acceso")
STUDY = Both("Study", "Estudio")
UNKNOWN = Both("not stated", "no consta")
OTHER_LETTERS = Both("other script, see images", "otra escritura, ver imágenes")

LABEL = Both("Finding", "Hallazgo")
VOLUME = Both("Volume", "Volumen")
VOLUME_THEN = Both("Volume then", "Volumen entonces")
VOLUME_NOW = Both("Volume now", "Volumen ahora")
CHANGE = Both("Change", "Cambio")
DIAMETER = Both("Longest diameter", "Diámetro mayor")
CONFIDENCE = Both("Confidence", "Confianza")
CLASS = Both("Class", "Clase")
DECISION = Both("Decision", "Decisión")
PROBABILITY = Both("Probability", "Probabilidad")
RESULT = Both("Result", "Resultado")
ABSENT = Both("looked for and not found", "buscado y no encontrado")
NOT_FOUND = Both("Looked for and not found", "Buscado y no encontrado")
COMPARED = Both("Compared with the study of", "Comparado con el estudio de")
MORE = Both("more, see the Structured Report", "más, véase el informe estructurado")
REASON = Both("Reason", "Motivo")
WHAT_TO_DO = Both("What to do", "Qué hacer")
REMARKS = Both("Remarks", "Observaciones")
PARTIAL = Both(
    "PARTIAL RESULT: NOT ALL THAT WAS ASKED FOR COULD BE MADE", "RESULTADO PARCIAL: NO SE PUDO HACER TODO LO PEDIDO"
)
LACKING = Both("Lacking", "Falta")

MODEL = Both("Model", "Modelo")
MAKER = Both("Made by", "Hecho por")
WEIGHTS = Both("Weights, SHA-256", "Pesos, SHA-256")
STARTED = Both("Analysis started", "Inicio del análisis")
NODE = Both("Written by", "Escrito por")
RUN = Both("Run", "Ejecución")
USE = Both("Intended use", "Uso previsto")
DISCLAIMER = Both("Disclaimer", "Aviso")


def prior_study(prior: Prior) -> str:
    """When the prior's study was, and what made its result: the same in both languages but for one word each."""
    return f"{prior.studied_on} ({MODEL} {prior.version}, {RUN} {prior.run_id})"
