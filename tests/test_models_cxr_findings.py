"""A classification becomes findings: decisions, agreement of the nets, no silence where nothing is sure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from ainode_models import class_label
from ainode_models.classify import classification_findings
from ainode_models.errors import ModelError, PackageError
from ainode_models.findings import Decision, Findings, Heatmap, Outcome
from ainode_models.package import ModelPackage
from ainode_models.prediction import Classification

DEMO = ModelPackage.open(Path(__file__).parent.parent / "models" / "chest-xray-demo")
STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
COVID, OPACITY, NORMAL, VIRAL = 1, 2, 3, 4
UNDECIDED = "No class reaches its threshold: the model does not decide, a human must."


def findings(*probabilities: float, members: Mapping[str, tuple[float, ...]] | None = None) -> Findings:
    heatmap = Heatmap(1, "Grad-CAM", np.zeros((4, 5), np.float32))
    each = {name: dict(enumerate(values, 1)) for name, values in (members or {}).items()}
    answer = Classification(dict(enumerate(probabilities, 1)), each, (heatmap,), ("said before",))
    return classification_findings(answer, DEMO, run_id="run", started_at=STARTED)


@pytest.mark.parametrize(
    ("probabilities", "decisions", "outcome", "undecided"),
    [
        ((0.7, 0.1, 0.1, 0.1), "present absent absent absent", Outcome.FINDINGS, False),
        ((0.1, 0.1, 0.7, 0.1), "absent absent present absent", Outcome.NO_FINDINGS, False),
        ((0.35, 0.0, 0.65, 0.0), "uncertain absent present absent", Outcome.FINDINGS, False),
        ((0.2, 0.2, 0.4, 0.2), "absent absent uncertain absent", Outcome.NO_FINDINGS, True),
        ((0.25, 0.25, 0.25, 0.25), "absent absent absent absent", Outcome.NO_FINDINGS, True),
        ((0.6, 0.3, 0.1, 0.0), "present uncertain absent absent", Outcome.FINDINGS, False),
    ],
)
def test_what_is_present_or_uncertain_is_a_finding_unless_it_is_normal(
    probabilities: tuple[float, ...], decisions: str, outcome: Outcome, undecided: bool
) -> None:
    result = findings(*probabilities)
    assert " ".join(each.decision for each in result.classes) == decisions
    assert result.outcome is outcome
    assert result.remarks == ("said before", UNDECIDED) if undecided else ("said before",)
    assert result.failure is None


def test_of_a_doubtful_picture_nothing_is_decided_however_sure_the_nets_are() -> None:
    answer = Classification({COVID: 0.0, OPACITY: 0.01, NORMAL: 0.99, VIRAL: 0.0}, {}, doubtful=True)
    result = classification_findings(answer, DEMO, run_id="run", started_at=STARTED)
    assert {each.decision for each in result.classes} == {Decision.UNCERTAIN}
    assert result.outcome is Outcome.FINDINGS
    assert result.remarks == ("The image hardly is what the model is made for: it decides on no class, a human must.",)


def test_findings_carry_codes_members_and_uids_of_the_run() -> None:
    members = {"resnet50": (0.8, 0.1, 0.05, 0.05), "densenet121": (0.4, 0.4, 0.1, 0.1)}
    result = findings(0.6, 0.25, 0.075, 0.075, members=members)
    covid = result.classes[0]
    assert (covid.label, covid.type.value, covid.anatomy.meaning) == ("COVID-19", "882784691000119100", "Lung")
    assert covid.members == {"resnet50": 0.8, "densenet121": 0.4}
    assert covid.decision is Decision.PRESENT
    assert covid.tracking_id == "COVID-19, chest-xray-demo 1.0.0"
    assert [(each.number, each.type) for each in result.classes if each.normal] == [(NORMAL, class_label.NORMAL)]
    assert len({each.tracking_uid for each in result.classes}) == 4
    assert [each.tracking_uid for each in result.classes] == [
        each.tracking_uid for each in findings(1, 0, 0, 0).classes
    ]
    assert result.algorithm.name == "chest-xray-demo"
    assert result.heatmaps[0].method == "Grad-CAM"
    assert result.agreement is not None
    assert result.agreement.confidence == pytest.approx(0.6)
    assert result.agreement.margin == pytest.approx(0.35)
    assert result.agreement.disagreement == pytest.approx((0.2 + 0.15 + 0.025 + 0.025) / 4)


def test_a_single_net_agrees_with_itself() -> None:
    agreement = findings(0.5, 0.5, 0, 0).agreement
    assert agreement is not None
    assert (agreement.margin, agreement.disagreement) == (0, 0)


@pytest.mark.parametrize("probabilities", [(0.5, 0.5, 0.0), (float("nan"), 0, 0, 0), (1.2, 0, 0, 0)])
def test_an_answer_that_is_none_is_no_finding(probabilities: tuple[float, ...]) -> None:
    with pytest.raises(ModelError, match=r"gave no probability from 0 to 1 for each of classes \[1, 2, 3, 4\]"):
        findings(*probabilities)


def test_a_package_of_normal_classes_only_is_refused(tmp_path: Path) -> None:
    text = (DEMO.folder / "model.toml").read_text()
    (tmp_path / "model.toml").write_text(
        text.replace("normal = true\n", "").replace("threshold =", "normal = true\nthreshold =")
    )
    with pytest.raises(PackageError, match="class: all are normal; a classifier needs one that is a finding"):
        ModelPackage.open(tmp_path)
