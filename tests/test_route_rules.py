"""The rules file: what it may say, and how a mistake in it is refused."""

import re
from pathlib import Path

import pytest

from ainode.route.model_fit import Intake
from ainode.route.rule import Output, Priority
from ainode.route.rules import load_rules
from ainode_models.errors import RulesError
from ainode_models.package import ModelPackage

ROOT = Path(__file__).resolve().parents[1]
DESTINATIONS = {"orthanc": "stow", "old": "cstore", "ehr": "fhir", "ris": "hl7v2"}
TUMOUR = Intake(dict.fromkeys(("T1", "T1c", "T2", "FLAIR"), "MR"), classifies=False)
LUNG = Intake({"CT": "CT"}, classifies=False)
MODELS = {
    "brain-tumour-demo": TUMOUR,
    "t1-head-demo": Intake({"T1": "MR"}, classifies=False),
    "stroke-demo": Intake({"B0": "MR", "DWI": "MR"}, classifies=False),
    "keras-demo": Intake({"T1": "MR"}, classifies=False, keeps_probabilities=False),
    "chest-xray-demo": Intake({"chest": "DX"}, classifies=True),
    "lung-demo": LUNG,
    "lung-demo@1.2.0": LUNG,
}
HEAD = """\
[[rule]]
name = "head"
model = "t1-head-demo"
destinations = ["orthanc"]
"""
TAIL = '[rule.input.T1]\nModality = "MR"\n'
GOOD = HEAD + TAIL


def written(folder: Path, content: str) -> Path:
    file = folder / "rules.toml"
    file.write_text(content)
    return file


def refusal(folder: Path, content: str) -> str:
    """The message about a bad file, with the folder taken away."""
    with pytest.raises(RulesError) as refused:
        load_rules(written(folder, content), destinations=DESTINATIONS, models=MODELS)
    return str(refused.value).removeprefix(f"{folder}/")


def test_a_rule_says_model_inputs_outputs_destinations_and_priority(tmp_path: Path) -> None:
    (rule,) = load_rules(written(tmp_path, GOOD), destinations=DESTINATIONS, models=MODELS)
    assert (rule.name, rule.model, rule.version) == ("head", "t1-head-demo", None)
    assert [entry.name for entry in rule.inputs] == ["T1"]
    assert rule.outputs == (Output.SEG, Output.SR, Output.FHIR)
    assert rule.destinations == ("orthanc",)
    assert Priority.URGENT < rule.priority == Priority.ROUTINE < Priority.LOW


@pytest.mark.parametrize("pinned", ["", "@1.0.0"])
def test_a_rule_may_name_a_profile_of_its_model(tmp_path: Path, pinned: str) -> None:
    named = GOOD.replace('"t1-head-demo"', f'"t1-head-demo{pinned}+fast"')
    (rule,) = load_rules(written(tmp_path, named), destinations=DESTINATIONS)
    assert (rule.model, rule.profile, rule.reference) == ("t1-head-demo", "fast", f"t1-head-demo{pinned}+fast")
    assert 'each with "+profile" or not' in refusal(tmp_path, named.replace("+fast", "+"))


def test_every_example_of_the_guide_is_a_good_rules_file(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "rules.md").read_text()
    examples = re.findall(r"```toml\n(.*?)```", guide, re.DOTALL)
    rules = load_rules(written(tmp_path, "\n".join(examples)), destinations=DESTINATIONS, models=MODELS)
    assert [rule.name for rule in rules] == [
        "head on T1",
        "brain tumour on MR",
        "chest X-ray",
        "thin chest CT of adults",
        "stroke on diffusion",
        "head MR from the emergency room",
    ]
    assert rules[1].priority is rules[5].priority is Priority.URGENT
    assert rules[3].version == "1.2.0"
    assert [entry.volume.number for entry in rules[4].inputs if entry.volume] == [None, 1]


