"""The life of versions: several side by side, one followed, some retired, for any number of processes."""

import subprocess
import sys
from pathlib import Path

import pytest

from ainode_models.errors import PackageError
from ainode_models.installation import Installer
from ainode_models.registry import Registry
from ainode_models.version_states import VERSIONS
from peers.packages import light_package


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """Versions 1.0.0, 1.9.0 and 1.10.0 of one model."""
    for version in ("1.0.0", "1.9.0", "1.10.0"):
        light_package(tmp_path / "models" / f"light-{version}", version=version)
    return Registry(tmp_path / "models")


def followed(registry: Registry) -> str:
    return registry.current("light").manifest.version


def states(registry: Registry) -> dict[str, str]:
    inventory = registry.inventory()
    return {package.manifest.version: inventory.state_of(package) for package in inventory.good}


def test_without_a_word_the_highest_version_that_is_not_retired_is_followed(registry: Registry) -> None:
    assert followed(registry) == "1.10.0"
    assert not (registry.folder / VERSIONS).exists()
    registry.activate("light@1.0.0")
    registry.retire("light@1.10.0")
    assert states(registry) == {"1.0.0": "active", "1.9.0": "", "1.10.0": "retired"}
    (registry.folder / VERSIONS).write_text('{"active": {}, "retired": ["light@1.10.0"]}')
    assert followed(registry) == "1.9.0"


def test_a_retired_version_makes_no_new_runs_but_those_that_are_queued_find_it(registry: Registry) -> None:
    registry.retire("light@1.9.0")
    with pytest.raises(PackageError, match=r"light@1\.9\.0 is retired .*: ainode models activate light@1\.9\.0"):
        registry.current("light@1.9.0")
    assert registry.get("light@1.9.0").manifest.version == "1.9.0"
    assert registry.current("light@1.0.0").manifest.version == "1.0.0"
    registry.activate("light@1.9.0")
    assert registry.current("light@1.9.0").manifest.version == followed(registry) == "1.9.0"


def test_what_rules_follow_is_retired_only_when_nothing_could_take_its_place_unasked(registry: Registry) -> None:
    with pytest.raises(PackageError, match=r"light@1\.10\.0 is active.*of light@1\.0\.0, light@1\.9\.0"):
        registry.retire("light@1.10.0")
    for version in ("1.0.0", "1.9.0", "1.10.0"):
        registry.retire(f"light@{version}")
    with pytest.raises(PackageError, match="light: every version is retired; activate one"):
        registry.current("light")
    assert registry.get("light@1.10.0").manifest.version == "1.10.0"


def test_an_active_version_that_cannot_be_read_is_never_replaced_by_another(registry: Registry) -> None:
    registry.activate("light@1.9.0")
    manifest = registry.folder / "light-1.9.0" / "model.toml"
    manifest.write_text(manifest.read_text().replace("schema = 1", "schema = 9"))
    with pytest.raises(PackageError, match=r"the active version of light cannot be used: .*schema: must be 1"):
        registry.current("light")
    assert registry.current("light@1.0.0").manifest.version == "1.0.0"


def test_only_versions_that_are_there_can_be_activated_or_retired(registry: Registry) -> None:
    for act in (registry.activate, registry.retire):
        with pytest.raises(PackageError, match=r"light@3\.0\.0: no such model package"):
            act("light@3.0.0")
        with pytest.raises(PackageError, match=r"'light' names no version; write NAME@VERSION"):
            act("light")


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"active": {}}', '{"active": {"light": "1"}, "retired": []}', '{"active": [], "retired": []}'],
)
def test_states_that_cannot_be_read_are_an_error_and_runs_that_exist_name_it(registry: Registry, content: str) -> None:
    (registry.folder / VERSIONS).write_text(content)
    with pytest.raises(PackageError, match=r"versions\.json: cannot be read \(.*mend it, or remove it"):
        registry.current("light")


