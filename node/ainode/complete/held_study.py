"""A study as the journal holds it, for routing."""

from collections import defaultdict
from collections.abc import Sequence

from ainode.journal.instances import InstanceRow
from ainode.receive.spool import Spool
from ainode.study import Series, Study
from ainode.volume.builder import read_header


def held_study(study_uid: str, rows: Sequence[InstanceRow], spool: Spool) -> Study:
    """Study with one header read for each series, so that thousands of instances cost nothing.

    The header is that of the lowest SOP Instance UID: the order of arrival must not change the routing.
    """
    grouped: dict[str, dict[str, InstanceRow]] = defaultdict(dict)
    for row in rows:
        assert row.series_uid
        grouped[row.series_uid][row.sop_instance_uid] = row
    return Study(study_uid, tuple(_series(uid, grouped[uid], spool) for uid in sorted(grouped)))


def _series(series_uid: str, rows: dict[str, InstanceRow], spool: Spool) -> Series:
    uids = tuple(sorted(rows))
    paths = tuple(spool.path_of(rows[uid].path) for uid in uids)
    contested = tuple(rows[uid].sha256 for uid in uids if rows[uid].contested)
    header = read_header(paths[0])
    return Series(series_uid=series_uid, header=header, sop_uids=uids, paths=paths, contested=contested)
