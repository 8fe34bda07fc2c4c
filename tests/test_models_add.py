"""Packages are added as a whole or not at all, and whatever else is in a folder or zip stays out."""

import os
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ainode_models.errors import PackageError
from ainode_models.installation import Installer
from ainode_models.package_source import Bounds
from ainode_models.registry import Registry
from peers.packages import copy_demo, edit, light_package


class Site:
    """A models folder, and what the check was asked to look at."""

    def __init__(self, folder: Path) -> None:
        self.registry = Registry(folder / "models")
        self.checked: list[Path] = []
        self.installer = Installer(self.registry, self.checked.append, Bounds(files=50, total=10_000_000))

    def refuses(self, source: Path, match: str) -> None:
        """The source is refused, and nothing of it stays."""
        before = self._seen()
        with pytest.raises(PackageError, match=match):
            self.installer.add(source)
        assert self._seen() == before

    def _seen(self) -> set[Path]:
        return {path for path in self.registry.folder.rglob("*") if path.suffix != ".lock"}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def zipped(folder: Path, *, top: str = "") -> Path:
    file = folder.parent / f"{folder.name}.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, f"{top}{path.relative_to(folder)}")
    return file


def test_a_package_is_checked_before_anybody_can_see_it_and_has_every_file_then(site: Site, tmp_path: Path) -> None:
    seen: list[tuple[str, ...]] = []

    def look(folder: Path) -> None:
        assert (folder / "nnunet" / "plans.json").is_file()
        seen.append(tuple(package.reference for package in site.registry.packages()))

    source = copy_demo("t1-head-demo", tmp_path / "source")
    installed = Installer(site.registry, look).add(source)
    assert seen == [()]
    assert installed.is_new
    assert installed.package.folder == site.registry.folder / "t1-head-demo-1.0.0"
    installed.package.verify()
    copied = {path.relative_to(installed.package.folder) for path in installed.package.folder.rglob("*")}
    assert copied == {path.relative_to(source) for path in source.rglob("*")}


@pytest.mark.parametrize("top", ["", "some-folder/"])
def test_a_zip_holds_a_package_at_its_top_or_in_its_only_folder(site: Site, tmp_path: Path, top: str) -> None:
    source = copy_demo("t1-head-demo", tmp_path / "source")
    assert site.installer.add(zipped(source, top=top)).package.reference == "t1-head-demo@1.0.0"
    again = site.installer.add(source)
    assert not again.is_new
    assert len(site.checked) == 1


def test_what_the_check_refuses_is_not_there_and_the_message_names_what_the_user_gave(
    site: Site, tmp_path: Path
) -> None:
    source = light_package(tmp_path / "source")

    def refuse(folder: Path) -> None:
        raise PackageError(f"{folder / 'nnunet'}: bad")

    with pytest.raises(PackageError) as refusal:
        Installer(site.registry, refuse).add(source)
    assert str(refusal.value) == f"{source / 'nnunet'}: bad"
    assert site.registry.packages() == ()
    edit(source, "schema = 1", "schema = 2")
    site.refuses(source, rf"{source}/model\.toml: schema: must be 1")


def test_one_version_has_one_content(site: Site, tmp_path: Path) -> None:
    source = light_package(tmp_path / "source")
    site.installer.add(source)
    edit(source, 'limits = "', 'limits = "Changed. ')
    site.refuses(source, r"light@1\.0\.0 is in .*light-1\.0\.0 already, with other content; .*a new version")


def test_rules_stay_with_their_version_when_a_higher_one_is_added(site: Site, tmp_path: Path) -> None:
    for number, version in enumerate(("1.0.0", "2.0.0", "3.0.0")):
        site.installer.add(light_package(tmp_path / str(number), version=version))
        assert site.registry.current("light").manifest.version == "1.0.0"
    assert site.registry.inventory().states.active == {"light": "1.0.0"}


def test_leftovers_of_an_add_that_was_killed_go_with_the_next(site: Site, tmp_path: Path) -> None:
    left = site.registry.folder / ".incoming-abc" / "package"
    left.mkdir(parents=True)
    (left / "model.toml").write_text("schema = 1")
    assert site.registry.survey() == ((), ())
    site.installer.add(light_package(tmp_path / "source"))
    assert not left.exists()


def _link(folder: Path) -> None:
    (folder / "link").symlink_to("/etc/passwd")


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe")


def _many(folder: Path) -> None:
    for number in range(60):
        (folder / f"{number}").touch()


def _large(folder: Path) -> None:
    (folder / "large").write_bytes(bytes(11_000_000))


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (_link, "link: is a link or no plain file; put a copy"),
        (_pipe, "pipe: is a link or no plain file"),
        (_many, "holds more than 50 files"),
        (_large, "holds more than 10000000 bytes"),
    ],
)
def test_a_folder_with_links_or_beyond_the_bounds_is_refused(
    site: Site, tmp_path: Path, spoil: Callable[[Path], None], match: str
) -> None:
    source = light_package(tmp_path / "source")
    spoil(source)
    site.refuses(source, match)


def test_a_zip_bomb_is_stopped_by_what_it_unpacks_to_not_by_what_it_claims(site: Site, tmp_path: Path) -> None:
    source = light_package(tmp_path / "source")
    _large(source)
    file = zipped(source)
    assert file.stat().st_size < 100_000
    site.refuses(file, "holds more than 10000000 bytes")


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../outside", "C:/outside", "a\\..\\outside"])
def test_a_zip_whose_names_lead_outside_is_refused(site: Site, tmp_path: Path, name: str) -> None:
    file = zipped(light_package(tmp_path / "source"))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(name, "x")
    site.refuses(file, "leads outside the package")
    assert not list(tmp_path.rglob("outside"))


def test_a_zip_with_links_strangers_or_two_packages_is_refused(site: Site, tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    stranger, second = zipfile.ZipInfo("beside"), zipfile.ZipInfo("second/model.toml")
    for number, (info, match) in enumerate(
        [(link, "is a link"), (stranger, "lies beside the folder"), (second, r"must hold one model\.toml")]
    ):
        file = zipped(light_package(tmp_path / str(number)), top="one/")
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr(info, "/etc/passwd")
        site.refuses(file, match)


def test_what_is_no_package_is_refused_in_words(site: Site, tmp_path: Path) -> None:
    site.refuses(tmp_path / "nothing", "is not there; give the folder or the zip")
    (tmp_path / "text.zip").write_text("no zip")
    site.refuses(tmp_path / "text.zip", "is no zip, or a damaged one")
    (tmp_path / "empty").mkdir()
    site.refuses(tmp_path / "empty", r"empty/model\.toml: cannot be read")
    whole = zipped(light_package(tmp_path / "source"))
    content = bytearray(whole.read_bytes())
    content[60:90] = bytes(30)
    whole.write_bytes(content)
    site.refuses(whole, "is no zip, or a damaged one")
    (site.registry.folder / "light-1.0.0").mkdir()
    site.refuses(tmp_path / "source", r"light-1\.0\.0: is there already, but is not light@1\.0\.0")
    shutil.rmtree(site.registry.folder)
