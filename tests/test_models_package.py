"""Packages open and verify, and every fault in one is refused with file, key and cure."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pydicom.sr.codedict import codes

from ainode_models.errors import PackageError, RuntimeUnavailable
from ainode_models.findings import Code
from ainode_models.package import ModelPackage
from ainode_models.registry import Registry
from ainode_models.runtime import runtime_for

MODELS = Path(__file__).parent.parent / "models"
DEMOS = ("brain-tumour-demo", "t1-head-demo")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of a package that a test may spoil."""
    return Path(shutil.copytree(MODELS / "brain-tumour-demo", tmp_path / "models" / "copy"))


def edit(folder: Path, old: str, new: str) -> None:
    manifest = folder / "model.toml"
    text = manifest.read_text()
    assert old in text
    manifest.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize("name", DEMOS)
def test_the_committed_packages_verify_and_are_small(name: str) -> None:
    package = ModelPackage.open(MODELS / name)
    package.verify()
    assert package.manifest.name == name
    assert sum(file.stat().st_size for file in package.folder.rglob("*") if file.is_file()) <= 6_000_000
    assert {path.name for path in (package.folder / "nnunet").iterdir()} >= {"dataset.json", "plans.json", "fold_0"}
    assert set(package.manifest.training.dice) == {label.name for label in package.manifest.labels}
    assert min(package.manifest.training.dice.values()) >= 0.85


@pytest.mark.parametrize("name", DEMOS)
def test_every_code_of_the_packages_is_in_the_dictionaries_of_pydicom(name: str) -> None:
    manifest = ModelPackage.open(MODELS / name).manifest

    def known(code: Code, cid: str) -> bool:
        group = getattr(codes, cid)
        found = [getattr(group, keyword) for keyword in group.dir()]
        return (code.value, code.scheme, code.meaning) in {(c.value, c.scheme_designator, c.meaning) for c in found}

    assert known(manifest.family, "cid7162")
    for label in manifest.labels:
        assert known(label.category, "cid7150")
        assert known(label.type, "cid7151")
        assert known(label.anatomy, "cid4031") or known(label.anatomy, "cid7153")


def test_changed_weights_are_refused_with_both_sums(copy: Path) -> None:
    weights = copy / "nnunet" / "fold_0" / "checkpoint_final.pth"
    content = bytearray(weights.read_bytes())
    expected = hashlib.sha256(content).hexdigest()
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    package = ModelPackage.open(copy)
    with pytest.raises(PackageError) as refusal:
        package.verify()
    for part in (str(weights), expected, hashlib.sha256(content).hexdigest()):
        assert part in str(refusal.value)
    with pytest.raises(PackageError, match="SHA-256"):
        runtime_for(package).load(package, "cpu")


def test_missing_weights_are_refused_by_name(copy: Path) -> None:
    (copy / "nnunet" / "plans.json").unlink()
    with pytest.raises(PackageError, match=r"plans\.json: cannot be read \(No such file"):
        ModelPackage.open(copy).verify()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("schema = 1", "schema = 2", r"schema: must be 1"),
        ("title =", "titel =", r"titel: unknown; remove it, or use one of: .*title"),
        ('version = "1.0.0"', 'version = "1"', r"version: must be three numbers"),
        ('runtime = "nnunet"', "", r"runtime: missing; add it"),
        ("[geometry]", "[geometric]", r"geometric: unknown"),
        ('orientation = "LPS"', 'orientation = "RAS"', r"geometry\.orientation: must be LPS"),
        ('category = { value = "49755003", scheme', 'kind = { value = "1", scheme', r"label\[0\]\.kind: unknown"),
        (
            'value = "6574001", scheme = "SCT"',
            'value = "M-54000", scheme = "SCT"',
            r"'M-54000' is no code",
        ),
        ('value = "6574001", scheme = "SCT"', 'value = "M-54000", scheme = "SRT"', r"write 'SCT'"),
        ('scheme = "SCT", meaning = "Necrosis"', 'scheme = "SCT"', r"label\[0\]\.type\.meaning: missing"),
        ('color = "#e41a1c"', 'color = "red"', r"label\[0\]\.color: must be a colour like"),
        ("value = 2\n", "value = 1\n", r"label: values must ascend and differ"),
        ("value = 1\n", "value = 0\n", r"label\[0\]\.value: must be from 1 to 255"),
        ('path = "nnunet/plans.json"', 'path = "../plans.json"', r"weights\[1\]\.path: must stay inside"),
        ('name = "T2"', 'name = "T1"', r"input: two inputs have the same name"),
        ("schema = 1", "schema = 1 1", r"model\.toml: is no valid TOML"),
    ],
)
def test_a_faulty_manifest_is_refused_with_key_and_cure(copy: Path, old: str, new: str, message: str) -> None:
    edit(copy, old, new)
    with pytest.raises(PackageError, match=message) as refusal:
        ModelPackage.open(copy)
    assert str(copy / "model.toml") in str(refusal.value)


def test_the_device_uid_changes_with_weights_and_version_only(copy: Path) -> None:
    original = ModelPackage.open(copy).algorithm()
    edit(copy, 'title = "', 'title = "Renamed: ')
    assert ModelPackage.open(copy).algorithm() == original
    edit(copy, 'version = "1.0.0"', 'version = "1.0.1"')
    newer = ModelPackage.open(copy).algorithm().device_uid
    edit(copy, ModelPackage.open(copy).manifest.weights[0].sha256, "0" * 64)
    retrained = ModelPackage.open(copy).algorithm().device_uid
    assert len({original.device_uid, newer, retrained}) == 3


def test_the_registry_gives_the_highest_version_or_the_pinned_one(copy: Path) -> None:
    for version in ("1.9.0", "1.10.0"):
        newer = Path(shutil.copytree(copy, copy.parent / version))
        edit(newer, 'version = "1.0.0"', f'version = "{version}"')
    (copy.parent / "broken").mkdir()
    (copy.parent / "broken" / "model.toml").write_text("schema = 3")
    registry = Registry(copy.parent)
    assert [p.manifest.version for p in registry.packages()] == ["1.0.0", "1.9.0", "1.10.0"]
    assert registry.get("brain-tumour-demo").manifest.version == "1.10.0"
    assert registry.get("brain-tumour-demo@1.0.0").folder == copy
    with pytest.raises(PackageError, match=r"there are: brain-tumour-demo@1\.0\.0.*not readable: .*broken"):
        registry.get("brain-tumor-demo")
    shutil.copytree(copy, copy.parent / "twin")
    with pytest.raises(PackageError, match="more than one folder"):
        registry.get("brain-tumour-demo@1.0.0")


def test_an_unknown_runtime_is_refused_with_those_that_exist(copy: Path) -> None:
    edit(copy, 'runtime = "nnunet"', 'runtime = "caffe"')
    edit(copy, "[nnunet]", "[caffe]")
    manifest = copy / "model.toml"
    manifest.write_text(manifest.read_text().partition("[profile.")[0])  # which only nnU-Nets have
    with pytest.raises(RuntimeUnavailable, match="needs the runtime 'caffe'; there are: nnunet"):
        runtime_for(ModelPackage.open(copy))


def test_findings_packages_and_runtimes_import_without_torch_pydicom_or_fhir() -> None:
    program = (
        "import sys, ainode_models.findings, ainode_models.registry, ainode_models.runtime, ainode_models.measure;"
        "print(*{name.partition('.')[0] for name in sys.modules} & {'torch', 'nnunetv2', 'pydicom', 'fhir'})"
    )
    answer = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert answer.stdout.strip() == ""
