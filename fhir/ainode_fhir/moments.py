"""Times of searches as ranges of microseconds since 1970-01-01 UTC (https://hl7.org/fhir/R4/search.html#date)."""

import re
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENT = re.compile(
    r"(?P<year>\d{4})(-(?P<month>\d\d)(-(?P<day>\d\d)"
    r"(T(?P<clock>\d\d:\d\d)(?P<second>:\d\d(\.\d{1,9})?)?(?P<zone>Z|[+-]\d\d:\d\d)?)?)?)?"
)


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970-01-01 UTC of a moment with zone."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment_of(count: int) -> datetime:
    """The moment, in UTC, of so many microseconds."""
    return _EPOCH + timedelta(microseconds=count)


def span(text: str) -> tuple[int, int]:
    """First microsecond of a FHIR date, dateTime or instant, and the first after it; UTC where no zone is given.

    The length is the precision that was written: a year, month, day, minute, second or a fraction of it.
    Raises ValueError when ``text`` is none of them.
    """
    match = _MOMENT.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not a FHIR date")
    try:
        start = _start(match)
        return microseconds(start), microseconds(_end(start, match))
    except OverflowError as exc:
        raise ValueError(f"{text!r} lies outside of the calendar") from exc


def _start(match: re.Match[str]) -> datetime:
    day = f"{match['year']}-{match['month'] or '01'}-{match['day'] or '01'}"
    zone = (match["zone"] or "Z").replace("Z", "+00:00")
    return datetime.fromisoformat(f"{day}T{match['clock'] or '00:00'}{(match['second'] or ':00')[:10]}{zone}")


def _end(start: datetime, match: re.Match[str]) -> datetime:
    if match["second"]:
        return start + timedelta(microseconds=10 ** max(0, 6 - len(match["second"][4:])))
    if match["clock"]:
        return start + timedelta(minutes=1)
    if match["day"]:
        return start + timedelta(days=1)
    if match["month"]:
        return (start + timedelta(days=31)).replace(day=1)
    return start.replace(year=start.year + 1)
