"""Settings from one file and the environment; what is wrong is refused by place, with what is allowed."""

import dataclasses
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ainode.cli.config import app
from ainode.settings import Settings, load_settings, load_settings_with_origins
from ainode.settings.reference import settings_reference
from ainode.settings.schema import field_documents, section_of
from ainode.settings.toml_text import settings_toml
from ainode_models.errors import SettingsError

ROOT = Path(__file__).resolve().parents[1]
COMPLETE_FILE = """\
[node]
folder = "state"
name = "node-2"

[dicom]
port = 104
accept_private_sop_classes = ["1.3.12.2.1107.5.9.1"]

[[dicom.caller]]
ae_title = "PACS"
address = "10.1.0.0/16"

[database]
url = "postgresql+psycopg://ainode:opensesame@db/ainode?password=opensesame"

[[archive]]
name = "main-pacs"
dicomweb = "https://pacs.example/dicom-web/"
orthanc = "https://pacs.example"
follow = true
username = "ainode"
password = "opensesame"
client_certificate = "node.pem"
client_key_password = "opensesame"

[[destination]]
name = "pacs"
kind = "stow"
archive = "main-pacs"

[[destination]]
name = "ehr"
kind = "fhir"
url = "https://ehr.example/fhir"
token = "opensesame"

[[destination]]
name = "old"
kind = "cstore"
ae_title = "OLD"
host = "10.1.2.3"
port = 104
"""


def written(folder: Path, content: str) -> Path:
    file = folder / "ainode.toml"
    file.write_text(content)
    return file


def refusal(folder: Path, content: str, **environ: str) -> str:
    """The message about a bad file, with the folder taken away."""
    with pytest.raises(SettingsError) as refused:
        load_settings(written(folder, content), environ)
    return str(refused.value).removeprefix(f"{folder}/")


def test_every_field_has_a_default_without_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings(None, {})
    assert (settings.dicom.ae_title, settings.dicom.port, settings.complete.quiet) == ("AINODE", 11112, 5.0)
    assert settings.node.folder == tmp_path / "ainode-data"
    assert dataclasses.replace(settings, node=Settings().node, rules=Settings().rules, models=Settings().models) == (
        Settings()
    )


def test_the_file_of_the_current_folder_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, "[web]\nport = 8081\n")
    monkeypatch.chdir(tmp_path)
    assert load_settings(None, {}).web.port == 8081


