"""Guards of the repository itself: what its layout, its wheel and its pins promise."""

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from mypy.main import process_options
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
AREAS = ("node", "dicom_sr", "fhir", "orthanc", "models", "conformance")
CONFIG: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = CONFIG["project"]
PACKAGES = [ROOT / folder for folder in CONFIG["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]]


def _git(*arguments: str) -> list[str]:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    return done.stdout.splitlines()


def _tree(*patterns: str) -> list[Path]:
    """Files that git keeps or would keep, and that are there."""
    listed = _git("ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns)
    return sorted(path for path in {ROOT / name for name in listed} if path.is_file())


def _python_files() -> list[Path]:
    """Modules, and scripts that only their first line shows to be Python."""
    scripts = [path for path in _tree("scripts") if path.read_bytes().startswith(b"#!/usr/bin/env python")]
    return sorted({*_tree("*.py"), *scripts})


def _python(code: str) -> subprocess.CompletedProcess[str]:
    """Run ``code`` from the root, where a folder of ours could hide an installed package."""
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("area", [*AREAS, "tests"])
def test_an_area_is_no_package(area: str) -> None:
    assert (ROOT / area).is_dir()
    assert not (ROOT / area / "__init__.py").exists()


def test_the_installed_fhir_resources_is_found_from_the_root() -> None:
    done = _python("import fhir.resources; print(fhir.resources.__file__)")
    assert "site-packages" in done.stdout, done.stderr


def test_findings_need_neither_torch_nor_pydicom_nor_fhir() -> None:
    done = _python("import ainode_models.findings, sys; print({'torch', 'pydicom', 'fhir'} & set(sys.modules))")
    assert done.stdout.strip() == "set()", done.stdout + done.stderr


def test_every_area_packs_one_typed_package() -> None:
    assert [package.parent.relative_to(ROOT).as_posix() for package in PACKAGES] == list(AREAS)
    assert [package for package in PACKAGES if not (package / "py.typed").is_file()] == []


def test_the_wheel_holds_exactly_the_packages_of_the_tree(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == {
        path.relative_to(package.parent).as_posix() for package in PACKAGES for path in _tree(str(package))
    }


def test_mypy_checks_every_python_file_of_the_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    sources, options = process_options([])
    assert options.strict_equality and options.disallow_untyped_defs, "mypy is not strict"
    assert {(ROOT / str(source.path)).resolve() for source in sources} == set(_python_files())


def test_no_python_file_is_longer_than_400_lines() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in _python_files()}
    assert {path.name: length for path, length in lengths.items() if length > 400} == {}


def test_no_file_names_a_registry_host_or_a_folder_of_one_machine() -> None:
    folders = "(^|[^A-Za-z0-9_.])/(" + "|".join(["work", "farm", "root", "opt/pypi", "opt/wheels"]) + ")/"
    hosts = "https?://(" + "|".join(["registry", "files", "deb", "security", "simple"]) + r")\.|pythonhosted" + r"\.org"
    assert _git("grep", "-nIE", f"{folders}|{hosts}") == []


def test_the_newest_heading_of_the_changelog_is_the_version() -> None:
    headings = re.findall(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == PROJECT["version"] == metadata.version("ainode")


def test_the_wheel_is_built_with_the_build_backend_that_the_tests_use() -> None:
    (backend,) = CONFIG["build-system"]["requires"]
    assert backend in PROJECT["optional-dependencies"]["test"]
    assert Requirement(backend).specifier.contains(_pins()["hatchling"])


def test_constraints_pin_what_is_installed_and_nothing_else() -> None:
    installed = _installed_for("cpu", "monai", "tensorflow", "test")
    pins = _pins()
    # The CUDA build of torch brings these, and pins them itself.
    ours = {name: version for name, version in installed.items() if not re.match("nvidia-|cuda-|triton", name)}
    assert {name: version for name, version in ours.items() if pins.get(name) != version} == {}
    assert set(_pins(before="# Only ainode[monai]")) - set(ours) == set()


def _pins(before: str = "\0") -> dict[str, str]:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8").partition(before)[0]
    pairs = [line.split("==") for line in text.splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def _installed_for(*extras: str) -> dict[str, str]:
    """Name and public version of every distribution that ``ainode[extras]`` brings on this machine."""
    optional = PROJECT["optional-dependencies"]
    todo = _wanted([*PROJECT["dependencies"], *(need for extra in extras for need in optional[extra])], "")
    versions: dict[str, str] = {}
    done: set[tuple[str, str]] = set()
    while todo:
        name, extra = todo.pop()
        done.add((name, extra))
        distribution = metadata.distribution(name)
        versions[name] = distribution.version.partition("+")[0]
        todo |= _wanted(distribution.requires or [], extra) - done
    return versions


def _wanted(requirements: list[str], extra: str) -> set[tuple[str, str]]:
    """Name and extra of each requirement that applies when ``extra`` is asked for; no extra is an extra too."""
    return {
        (canonicalize_name(requirement.name), wanted)
        for requirement in map(Requirement, requirements)
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra})
        for wanted in ["", *requirement.extras]
    }
