"""Bundle of one page of a search (https://hl7.org/fhir/R4/search.html#bundle)."""

import json
from urllib.parse import urlencode

from ainode_fhir.datatypes import Json
from ainode_fhir.inclusion import MAX_INCLUDED
from ainode_fhir.outcome import outcome
from ainode_fhir.query import PAGE, Query
from ainode_fhir.search import ignored_text
from ainode_fhir.stored import Page, Stored
from ainode_fhir.view import View


def searchset(query: Query, page: Page, *, base_url: str) -> str:
    """JSON: matches, what comes along with them, a warning where a part was left out, links ``self`` and ``next``."""
    entries = [_entry(item, "match", query.view, base_url) for item in page.resources]
    entries += [_entry(item, "include", query.view.without_elements, base_url) for item in page.included]
    entries += [_warning("not-supported", ignored_text(query))] if query.ignored else []
    entries += [_warning("too-costly", _CUT)] if page.cut else []
    links = [{"relation": "self", "url": _link(query, base_url)}]
    if page.next:
        links.append({"relation": "next", "url": _link(query, base_url, page.next)})
    total = {} if page.total is None else {"total": page.total}
    body: Json = {"resourceType": "Bundle", "type": "searchset", **total, "link": links}
    head = json.dumps(body)
    return f'{head[:-1]}, "entry": [{", ".join(entries)}]}}' if entries else head


_CUT = f"{MAX_INCLUDED} resources come along with a page at most; the others were left out: ask with a smaller _count"


def _entry(item: Stored, mode: str, view: View, base_url: str) -> str:
    text = item.body_text if view.is_all else json.dumps(view.of(item.body))
    return f'{{"fullUrl": "{base_url}/{item.location}", "resource": {text}, "search": {{"mode": "{mode}"}}}}'


def _warning(code: str, text: str) -> str:
    return json.dumps({"resource": outcome(code, text, severity="warning"), "search": {"mode": "outcome"}})


def _link(query: Query, base_url: str, page: str | None = None) -> str:
    pairs = [*query.used, *([(PAGE, page)] if page else [])]
    return f"{base_url}/{query.kind}" + (f"?{urlencode(pairs)}" if pairs else "")