def test_a_file_fills_the_settings_and_paths_count_from_its_folder(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, COMPLETE_FILE), {})
    assert settings.node.folder == tmp_path / "state"
    assert settings.rules.file == tmp_path / "rules.toml"
    assert settings.dicom.caller[0].address == "10.1.0.0/16"
    assert settings.dicom.accept_private_sop_classes == ("1.3.12.2.1107.5.9.1",)
    archive = settings.archive[0]
    assert archive.dicomweb == "https://pacs.example/dicom-web"
    assert archive.client_certificate == tmp_path / "node.pem"
    assert archive.password.reveal() == "opensesame"
    assert [destination.kind for destination in settings.destination] == ["stow", "fhir", "cstore"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "[dicom]\nport = 1\nprot = 104\n",
            "ainode.toml:3: [dicom] prot: unknown key; allowed: ae_title, host, port, ",
        ),
        ("[dicom]\nprot = 104\n", "accept_private_sop_classes, caller (did you mean 'port'?)"),
        ("\n[dimse]\n", "ainode.toml:2: [dimse]: unknown key; allowed: node, dicom, spool, retention, web, "),
        ("[dicom]\nport = 65536\n", "2: [dicom] port: 65536 is not a whole number from 1 to 65535"),
        ('[dicom]\nport = "104"\n', "2: [dicom] port: '104' is not a whole number from 1 to 65535"),
        ("[dicom]\nport = true\n", "2: [dicom] port: True is not a whole number"),
        ("[dicom]\nmax_pdu = -1\n", "is not a whole number of bytes from 0 to 4294967295"),
        ("[dicom]\naccept_unknown = 1\n", "2: [dicom] accept_unknown: 1 is not true or false"),
        ("[dicom]\nae_title = 'seventeen-letters'\n", "is not an AE title of 1 to 16 ASCII characters"),
        ("[dicom]\nae_title = 'A\\B'\n", "is not an AE title of 1 to 16 ASCII characters without backslash"),
        ("[dicom]\naccept_private_sop_classes = ['1.02']\n", "['1.02'] is not a list of UIDs"),
        ("[complete]\nquiet = 0\n", "[complete] quiet: 0 is not a number of seconds from 0.1 to 31536000"),
        ("[complete]\nquiet = nan\n", "[complete] quiet: nan is not a number of seconds"),
        ("[models]\ndevice = 'gpu'\n", """'gpu' is not one of "auto", "cpu", "cuda\""""),
        ("[fhir]\nreport_status = 'final'\n", """'final' is not one of "partial", "preliminary\""""),
        ("[database]\nurl = 'mysql://u:opensesame@h/d'\n", "url: the value is not an SQLAlchemy URL"),
        ("[node]\nfolder = ''\n", "[node] folder: '' is not a path"),
        ("dicom = 3\n", "ainode.toml:1: [dicom]: must be a table: write [dicom] on a line of its own"),
        ("[archive]\nname = 'a'\n", "[archive]: must be a list of tables: write [[archive]], with two brackets"),
        (
            "[[dicom.caller]]\nae_title = '*'\naddress = '::1'\n"
            "[[dicom.caller]]\naddress = '10.0.0.1/24'\nae_title = '*'\n",
            "5: [[dicom.caller]] 2 address: '10.0.0.1/24' is not an IP address, or a network",
        ),
        ("[[archive]]\nname = 'a'\n", "1: [[archive]] 'a' dicomweb: is missing; expected an http:// or https:// URL"),
        (
            "[[archive]]\nname = 'a'\ndicomweb = 'http://u:opensesame@h/'\n",
            "3: [[archive]] 'a' dicomweb: 'http://***@h/' is not an http:// or https:// URL without user",
        ),
        ("[[archive]]\nname = 'a b'\n", "2: [[archive]] 'a b' name: 'a b' is not letters, digits, - and _"),
    ],
)
def test_an_unknown_key_or_bad_value_is_refused_with_line_and_what_is_allowed(
    tmp_path: Path, content: str, message: str
) -> None:
    assert message in refusal(tmp_path, content)