def test_every_condition_in_the_table_of_the_guide_can_be_read(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "rules.md").read_text().split("## Conditions")[1]
    conditions = re.findall(r"^\| `([^`]+)` \|", guide, re.MULTILINE)
    assert len(conditions) == 8
    for condition in conditions:
        (rule,) = load_rules(written(tmp_path, f"{HEAD}[rule.input.T1]\n{condition}\n"))
        assert len(rule.inputs[0].conditions) == 1


def test_the_refusal_that_the_guide_shows_is_what_is_said(tmp_path: Path) -> None:
    guide = " ".join((ROOT / "docs" / "rules.md").read_text().split())
    shown = re.search(r"rules\.toml:9: .* in quotes:", guide)
    example = re.search(r"```toml\n(.*?)```", (ROOT / "docs" / "rules.md").read_text(), re.DOTALL)
    assert shown
    assert example
    assert refusal(tmp_path, example[1].replace("SeriesDescription", "SeriesDescripton")).startswith(shown[0])


def test_without_destinations_and_models_their_names_are_not_checked(tmp_path: Path) -> None:
    content = GOOD.replace("t1-head-demo", "elsewhere@2").replace("orthanc", "anywhere")
    assert load_rules(written(tmp_path, content))[0].version == "2"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[[rules]]\n", "rules.toml:1: [rules]: unknown key; allowed: rule (did you mean 'rule'?)"),
        ("[rule]\nname = 'x'\n", "rules.toml:1: [rule]: must be a list of tables: write [[rule]]"),
        (GOOD.replace("[[rule]]", "[[rule"), "rules.toml:1: not valid TOML: "),
        (GOOD.replace("name", "nam", 1), "2: [[rule]] 1 nam: unknown key; allowed: name, model, outputs, "),
        (GOOD.replace('name = "head"\n', ""), "1: [[rule]] 1 name: is missing; a rule needs name, model"),
        (GOOD.replace('"t1-head-demo"', "3"), "3: [[rule]] 'head' model: 3 is not a text"),
        (GOOD.replace("-demo", "-demo@"), """model: 't1-head-demo@' is not "name" or "name@version\""""),
        (GOOD + GOOD, "8: [[rule]] 'head' name: another rule has this name"),
        (HEAD, "1: [[rule]] 'head' input: is missing; name each input of the model with a table [rule.input.NAME]"),
        (HEAD + "[rule.input.T1]\n", "5: [[rule]] 'head' input.T1: has no condition, so it would take any series"),
        (HEAD + "input = { T1 = 3 }\n", "5: [[rule]] 'head' input.T1: must be a table of conditions"),
        (
            HEAD + "outputs = ['png']\n" + TAIL,
            "5: [[rule]] 'head' outputs: 'png' is unknown; allowed: seg, pm, sc, sr, tree, pdf, fhir",
        ),
        (
            HEAD + "outputs = []\n" + TAIL,
            "5: [[rule]] 'head' outputs: is empty; allowed: seg, pm, sc, sr, tree, pdf, fhir",
        ),
        (
            HEAD + "outputs = 'seg'\n" + TAIL,
            "5: [[rule]] 'head' outputs: 'seg' is not a list of texts",
        ),
        (
            HEAD + "outputs = ['sr', 'sr']\n" + TAIL,
            "5: [[rule]] 'head' outputs: 'sr' is there twice",
        ),
        (
            HEAD + "outputs = ['seg', 'tree']\n" + TAIL,
            "5: [[rule]] 'head' outputs: 'tree' points into the Structured Report: add 'sr', or leave 'tree' out",
        ),
        (
            HEAD + "priority = 'urgnt'\n" + TAIL,
            "5: [[rule]] 'head' priority: 'urgnt' is unknown; allowed: urgent, routine, low (did you mean 'urgent'?)",
        ),
    ],
)
def test_a_mistake_in_a_rule_is_refused_with_line_and_what_is_allowed(
    tmp_path: Path, content: str, message: str
) -> None:
    assert message in refusal(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            GOOD.replace("orthanc", "orthank"),
            "4: [[rule]] 'head' destinations: no [[destination]] is called 'orthank'; "
            "allowed: orthanc, old, ehr, ris (did you mean 'orthanc'?)",
        ),
        (GOOD.replace("orthanc", "ehr"), "4: [[rule]] 'head' destinations: seg and sr would go nowhere; add a"),
        (GOOD.replace('destinations = ["orthanc"]\n', ""), "1: [[rule]] 'head' destinations: seg and sr would go"),
        (
            GOOD.replace('["orthanc"]', '["old", "ehr"]\noutputs = ["seg"]'),
            "4: [[rule]] 'head' destinations: a destination of kind fhir gets nothing; add fhir to outputs",
        ),
        (
            GOOD.replace('["orthanc"]', '["old", "ris"]\noutputs = ["seg"]'),
            "4: [[rule]] 'head' destinations: a destination of kind hl7v2 gets nothing; add fhir to outputs",
        ),
        (
            GOOD.replace("t1-head", "t1-hed"),
            "3: [[rule]] 'head' model: no model 't1-hed-demo' is installed; allowed: brain-tumour-demo, t1-head-demo",
        ),
        (
            GOOD.replace("t1-head-demo", "lung-demo@1.3.0"),
            "3: [[rule]] 'head' model: no model 'lung-demo@1.3.0' is installed; allowed: lung-demo@1.2.0 (did you",
        ),
        (
            GOOD.replace(".T1]", ".T2]"),
            "5: [[rule]] 'head' input.T2: model 't1-head-demo' has no such input; allowed: T1",
        ),
        (
            GOOD.replace("t1-head", "brain-tumour"),
            "5: [[rule]] 'head' input: model 'brain-tumour-demo' also needs T1c, T2, FLAIR: add [rule.input.T1c]",
        ),
    ],
)
def test_a_name_that_leads_nowhere_is_refused(tmp_path: Path, content: str, message: str) -> None:
    assert message in refusal(tmp_path, content)


