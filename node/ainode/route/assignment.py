"""Which of the series that fit goes to which input; one series serves one input, or each with another volume."""

from collections.abc import Mapping, Sequence

from ainode.route.rule import Input
from ainode.study import Series


def preference(series: Series) -> tuple[int, int, str]:
    """Sort key, best first: most images, then lowest Series Number (0020,0011), then lowest Series Instance UID."""
    number = str(series.header.get("SeriesNumber") or "")
    return -series.images, int(number) if number.isdecimal() else 2**31, series.series_uid


def assign(inputs: Sequence[Input], candidates: Mapping[str, Sequence[Series]]) -> dict[str, Series]:
    """Give as many inputs as possible a series, of the ``candidates`` by the input's name.

    In order, each input takes its best series that is still free. When none is free, earlier inputs move on to others
    that fit them, if that frees one (augmenting paths of bipartite matching).
    """
    ranked = {name: sorted(fitting, key=preference) for name, fitting in candidates.items()}
    matching = _Matching({entry.name: entry for entry in inputs}, ranked)
    for entry in inputs:
        matching.take(entry.name, set())
    return {entry.name: matching.chosen[entry.name] for entry in inputs if entry.name in matching.chosen}


class _Matching:
    def __init__(self, inputs: Mapping[str, Input], ranked: Mapping[str, Sequence[Series]]) -> None:
        self._inputs = inputs
        self._ranked = ranked
        self.chosen: dict[str, Series] = {}

    def take(self, name: str, asked: set[str]) -> bool:
        """Give an input one of its series that was not ``asked`` for already; whether there was one."""
        free_first = sorted(self._ranked[name], key=lambda series: bool(self._rivals(name, series)))
        for series in free_first:
            if series.series_uid in asked:
                continue
            if rivals := self._rivals(name, series):
                asked.add(series.series_uid)
            if all(self.take(rival, asked) for rival in rivals):
                self.chosen[name] = series
                return True
        return False

    def _rivals(self, name: str, series: Series) -> list[str]:
        """Inputs that have the series and cannot share it."""
        return [
            other
            for other, taken in self.chosen.items()
            if other != name
            and taken.series_uid == series.series_uid
            and not self._inputs[name].shares_with(self._inputs[other])
        ]