CLIENT = "[[fhir.client]]\nid = 'a'\nscopes = 'system/*.rs'\n"
ARCHIVE = "[[archive]]\nname = 'a'\ndicomweb = 'http://h/'\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "[[dicom.caller]]\nae_title = 'A'\naddress = '::1'\nhost = 'h'\n",
            "1: [[dicom.caller]] 1 port: is missing; host and port come together",
        ),
        ("[dicom]\ntls_port = 2762\n", "1: [dicom] tls_certificate: is missing; tls_port needs it"),
        (
            "[dicom]\nport = 2762\ntls_port = 2762\ntls_certificate = 'c'\n",
            "3: [dicom] tls_port: is the same as port; choose another",
        ),
        ("[dicom]\ntls_ca = 'c'\n", "1: [dicom] tls_port: is missing; tls_ca belongs to it"),
        (
            CLIENT.replace("system/*.rs", "system/*.rs patient/*.read") + "jwks = 'k'\n",
            "3: [[fhir.client]] 1 scopes: 'patient/*.read' is no scope of this server; allowed: system/TYPE.rs",
        ),
        (CLIENT, "1: [[fhir.client]] 1 jwks: choose one: a file jwks, or the address jwks_url"),
        (CLIENT + "jwks = 'k'\njwks_url = 'https://h/k'\n", "choose one: a file jwks, or the address jwks_url"),
        (CLIENT + "jwks_url = 'http://h/k'\n", "4: [[fhir.client]] 1 jwks_url: must be https"),
        (2 * (CLIENT + "jwks = 'k'\n"), "2: [[fhir.client]] 1 id: 'a' is there twice; choose another"),
        ("[deliver]\nfirst_retry = 9\nmax_retry = 8\n", "3: [deliver] max_retry: is below first_retry, 9 s"),
        (
            ARCHIVE + ARCHIVE.replace("'a'", "'A'"),
            "5: [[archive]] 'A' name: AINODE_ARCHIVE_A_DICOMWEB would also set a field",
        ),
        (ARCHIVE + "follow = true\n", "4: [[archive]] 'a' follow: needs the field orthanc"),
        (ARCHIVE + "username = 'u'\n", "1: [[archive]] 'a' password: is missing; username and password come"),
        (ARCHIVE + "password = 'p'\n", "1: [[archive]] 'a' username: is missing; username and password come"),
        (
            ARCHIVE + "username = 'u'\npassword = 'p'\ntoken = 't'\n",
            "6: [[archive]] 'a' token: choose one: a token, or username and password",
        ),
        (ARCHIVE + "client_key = 'k.pem'\n", "client_certificate: is missing; client_key belongs to"),
        (ARCHIVE + "client_key_password = 'p'\n", "client_certificate: is missing; client_key_password"),
        (
            ARCHIVE + "[[destination]]\nname = 'd'\nkind = 'stow'\narchive = 'b'\n",
            "7: [[destination]] 'd' archive: no [[archive]] is called 'b'; allowed: a",
        ),
        (
            "[[destination]]\nname = 'd'\nkind = 'stow'\n",
            "1: [[destination]] 'd' archive: is missing; kind \"stow\" needs archive",
        ),
        (
            "[[destination]]\nname = 'd'\nkind = 'cstore'\nae_title = 'X'\nhost = 'h'\n",
            "1: [[destination]] 'd' port: is missing; kind \"cstore\" needs ae_title, host, port",
        ),
        (
            "[[destination]]\nname = 'd'\nkind = 'fhir'\nurl = 'http://h/'\nport = 104\n",
            "5: [[destination]] 'd' port: is not for kind \"fhir\"; allowed: name, kind, url, username",
        ),
        (
            "[[archive]]\nname = 'a'\ndicomweb = 'http://h/'\n"
            "[[destination]]\nname = 'd'\nkind = 'stow'\narchive = 'a'\nregistered = true\n",
            "8: [[destination]] 'd' registered: is not for kind \"stow\", which gets no FHIR",
        ),
        (
            "[[destination]]\nname = 'd'\nkind = 'fhir'\nurl = 'http://h/'\nsegmentation = 'labelmap'\n",
            "5: [[destination]] 'd' segmentation: is not for kind \"fhir\", which gets no segmentations",
        ),
        (
            ARCHIVE + "[[destination]]\nname = 'd'\nkind = 'stow'\narchive = 'a'\ntoken = 't'\n",
            "8: [[destination]] 'd' token: is not for kind \"stow\"; log in with the fields of its [[archive]]",
        ),
    ],
)
def test_fields_that_contradict_each_other_are_refused_at_their_line(
    tmp_path: Path, content: str, message: str
) -> None:
    assert message in refusal(tmp_path, content)


def test_variables_override_the_file(tmp_path: Path) -> None:
    environ = {
        "AINODE_WEB_PORT": "8081",
        "AINODE_DICOM_ACCEPT_UNKNOWN": "true",
        "AINODE_DICOM_ACCEPT_PRIVATE_SOP_CLASSES": "1.2.3, 1.2.4",
        "AINODE_NODE_FOLDER": "elsewhere",
        "AINODE_ARCHIVE_MAIN_PACS_PASSWORD": "fromenv",
        "AINODE_SETTINGS": "is not a setting itself",
        "PATH": "/bin",
    }
    settings = load_settings(written(tmp_path, COMPLETE_FILE), environ)
    assert settings.web.port == 8081
    assert settings.dicom.accept_unknown
    assert settings.dicom.accept_private_sop_classes == ("1.2.3", "1.2.4")
    assert settings.node.folder == tmp_path / "elsewhere"
    assert settings.archive[0].password.reveal() == "fromenv"


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("AINODE_WEB_PROT", "1", "AINODE_WEB_PROT: sets nothing (did you mean 'AINODE_WEB_PORT'?)"),
        ("AINODE_ARCHIVE_OTHER_PASSWORD", "x", "AINODE_ARCHIVE_OTHER_PASSWORD: sets nothing"),
        ("AINODE_ARCHIVE_MAIN_PACS_NAME", "x", "AINODE_ARCHIVE_MAIN_PACS_NAME: sets nothing"),
        ("AINODE_WEB_PORT", "eighty", "AINODE_WEB_PORT: 'eighty' is not a whole number from 1 to 65535"),
        ("AINODE_DICOM_ACCEPT_UNKNOWN", "yes", "'yes' is not true or false"),
        ("AINODE_COMPLETE_QUIET", "inf", "'inf' is not a number of seconds"),
        ("AINODE_DATABASE_URL", "opensesame", "AINODE_DATABASE_URL: the value is not an SQLAlchemy URL"),
    ],
)
def test_a_variable_that_sets_nothing_or_a_bad_value_is_refused_by_name(
    tmp_path: Path, variable: str, value: str, message: str
) -> None:
    found = refusal(tmp_path, COMPLETE_FILE, **{variable: value})
    assert found.startswith(f"environment variable {variable}")
    assert message in found


