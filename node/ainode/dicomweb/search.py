"""QIDO-RS: search for studies, series and instances (PS3.18 10.6)."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from pydicom.dataset import Dataset
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from ainode.dicomweb.attributes import (
    IF_KNOWN,
    INSTANCE_ANSWER,
    SERIES,
    SERIES_ANSWER,
    STUDY,
    STUDY_ANSWER,
    Attributes,
    as_json,
    single,
    tag_of,
)
from ainode.dicomweb.file_header import file_header
from ainode.dicomweb.links import Links
from ainode.dicomweb.media import JSON, check_json
from ainode.dicomweb.problem import WebProblem
from ainode.dicomweb.search_keys import Search, read_search
from ainode.journal.holdings import Counts, Found, Holdings, Level, Match, Window
from ainode.journal.matching import Kind
from ainode_models.errors import InputError, InstanceError

_MOST_HEADERS = 2000
"""Headers that one search may read."""


@dataclass(frozen=True)
class SearchService:
    """``GET /studies``, ``/series`` and ``/instances``, of the node or of what the address names."""

    holdings: Holdings
    path_of: Callable[[str], Path]
    links: Links
    catch_up: Callable[[], int]
    """Takes in what changed since."""

    async def studies(self, request: Request) -> Response:
        """All studies."""
        return await self._answer(request, "study")

    async def series(self, request: Request) -> Response:
        """Series of one study, or of all."""
        return await self._answer(request, "series")

    async def instances(self, request: Request) -> Response:
        """Instances of one series, of one study, or of all."""
        return await self._answer(request, "instance")

    async def _answer(self, request: Request, level: Level) -> Response:
        check_json(request)
        search = read_search(request, level)
        scope = {name: request.path_params[name] for name in ("study", "series") if name in request.path_params}
        within = tuple(Match(f"{name}.{name}_uid", Kind.UID, uid) for name, uid in scope.items())
        search = replace(search, matches=search.matches + within)
        return await run_in_threadpool(self._search, search, level, len(scope))

    def _search(self, search: Search, level: Level, scope: int) -> Response:
        self.catch_up()
        try:
            found, total = self._find(search, level)
        except InputError as exc:
            raise WebProblem(400, str(exc)) from exc
        counts = self.holdings.counts(sorted({item.study_uid for item in found}))
        body = [self._described(item, search, counts[item.study_uid], scope=scope) for item in found]
        return _response(body, search, left=total - search.window.offset - len(found), base=self.links.base)

    def _find(self, search: Search, level: Level) -> tuple[list[Found], int]:
        if search.instance_number is None:
            return self.holdings.search(level, search.matches, search.window)
        found, total = self.holdings.search(level, search.matches, Window(_MOST_HEADERS, 0))
        if total > _MOST_HEADERS:
            raise WebProblem(413, "InstanceNumber is searched for within one study or series; name it")
        kept = [item for item in found if _has_number(self._header(item), search.instance_number)]
        window = search.window
        return kept[window.offset : window.offset + window.limit], len(kept)

    def _header(self, item: Found) -> Dataset:
        assert item.path
        try:
            return file_header(self.path_of(item.path))
        except (InstanceError, OSError):
            return Dataset()  # found by its UIDs alone

    def _described(self, item: Found, search: Search, counts: Counts, *, scope: int) -> Attributes:
        """One match: all that is due on its level and on those that the address leaves open, and what is asked."""
        address = self.links.resource(item.study_uid, item.series_uid, sop_instance_uid=item.sop_instance_uid)
        made = single("InstanceAvailability", "ONLINE") | single("RetrieveURL", address)
        made |= single("StudyInstanceUID", item.study_uid)
        level = 2 if item.sop_instance_uid else 1 if item.series_uid else 0
        made |= _chosen(item.study, search, answer=(*STUDY_ANSWER, *IF_KNOWN) if scope == 0 else (), kept=STUDY)
        if scope == 0:
            made |= _study_counts(counts)
        if level > 0:
            made |= single("SeriesInstanceUID", item.series_uid)
            always = (*SERIES_ANSWER, *IF_KNOWN) if scope < 2 else ()
            made |= _chosen(item.series, search, answer=always, kept=SERIES)
            if always:
                made |= single("NumberOfSeriesRelatedInstances", counts.series.get(item.series_uid or "", 0))
        return dict(sorted((made | (self._of_instance(item, search) if level == 2 else {})).items()))

    def _of_instance(self, item: Found, search: Search) -> Attributes:
        header = self._header(item)
        upper = {*STUDY, *SERIES}
        wanted = header.dir() if search.everything else search.fields - upper
        made = as_json(header, [*INSTANCE_ANSWER, *IF_KNOWN[3:], *(name for name in wanted if _is_plain(name))])
        return made | single("SOPClassUID", item.sop_class_uid) | single("SOPInstanceUID", item.sop_instance_uid)


def _chosen(attributes: Attributes, search: Search, *, answer: Iterable[str], kept: Iterable[str]) -> Attributes:
    """Those of the kept attributes that are answered, empty where they are due and the header has none."""
    due = {tag_of(name): single(name) for name in answer if name in kept and name not in IF_KNOWN}
    wanted = set(kept) if search.everything else (search.fields | set(answer)) & set(kept)
    made = {tag: empty[tag] for tag, empty in due.items()}
    return made | {tag: attributes[tag] for tag in map(tag_of, wanted) if tag in attributes}


def _study_counts(counts: Counts) -> Attributes:
    series = single("NumberOfStudyRelatedSeries", len(counts.series))
    images = single("NumberOfStudyRelatedInstances", counts.instances)
    return single("ModalitiesInStudy", *counts.modalities) | series | images


def _is_plain(name: str) -> bool:
    """Whether an attribute may go into an answer: no pixels."""
    try:
        return not tag_of(name).startswith("7FE0")
    except AssertionError:
        return False


def _has_number(header: Dataset, number: str) -> bool:
    found = as_json(header, ["InstanceNumber"]).get(tag_of("InstanceNumber"), {}).get("Value", [])
    return [str(value) for value in found] == [number.strip().lstrip("0") or "0"]


def _response(body: list[Attributes], search: Search, *, left: int, base: str) -> Response:
    """200 with the matches, 204 without any (PS3.18 Table 10.6.3-1), and what to be warned of."""
    more = [f"There are {left} additional results that can be requested"] if left > 0 else []
    warnings = ", ".join(f'299 {base} "{text}"' for text in [*search.warnings, *more])
    headers = {"warning": warnings} if warnings else {}
    if not body:
        return Response(status_code=204, headers=headers)
    return Response(json.dumps(body), media_type=JSON, headers=headers)