def test_folders_that_begin_with_a_dot_are_in_the_making(registry: Registry) -> None:
    light_package(registry.folder / ".incoming", version="2.0.0")
    assert followed(registry) == "1.10.0"


_READER = """
import sys
from pathlib import Path
from ainode_models.registry import Registry
registry = Registry(Path(sys.argv[1]))
print("ready", flush=True)
for line in sys.stdin:
    print(registry.current("light").reference, registry.get("light@1.9.0").reference, flush=True)
"""


def test_another_process_sees_each_change_at_once_and_finds_what_it_runs_on(registry: Registry, tmp_path: Path) -> None:
    """The reader is like a node that is up: one Registry object, asked again and again."""
    reader = subprocess.Popen(
        [sys.executable, "-c", _READER, str(registry.folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with reader:
        assert reader.stdin
        assert reader.stdout
        assert reader.stdout.readline() == "ready\n"

        def seen() -> str:
            assert reader.stdin
            assert reader.stdout
            reader.stdin.write("?\n")
            reader.stdin.flush()
            return reader.stdout.readline().strip()

        assert seen() == "light@1.10.0 light@1.9.0"
        registry.activate("light@1.9.0")
        assert seen() == "light@1.9.0 light@1.9.0"
        Installer(registry, lambda folder: None).add(light_package(tmp_path / "new", version="2.0.0"))
        assert seen() == "light@1.9.0 light@1.9.0"
        registry.activate("light@2.0.0")
        registry.retire("light@1.9.0")
        assert seen() == "light@2.0.0 light@1.9.0"
    assert reader.returncode == 0


_CROWD = """
import sys
from pathlib import Path
from ainode_models.registry import Registry
registry, stop = Registry(Path(sys.argv[1])), Path(sys.argv[2])
seen = [registry.current("light").reference]
print("ready", flush=True)
while not stop.exists():
    seen.append(registry.current("light").reference)
    assert registry.get(seen[-1]).reference == seen[-1]
print(" ".join(dict.fromkeys(seen)), flush=True)
"""


def test_those_who_ask_without_a_pause_are_never_refused_while_versions_come_and_go(
    registry: Registry, tmp_path: Path
) -> None:
    stop = tmp_path / "stop"
    command = [sys.executable, "-c", _CROWD, str(registry.folder), str(stop)]
    crowd = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        for each in crowd:
            assert each.stdout
            assert each.stdout.readline() == "ready\n"
        before = "1.10.0"
        for major in range(2, 8):
            version = f"{major}.0.0"
            Installer(registry, lambda folder: None).add(light_package(tmp_path / version, version=version))
            registry.activate(f"light@{version}")
            registry.retire(f"light@{before}")
            before = version
    finally:
        stop.touch()
        answers = [each.communicate(timeout=120)[0] for each in crowd]
    assert [each.returncode for each in crowd] == [0, 0]
    for answer in answers:
        assert answer.split()[0] == "light@1.10.0"
        assert set(answer.split()) <= {"light@1.10.0", *(f"light@{major}.0.0" for major in range(2, 8))}


_CHANGER = """
import sys
from pathlib import Path
from ainode_models.registry import Registry
registry = Registry(Path(sys.argv[1]))
for version in sys.argv[2:]:
    registry.retire(f"light@{version}")
"""


def test_two_processes_that_change_states_at_once_lose_none(registry: Registry) -> None:
    registry.activate("light@1.10.0")
    for minor in range(20):
        light_package(registry.folder / f"more-{minor}", version=f"0.{minor}.0")
    halves = [[f"0.{minor}.0" for minor in range(start, 20, 2)] for start in (0, 1)]
    changers = [
        subprocess.Popen([sys.executable, "-c", _CHANGER, str(registry.folder), *versions]) for versions in halves
    ]
    assert [changer.wait(timeout=120) for changer in changers] == [0, 0]
    assert len(registry.inventory().states.retired) == 20
    assert followed(registry) == "1.10.0"