CHEST = """\
[[rule]]
name = "chest"
model = "chest-xray-demo"
destinations = ["orthanc"]
[rule.input.chest]
Modality = "CR"
"""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            CHEST + "volume = { number = 1 }\n",
            "7: [[rule]] 'chest' input.chest.volume: model 'chest-xray-demo' classifies single images, and volume "
            "chooses among the volumes of a series; leave volume out",
        ),
        (
            CHEST.replace('["orthanc"]', '["orthanc"]\noutputs = ["seg", "sr"]'),
            "5: [[rule]] 'chest' outputs: 'seg' is never made of model 'chest-xray-demo', which classifies images; "
            "allowed: sc, sr, tree, pdf, fhir",
        ),
        (
            HEAD.replace('t1-head-demo"', 'keras-demo"\noutputs = ["seg", "pm"]') + TAIL,
            "4: [[rule]] 'head' outputs: 'pm' is never made of model 'keras-demo', whose runtime keeps no "
            "probabilities; allowed: seg, sc, sr, tree, pdf, fhir",
        ),
        (
            HEAD.replace('t1-head-demo"', 't1-head-demo"\noutputs = ["pm", "sr"]') + TAIL,
            "4: [[rule]] 'head' outputs: 'pm' comes beside the segmentation only: add 'seg', or leave 'pm' out",
        ),
        (
            CHEST.replace('"CR"', '["CT", "MR"]'),
            "6: [[rule]] 'chest' input.chest.Modality: no series of Modality DX or CR or RG, which model "
            "'chest-xray-demo' takes as chest, meets this; ask for Modality = \"DX\"",
        ),
        (
            HEAD + "[rule.series]\nModality = { not = 'MR' }\n[rule.input.T1]\nSeriesNumber = 1\n",
            "6: [[rule]] 'head' series.Modality: no series of Modality MR, which model 't1-head-demo' takes as T1",
        ),
    ],
)
def test_a_rule_that_gives_a_model_what_it_does_not_take_is_refused(tmp_path: Path, content: str, message: str) -> None:
    assert message in refusal(tmp_path, content)