def test_a_contradiction_that_a_variable_makes_is_blamed_on_the_variable(tmp_path: Path) -> None:
    found = refusal(tmp_path, COMPLETE_FILE, AINODE_DESTINATION_PACS_ARCHIVE="main-pac")
    assert found.startswith("AINODE_DESTINATION_PACS_ARCHIVE: [[destination]] 'pacs' archive: no [[archive]]")
    assert found.endswith("allowed: main-pacs (did you mean 'main-pacs'?)")


def test_two_tables_whose_variables_coincide_are_refused(tmp_path: Path) -> None:
    twins = "".join(
        f"[[destination]]\nname = '{name}'\nkind = 'cstore'\nae_title = 'X'\nhost = 'h'\nport = 1\n"
        for name in ("pacs", "pacs-query")
    )
    assert "8: [[destination]] 'pacs-query' name: AINODE_DESTINATION_PACS_QUERY_AE_TITLE would also set" in (
        refusal(tmp_path, twins)
    )


def test_secrets_show_nowhere(tmp_path: Path) -> None:
    file = written(tmp_path, COMPLETE_FILE)
    loaded = load_settings_with_origins(file, {})
    shown = CliRunner().invoke(app, ["show", "--settings", str(file)])
    assert shown.exit_code == 0
    for text in (shown.output, repr(loaded.settings), str(loaded.settings.archive[0].password)):
        assert "opensesame" not in text
        assert "***" in text
    assert "postgresql+psycopg://ainode:***@db/ainode?***" in shown.output


def test_what_config_show_prints_is_a_settings_file_of_the_same_settings(tmp_path: Path) -> None:
    content = "".join(line + "\n" for line in COMPLETE_FILE.splitlines() if "opensesame" not in line)
    content = content.replace('username = "ainode"\n', "").replace('client_certificate = "node.pem"\n', "")
    loaded = load_settings_with_origins(written(tmp_path, content), {"AINODE_WEB_PORT": "8081"})
    printed = settings_toml(loaded)
    (tmp_path / "printed.toml").write_text(printed)
    assert load_settings(tmp_path / "printed.toml", {}) == loaded.settings
    web = printed.split("[web]\n")[1].splitlines()
    assert web[0].split() == ["host", "=", '"127.0.0.1"', "#", "default"]
    assert web[1].split() == ["port", "=", "8081", "#", "AINODE_WEB_PORT"]
    assert 'name = "node-2" ' in printed
    assert f"# {tmp_path}/ainode.toml:3\n" in printed
    assert tomllib.loads(printed)["log"] == {"level": "info", "format": "auto"}


def test_every_field_is_documented_and_the_page_is_what_the_code_says() -> None:
    pending: list[type] = [Settings]
    classes: list[type] = []
    while pending:
        shape = section_of(pending[-1])
        classes.append(pending.pop())
        pending += [*shape.tables.values(), *shape.arrays.values()]
    assert len(classes) == 22
    for cls in classes:
        documents = field_documents(cls)
        assert [setting.name for setting in section_of(cls).settings if not documents[setting.name]] == []
    assert (ROOT / "docs" / "settings.md").read_text() == settings_reference(), (
        "docs/settings.md is behind the code: ainode config reference > docs/settings.md"
    )


def test_reports_are_shown_to_other_machines_only_when_the_file_says_that_something_else_asks_who_they_are(
    tmp_path: Path,
) -> None:
    message = refusal(tmp_path, '[web]\nhost = "0.0.0.0"\n')
    assert message.startswith("ainode.toml:2: [web] host: '0.0.0.0' lets others in without TLS")
    assert "unprotected = true" in message
    open_to_all = written(tmp_path, '[web]\nhost = "0.0.0.0"\nunprotected = true\n')
    assert load_settings(open_to_all, {}).web.unprotected
