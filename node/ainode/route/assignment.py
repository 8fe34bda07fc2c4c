"""Which of the series that fit goes to which input; one series serves one input."""

from collections.abc import Mapping, Sequence

from ainode.study import Series


def preference(series: Series) -> tuple[int, int, str]:
    """Sort key, best first: most images, then lowest Series Number (0020,0011), then lowest Series Instance UID."""
    number = str(series.header.get("SeriesNumber") or "")
    return -series.images, int(number) if number.isdecimal() else 2**31, series.series_uid


def assign(candidates: Mapping[str, Sequence[Series]]) -> dict[str, Series]:
    """Give as many inputs as possible a series.

    In order, each input takes its best series that is still free. When none is free, an earlier input moves on to
    another that fits it, if that frees one (augmenting paths of bipartite matching).
    """
    ranked = {name: sorted(fitting, key=preference) for name, fitting in candidates.items()}
    owner: dict[str, str] = {}
    for name in ranked:
        _take(name, ranked, owner, set())
    chosen = {taker: uid for uid, taker in owner.items()}
    return {
        name: next(series for series in ranked[name] if series.series_uid == chosen[name])
        for name in ranked
        if name in chosen
    }


def _take(name: str, ranked: Mapping[str, Sequence[Series]], owner: dict[str, str], asked: set[str]) -> bool:
    for series in ranked[name]:
        if series.series_uid not in owner:
            owner[series.series_uid] = name
            return True
    for series in ranked[name]:
        if series.series_uid not in asked:
            asked.add(series.series_uid)
            if _take(owner[series.series_uid], ranked, owner, asked):
                owner[series.series_uid] = name
                return True
    return False
