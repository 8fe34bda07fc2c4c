"""What rules make of a study: which series goes where, why, and what is not said about the patient."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.uid import ParametricMapStorage

from ainode.route.router import Decision, Routing, route
from ainode.route.rules import load_rules
from ainode.study import Series, Study

RulesText = Callable[[str], Path]


@pytest.fixture
def rules_text(tmp_path: Path) -> RulesText:
    """Writes a rules file."""

    def write(content: str) -> Path:
        (tmp_path / "rules.toml").write_text(content)
        return tmp_path / "rules.toml"

    return write


def series(uid: str, images: int = 20, /, **attributes: object) -> Series:
    header = Dataset()
    header.Modality = "MR"
    header.SeriesNumber = 1
    header.PatientName = "Secret^Patient"
    header.PatientID = "S3CR3T"
    for keyword, value in attributes.items():
        setattr(header, keyword, value)
    return Series(uid, header, tuple(f"{uid}.{index}" for index in range(images)))


def routed(rules: Path, *members: Series) -> Routing:
    return route(load_rules(rules), Study("1.2", members))


def uids_of(decision: Decision) -> dict[str, str]:
    return {name: chosen.series_uid for name, chosen in decision.inputs.items()}


def verdict_on(rules_text: RulesText, condition: str, **attributes: object) -> tuple[bool, str]:
    """Whether a condition lets a series in, and the reason."""
    file = rules_text(f"[[rule]]\nname = 'r'\nmodel = 'm'\n[rule.input.A]\n{condition}\n")
    routing = routed(file, series("1", **attributes))
    (found,) = routing.verdicts[0].series
    assert bool(routing.decisions) == (found.input == "A")
    return found.input == "A", found.reasons[0].removeprefix("not A: ")


@pytest.mark.parametrize(
    ("condition", "attributes", "matched", "reason"),
    [
        ("Modality = 'MR'", {}, True, "Modality is 'MR', as wanted: 'MR'"),
        ("Modality = 'CT'", {}, False, "Modality is 'MR', wanted: 'CT'"),
        ("Modality = 'mr'", {}, False, "Modality is 'MR', wanted: 'mr' (capitals differ)"),
        ("BodyPartExamined = ['BRAIN', 'HEAD']", {"BodyPartExamined": "HEAD "}, True, "'HEAD', as wanted: 'BRAIN' or"),
        ("BodyPartExamined = ['BRAIN']", {}, False, "BodyPartExamined is absent or empty, wanted: 'BRAIN'"),
        ("SliceThickness = 3", {"SliceThickness": "3.00"}, True, "SliceThickness is 3, as wanted: 3"),
        ("MagneticFieldStrength = 2.89362", {"MagneticFieldStrength": "2.893620"}, True, "is 2.89362, as wanted"),
        ("SliceThickness = { min = 1, max = 3 }", {"SliceThickness": "3"}, True, "is 3, as wanted: 1 to 3"),
        ("SliceThickness = { min = 1, max = 3 }", {"SliceThickness": "3.1"}, False, "is 3.1, wanted: 1 to 3"),
        ("SliceThickness = { min = 4 }", {"SliceThickness": "10"}, True, "is 10, as wanted: at least 4"),
        ("SliceThickness = { max = 4 }", {}, False, "SliceThickness is absent or empty, wanted: at most 4"),
        ("SeriesDescription = { regex = '(?i)flair' }", {"SeriesDescription": "T2 FLAIR"}, True, "that matches '(?i)"),
        ("SeriesDescription = { regex = 'x$' }", {"SeriesDescription": "T2"}, False, "is 'T2', wanted: text that ma"),
        ("ImageType = 'PRIMARY'", {"ImageType": ["ORIGINAL", "PRIMARY"]}, True, "is 'ORIGINAL', 'PRIMARY', as want"),
        ("ImageType = { not = 'DERIVED' }", {"ImageType": ["DERIVED", "PRIMARY"]}, False, "wanted: not 'DERIVED'"),
        ("ImageType = { not = 'DERIVED' }", {}, True, "ImageType is absent or empty, as wanted: not 'DERIVED'"),
        ("PixelSpacing = { min = 1, max = 2 }", {"PixelSpacing": ["0.5", "3"]}, False, "is 0.5, 3, wanted: 1 to 2"),
        ("KVP = { exists = false }", {}, True, "KVP is absent or empty, as wanted: no value"),
        ("KVP = { exists = true }", {"KVP": None}, False, "KVP is absent or empty, wanted: any value"),
        ("RequestAttributesSequence = { exists = true }", {"RequestAttributesSequence": []}, False, "absent or empty"),
        ("'(0018,0050)' = { max = 2, not = 1 }", {"SliceThickness": "1"}, False, "wanted: at most 2 and not 1"),
        ("PatientAge = { min = 18 }", {"PatientAge": "220M"}, True, "PatientAge fits (value not shown)"),
        ("PatientAge = { min = 18 }", {"PatientAge": "017Y"}, False, "PatientAge does not fit (value not shown)"),
    ],
)
def test_each_kind_of_condition_says_whether_and_why_it_holds(
    rules_text: RulesText, condition: str, attributes: dict[str, object], matched: bool, reason: str
) -> None:
    found, why = verdict_on(rules_text, condition, **attributes)
    assert found == matched
    assert reason in why


def test_a_private_element_is_found_by_its_creator_wherever_its_block_lies(rules_text: RulesText) -> None:
    file = rules_text("[[rule]]\nname = 'r'\nmodel = 'm'\n[rule.input.A]\n'(0019,0C,ACME)' = 'yes'\n")
    for first in ([], ["OTHER"]):
        member = series("1")
        for creator in first:
            member.header.private_block(0x0019, creator, create=True).add_new(0x0C, "LO", "no")
        member.header.private_block(0x0019, "ACME", create=True).add_new(0x0C, "LO", "yes")
        assert routed(file, member).decisions
    assert not routed(file, series("1")).decisions


@pytest.mark.parametrize(
    ("condition", "secret"),
    [
        ("PatientID = 'S3CR3T'", "S3CR3T"),
        ("PatientID = { not = 'S3CR3T' }", "S3CR3T"),
        ("PatientName = { regex = 'Secret' }", "Secret"),
        ("'(0010,0020)' = 'S3CR3T'", "S3CR3T"),
        ("PatientBirthDate = '19700101'", "1970"),
        ("PatientSex = ['O']", "'O'"),
        ("AccessionNumber = ['A12']", "A12"),
        ("StudyDescription = { regex = '.' }", "Doe"),
        ("InstitutionName = { not = 'Here' }", "Elsewhere"),
    ],
)
def test_a_reason_never_tells_what_could_identify_the_patient(
    rules_text: RulesText, condition: str, secret: str
) -> None:
    _, why = verdict_on(
        rules_text,
        condition,
        PatientBirthDate="19700101",
        PatientSex="O",
        AccessionNumber="A12",
        StudyDescription="head of J. Doe",
        InstitutionName="Elsewhere",
    )
    assert secret not in why
    assert "value not shown" in why


def test_a_series_is_never_shown_with_its_header() -> None:
    assert "S3CR3T" not in repr(series("1"))


TUMOUR = """
[[rule]]
name = "tumour"
model = "m"
[rule.series]
Modality = "MR"
[rule.input.T1]
SeriesDescription = { regex = "(?i)^t1(?!.*post)" }
[rule.input.T1c]
SeriesDescription = { regex = "(?i)^t1.*post" }
[rule.input.FLAIR]
SeriesDescription = { regex = "(?i)flair" }
"""


def test_each_input_gets_its_series_and_every_series_its_reasons(rules_text: RulesText) -> None:
    members = (
        series("1", SeriesDescription="T1 mprage"),
        series("2", SeriesDescription="T1 mprage post"),
        series("3", SeriesDescription="FLAIR"),
        series("4", Modality="CT", SeriesDescription="FLAIR"),
    )
    routing = routed(rules_text(TUMOUR), *members)
    (decision,) = routing.decisions
    assert uids_of(decision) == {
        "T1": "1",
        "T1c": "2",
        "FLAIR": "3",
    }
    assert routing.partials == ()
    (verdict,) = routing.verdicts
    assert verdict.summary == "takes the study"
    assert [entry.input for entry in verdict.series] == ["T1", "T1c", "FLAIR", None]
    assert verdict.series[3].reasons == (
        "not T1, T1c, FLAIR: Modality is 'CT', wanted: 'MR'",
        "not T1: SeriesDescription is 'FLAIR', wanted: text that matches '(?i)^t1(?!.*post)'",
        "not T1c: SeriesDescription is 'FLAIR', wanted: text that matches '(?i)^t1.*post'",
    )


def test_a_rule_with_some_of_its_inputs_waits_for_the_others_by_name(rules_text: RulesText) -> None:
    routing = routed(rules_text(TUMOUR), series("1", SeriesDescription="T1 mprage"))
    assert routing.decisions == ()
    (partial,) = routing.partials
    assert (list(partial.inputs), partial.missing) == (["T1"], ("T1c", "FLAIR"))
    assert routing.verdicts[0].summary == "waits for T1c, FLAIR"


def test_a_rule_that_nothing_fits_does_not_wait(rules_text: RulesText) -> None:
    routing = routed(rules_text(TUMOUR), series("1", Modality="CT"))
    assert (routing.decisions, routing.partials) == ((), ())
    assert routing.verdicts[0].summary == "does not want the study: no series fits any input"


def test_conditions_on_the_study_must_all_hold_on_one_series(rules_text: RulesText) -> None:
    file = rules_text(TUMOUR.replace("[rule.series]", "study = { PatientSex = 'F', EchoTime = 5 }\n[rule.series]"))
    first = series("1", SeriesDescription="T1", PatientSex="F")
    refused = routed(file, first, series("2", PatientSex="M", EchoTime="5"))
    assert (refused.decisions, refused.partials) == ((), ())
    assert refused.verdicts[0].summary == (
        "does not want the study: no series has the wanted PatientSex (see the rule) and EchoTime (5)"
    )
    assert "not T1: it fits, but the rule does not want the study" in refused.verdicts[0].series[0].reasons
    assert routed(file, first, series("2", PatientSex="F", EchoTime="5")).partials


def test_of_several_series_the_one_with_the_most_images_is_taken_then_the_lowest_number(
    rules_text: RulesText,
) -> None:
    small, late, early = series("1", 5), series("2", 20, SeriesNumber=9), series("3", 20, SeriesNumber=4)
    frames = series("4", 1, SeriesNumber=10, NumberOfFrames=30)
    file = rules_text("[[rule]]\nname = 'r'\nmodel = 'm'\n[rule.input.A]\nModality = 'MR'\n")
    routing = routed(file, small, late, early)
    assert routing.decisions[0].inputs["A"] is early
    assert [entry.reasons[0] for entry in routing.verdicts[0].series[:2]] == [
        "not A: it fits, but another series has more images (20 to 5)",
        "not A: it fits, but another series with as many images comes first by Series Number or UID",
    ]
    assert routed(file, early, frames).decisions[0].inputs["A"] is frames
    assert routed(file, series("6", 20), series("5", 20)).decisions[0].inputs["A"].series_uid == "5"


def test_an_input_gives_way_when_another_can_have_only_its_series(rules_text: RulesText) -> None:
    file = rules_text(
        "[[rule]]\nname = 'r'\nmodel = 'm'\n[rule.input.any]\nModality = 'MR'\n"
        "[rule.input.thin]\nSliceThickness = { max = 1 }\n[rule.input.big]\nModality = 'MR'\n"
    )
    members = (series("1", 30, SliceThickness="1"), series("2", 20), series("3", 10))
    (decision,) = routed(file, *members).decisions
    assert uids_of(decision) == {
        "any": "2",
        "thin": "1",
        "big": "3",
    }


def test_a_derived_object_is_taken_only_by_a_rule_that_names_its_modality(rules_text: RulesText) -> None:
    any_head = "[[rule]]\nname = 'r'\nmodel = 'm'\n[rule.input.A]\nSeriesDescription = { not = 'x' }\n"
    result = series("1", Modality="SEG")
    refused = routed(rules_text(any_head), result)
    assert refused.decisions == ()
    assert refused.verdicts[0].series[0].reasons == (
        "not A: Modality SEG is made from images; a rule takes it only when it names Modality",
    )
    assert routed(rules_text(any_head + "Modality = { not = 'CT' }\n"), result).decisions == ()
    assert routed(rules_text(any_head + "Modality = ['SEG', 'MR']\n"), result).decisions
    probable = series("1", Modality="OT", SOPClassUID=ParametricMapStorage)
    (verdict,) = routed(rules_text(any_head), probable).verdicts
    assert verdict.series[0].reasons == (
        "not A: a Parametric Map is made from images; a rule takes it only when it names Modality",
    )
    assert routed(rules_text(any_head + "Modality = 'OT'\n"), probable).decisions


def test_two_rules_can_take_one_study(rules_text: RulesText) -> None:
    twice = "".join(f"[[rule]]\nname = '{name}'\nmodel = 'm'\n[rule.input.A]\nModality = 'MR'\n" for name in "ab")
    assert [decision.rule.name for decision in routed(rules_text(twice), series("1")).decisions] == ["a", "b"]


def test_a_value_that_is_longer_than_the_standard_allows_is_looked_at_only_in_part(rules_text: RulesText) -> None:
    text = "a" * 128 + "b"
    assert not verdict_on(rules_text, "ImageComments = { regex = 'b' }", ImageComments=text)[0]
    assert verdict_on(rules_text, "ImageComments = { regex = 'a' }", ImageComments=text)[0]
