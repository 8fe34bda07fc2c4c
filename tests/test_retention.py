"""Studies leave when their time is over or room is needed, none that anything still needs, and no kill loses one."""

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydicom import dcmread

from ainode.commitment.verdict import Judge
from ainode.deliver.results import Results
from ainode.dicomweb.describer import Describer
from ainode.journal.commitments import CommitmentRequest, Reference
from ainode.journal.database import open_database
from ainode.journal.headers import HeaderJournal
from ainode.journal.instances import Refusal, StoredInstance
from ainode.peers import room_to_make
from ainode.receive.indexer import Indexer
from ainode.receive.registrar import Registrar
from ainode.settings import load_settings
from ainode_models.errors import EncodingError
from peers.postgres import PostgresServer
from peers.receiver import uid_of
from peers.retention_site import CT, DAY, SENDER, SPEC, Site, step_until_calm
from peers.tiny_series import write_series


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_database(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    yield engine
    engine.dispose()


@pytest.fixture
def site(tmp_path: Path, engine: sa.Engine) -> Site:
    return Site(tmp_path, engine)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_study_whose_time_is_over_leaves_with_its_results_and_the_others_stay(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path / 'journal.sqlite'}"
    if kind == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.database(tmp_path.name)
    engine = open_database(url)
    site = Site(tmp_path, engine)
    site.receive("1.1")
    run = site.run("1.1")
    site.deliver(run)
    site.receive("1.2", settled="unrouted")
    site.ahead += 31 * DAY
    site.receive("1.3")
    kept = {row.path for row in site.instances.of_study("1.3")}
    retention = site.retention(days=30)
    retention.step()
    assert site.known() == kept
    assert len(site.files()) == 6, "files are removed only after a while"
    step_until_calm(retention, site)
    assert site.files() == kept
    assert [*site.results.iterdir()] == []
    assert [site.state(uid) for uid in ("1.1", "1.2", "1.3")] == ["deleted", "deleted", "routed"]
    assert [row.study_uid for row in site.studies.open()] == []
    assert site.runs.get(run).outcome == "findings", "what was done is remembered"
    assert site.runs.made_here(["1.1.77"]) == {"1.1.77"}
    with pytest.raises(EncodingError, match="deleted"):
        Results(site.runs, site.results).get(run)
    engine.dispose()


def _waiting_run(site: Site) -> None:
    site.run("1.1", finished=False)


def _undelivered(site: Site) -> None:
    site.run("1.1")


def _given_up(site: Site) -> None:
    site.run("1.1")
    (row,) = site.deliveries.due("pacs")
    site.deliveries.dead(row, "refused")


def _to_fetch(site: Site) -> None:
    site.studies.touched("pacs", ("1.1",), "7")


def _committed(site: Site) -> None:
    site.commit(["1.1.1"])


def _receiving(site: Site) -> None:
    site.settle("1.1", "receiving")


def _waiting(site: Site) -> None:
    site.settle("1.1", "waiting")


def _just_delivered(site: Site) -> None:
    run = site.run("1.1")
    site.ahead += 2 * DAY
    site.deliver(run)


@pytest.mark.parametrize(
    "need",
    [_waiting_run, _undelivered, _given_up, _to_fetch, _committed, _receiving, _waiting, _just_delivered],
    ids=lambda need: need.__name__.strip("_"),
)
@pytest.mark.parametrize("by", ["age", "room"])
def test_a_study_that_something_needs_stays_however_old_it_is_and_however_full_the_disk(
    site: Site, need: Callable[[Site], None], by: str
) -> None:
    site.receive("1.1")
    before = site.files()
    need(site)
    if need is not _just_delivered:
        site.ahead += 365 * DAY
    site.free = 0
    step_until_calm(site.retention(days=30) if by == "age" else site.retention(least=10_000), site)
    assert site.files() == site.known() == before


def test_without_a_setting_nothing_ever_leaves(site: Site) -> None:
    site.receive("1.1")
    site.ahead += 36500 * DAY
    site.free = 0
    step_until_calm(site.retention(), site)
    assert len(site.files()) == 2


def test_a_promise_to_keep_has_an_end_only_if_the_settings_give_it_one(tmp_path: Path, engine: sa.Engine) -> None:
    site = Site(tmp_path, engine, committed_days=90)
    site.commit(site.receive("1.1"))
    site.ahead += 89 * DAY
    step_until_calm(site.retention(days=30), site)
    assert len(site.files()) == 2
    site.ahead += 2 * DAY
    step_until_calm(site.retention(days=30), site)
    assert site.files() == set()


def test_second_copies_and_different_objects_under_one_uid_leave_with_their_study(site: Site, tmp_path: Path) -> None:
    (path,) = write_series(tmp_path / "series", images=1, study_uid="1.1")
    for change in ("InstitutionName", "SeriesDescription"):
        dicom = dcmread(path)
        dicom.file_meta.SourceApplicationEntityTitle = change[:16]
        if change == "SeriesDescription":
            dicom.SeriesDescription = "corrected"
        dicom.save_as(tmp_path / f"{change}.dcm")
    for name in (path, tmp_path / "InstitutionName.dcm", tmp_path / "SeriesDescription.dcm"):
        kept = site.spool.adopt(_copy(name, site.spool.incoming / "sent"))
        (site.spool.incoming / "sent").unlink()
        site.instances.stored([StoredInstance(uid_of(path), kept.sha256, kept.path, kept.bytes, SENDER)])
        Indexer(site.instances, site.spool).step()
    with site.engine.connect() as connection:
        assert [*connection.scalars(sa.text("select state from instances order by id"))] == [
            "indexed",
            "copy",
            "indexed",
        ]
    site.settle("1.1", "routed")
    site.ahead += 31 * DAY
    step_until_calm(site.retention(days=30), site)
    assert site.files() == site.known() == set()


def test_what_searches_knew_of_a_deleted_study_leaves_with_it(site: Site, tmp_path: Path) -> None:
    (path,) = write_series(tmp_path / "series", images=1, study_uid="1.1")
    kept = site.spool.adopt(_copy(path, site.spool.incoming / "sent"))
    (site.spool.incoming / "sent").unlink()
    site.instances.stored([StoredInstance(uid_of(path), kept.sha256, kept.path, kept.bytes, SENDER)])
    Indexer(site.instances, site.spool).step()
    describer = Describer(HeaderJournal(site.engine), site.spool)
    while describer.step():
        pass
    assert "phantom" in site.searched()
    site.settle("1.1", "routed")
    site.ahead += 31 * DAY
    site.retention(days=30).step()
    assert "phantom" not in site.searched()
    while describer.step():
        pass
    assert "phantom" not in site.searched()


def test_the_oldest_make_room_and_no_more_of_them_than_are_needed(site: Site) -> None:
    for study in ("1.1", "1.2", "1.3", "1.4"):
        site.receive(study)
        site.ahead += 1
    site.ahead += 2 * 3600
    site.free = 1000 - 300  # each study has 2 x 105 bytes
    retention = site.retention(least=1000)
    retention.step()
    retention.step()
    assert [site.state(uid) for uid in ("1.1", "1.2", "1.3", "1.4")] == ["deleted", "deleted", "routed", "routed"]


def test_room_is_made_before_objects_are_refused_whatever_the_settings_say(tmp_path: Path) -> None:
    def least(text: str) -> int:
        file = tmp_path / "ainode.toml"
        file.write_text(f"[spool]\nmin_free_bytes = 1_000\nmin_free_percent = 0\n[retention]\n{text}\n")
        return room_to_make(load_settings(file, {}))(tmp_path).least

    assert least("make_room_bytes = 1_001") == least("make_room_percent = 1e-12") == 1200
    assert least("make_room_bytes = 5_000") == 5000
    assert least("") == 0


def test_a_study_of_the_last_hour_stays_when_room_is_needed(site: Site) -> None:
    site.receive("1.1")
    site.free = 0
    step_until_calm(site.retention(least=1000), site)
    assert len(site.files()) == 2


def test_objects_that_could_not_be_used_leave_after_their_time(site: Site) -> None:
    item = site.receive_one("1.5")
    (row,) = site.instances.to_index()
    site.instances.settle([], [Refusal(row.id, "no DICOM")])
    site.ahead += 29 * DAY
    step_until_calm(site.retention(days=30), site)
    assert site.files() == {item.path}
    site.ahead += 2 * DAY
    step_until_calm(site.retention(days=30), site)
    assert site.files() == site.known() == set()


def test_what_was_deleted_is_not_committed_any_more(site: Site) -> None:
    (uid,) = site.receive("1.1", count=1)
    judge = Judge(site.commitments, site.spool, Registrar(site.spool, site.instances))
    request = CommitmentRequest("1.2.3", "SCU", "127.0.0.1", (Reference(CT, uid),))
    site.ahead += 31 * DAY
    retention = site.retention(days=30)
    retention.step()
    assert [item for item, _ in judge.verdict(site.commitments.asked(request, wait=0)).failed] == [Reference(CT, uid)]


@pytest.mark.parametrize("came", ["run", "retry of a delivery", "commitment"])
def test_a_study_that_is_needed_again_before_its_files_are_gone_comes_back(site: Site, came: str) -> None:
    uids = site.receive("1.1")
    run = site.run("1.1")
    site.deliver(run)
    site.ahead += 31 * DAY
    retention = site.retention(days=30)
    retention.step()
    assert site.state("1.1") == "deleted"
    if came == "run":
        site.runs.create(replace(SPEC, study_uid="1.1", rule="other", model_version="2"))
    elif came == "commitment":
        site.commit(uids)
    else:
        assert site.deliveries.replay(site.deliveries.of_run(run)[0].id)
    step_until_calm(retention, site)
    assert site.state("1.1") == "receiving"
    assert [row.sop_instance_uid for row in site.instances.of_study("1.1")] == uids
    assert site.files() == site.known()
    assert (site.results / run / "sr.dcm").is_file()


def test_an_image_that_is_late_by_days_waits_for_the_others_instead_of_replacing_the_result(site: Site) -> None:
    uids = site.receive("1.1", count=3)
    site.ahead += 31 * DAY
    step_until_calm(site.retention(days=30), site)
    assert site.studies.lacking("1.1") == 3
    site.receive("1.1", count=1)
    assert site.studies.lacking("1.1") == 2
    assert site.receive("1.1", count=3) == uids
    assert site.studies.lacking("1.1") == 0
    assert len(site.files()) == 3
    assert site.studies.lacking("1.2") == 0


def test_a_person_may_have_the_rest_of_a_deleted_study_judged_alone(site: Site) -> None:
    site.receive("1.1", count=3)
    site.ahead += 31 * DAY
    step_until_calm(site.retention(days=30), site)
    assert not site.studies.reopen("1.1"), "there is nothing to be looked at"
    site.receive("1.1", count=1)
    assert site.studies.reopen("1.1")
    assert site.studies.lacking("1.1") == 0


def test_a_file_that_comes_again_stays_whichever_of_file_and_row_is_first(site: Site) -> None:
    uid, other = site.receive("1.1")
    site.ahead += 31 * DAY
    retention = site.retention(days=30, grace=0)
    retention.step()
    site.ahead = 0  # from here on with the real time, which files have, too
    with site.engine.begin() as connection:
        connection.execute(sa.text("update deletions set marked_at = :now"), {"now": time.time()})
    time.sleep(0.02)
    again = site.spool.write(uid, [b"\0" * 100, uid.encode()])
    time.sleep(0.02)
    retention.step()
    assert site.files() == {again.path}, f"the file of {other} has gone, that without a row yet has not"
    site.instances.stored([StoredInstance(uid, again.sha256, again.path, again.bytes, SENDER)])
    time.sleep(0.02)
    retention.step()
    site.ahead += DAY
    retention.step()
    assert site.files() == site.known() == {again.path}


def test_a_study_that_is_sent_again_unchanged_has_its_time_anew(site: Site) -> None:
    site.receive("1.1")
    time.sleep(0.3)
    site.receive_one("1.1.0")
    days = 0.2 / DAY
    site.retention(days=days).step()
    assert site.state("1.1") == "routed"
    time.sleep(0.3)
    site.retention(days=days).step()
    assert site.state("1.1") == "deleted"


def test_the_indexer_takes_what_comes_again_after_its_deletion(site: Site, tmp_path: Path) -> None:
    (path,) = write_series(tmp_path / "series", images=1, study_uid="1.1")
    for _ in range(2):
        kept = site.spool.adopt(_copy(path, site.spool.incoming / "sent"))
        site.instances.stored([StoredInstance(uid_of(path), kept.sha256, kept.path, kept.bytes, SENDER)])
        Indexer(site.instances, site.spool).step()
        assert site.state("1.1") == "receiving"
        assert site.known() == {kept.path} <= site.files()
        (site.spool.incoming / "sent").unlink()
        site.settle("1.1", "routed")
        site.ahead += 31 * DAY
        step_until_calm(site.retention(days=30), site)
        assert site.files() == site.known() == set()


def _copy(path: Path, to: Path) -> Path:
    shutil.copy(path, to)
    return to