def test_a_classifier_may_have_the_usual_outputs_and_radiographs_of_any_kind(tmp_path: Path) -> None:
    for modality in ('"RG"', '["DX", "CR"]', '{ regex = "[CDM][RXG]" }'):
        content = CHEST.replace('"CR"', modality)
        assert load_rules(written(tmp_path, content), destinations=DESTINATIONS, models=MODELS)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("Modalty = 'MR'", "Modalty: is no DICOM keyword (did you mean 'Modality'?); allowed: a keyword of PS3.6"),
        ("'(8,60)' = 'MR'", '(8,60): is no tag; allowed: "(gggg,eeee)"'),
        ("'(0018,10,GE)' = 'MR'", "is no private element: the group of those is odd"),
        ("Modality = { is = 'MR' }", "Modality.is: unknown key; allowed: equals, in, regex, min, max, exists, not"),
        ("Modality = { }", "Modality: asks for nothing; allowed: equals, in, regex, min, max, exists, not"),
        ("Modality = []", """Modality: must be a list of values, such as ["BRAIN", "HEAD"]"""),
        ("Modality = { in = 'MR' }", "Modality.in: must be a list of values"),
        (
            "Modality = { equals = { regex = 'x' } }",
            "Modality.equals: {'regex': 'x'} is not a text or a number",
        ),
        ("Modality = true", "Modality: True is not a text or a number; allowed: those, a list, or a table of equals"),
        ("Modality = 3", 'Modality: Modality holds text; write "3" in quotes'),
        ("SliceThickness = '3'", "SliceThickness holds numbers; write '3' without quotes"),
        ("SliceThickness = { regex = '3' }", "SliceThickness.regex: SliceThickness holds numbers; use min and max"),
        ("SliceThickness = { min = 3, max = 2 }", "SliceThickness.max: 2 is below min, 3"),
        ("SliceThickness = { min = '3' }", "SliceThickness.min: '3' is not a number"),
        ("Modality = { min = 3 }", "Modality: Modality holds text; min and max are for numbers and ages"),
        ("Modality = { exists = 'yes' }", "Modality.exists: 'yes' is not true or false"),
        ("Modality = { exists = false, equals = 'MR' }", "Modality.exists: false leaves no value for the other"),
        ("SeriesDescription = { regex = 't1(' }", "regex: 't1(' is no regular expression: missing ), unterminated"),
        ("SeriesDescription = { regex = 3 }", "regex: 3 is not a regular expression in quotes"),
        (
            "SeriesDescription = { regex = '^(a+)+$' }",
            "'^(a+)+$' repeats a group that holds a repeat or an",
        ),
        ("SeriesDescription = { regex = '(?:x|(b|c)d){2,}' }", "and could take for ever"),
        ("SeriesDescription = { not = { regex = 't1(' } }", "not.regex: 't1(' is no regular expression"),
        ("ReferencedSeriesSequence = 'x'", "holds a sequence or bytes (VR SQ); allowed: exists"),
    ],
)
def test_a_condition_that_cannot_work_is_refused_at_its_line(tmp_path: Path, condition: str, message: str) -> None:
    found = refusal(tmp_path, f"{HEAD}[rule.input.T1]\n{condition}\n")
    assert found.startswith("rules.toml:6: [[rule]] 'head' input.T1.")
    assert message in found


@pytest.mark.parametrize(
    "pattern", ["(?i)^t1(?!.*(post|gd|\\+c))", "(ab)+", "[a+]*(x|y)?", r"\(a+\)+", "(?P<plane>ax|sag)_t1", "a{2}(b*)"]
)
def test_a_pattern_that_cannot_run_for_ever_is_taken(tmp_path: Path, pattern: str) -> None:
    condition = f"SeriesDescription = {{ regex = '{pattern}' }}"
    assert len(load_rules(written(tmp_path, f"{HEAD}[rule.input.T1]\n{condition}\n"))) == 1


def test_what_a_package_says_decides_whether_its_model_keeps_probabilities() -> None:
    names = ("t1-head-demo", "brain-tumour-keras-demo", "chest-xray-demo")
    takes = [Intake.of(ModelPackage.open(ROOT / "models" / name)) for name in names]
    assert [(each.classifies, each.keeps_probabilities) for each in takes] == [
        (False, True),
        (False, False),
        (True, False),
    ]
