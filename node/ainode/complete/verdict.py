"""Whether a study is complete, from facts alone."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Facts:
    """What is known of one study at one moment."""

    quiet_for: float
    """Seconds since its last new instance."""
    wanted: frozenset[str]
    """SeriesInstanceUIDs that some rule takes; empty when no rule has all that it needs."""
    waiting_for: tuple[str, ...]
    """For each rule that lacks inputs: what it waits for, in words."""
    held: Mapping[str, int]
    """Usable instances of each series here."""
    archives: Mapping[str, Mapping[str, int]]
    """Instances of each series in each archive that knows the study."""
    unchanged_for: float
    """Seconds for which nothing has changed, neither here nor in the archives."""

    @property
    def agreement(self) -> bool:
        """Whether some archive knows the study, and each that does has every wanted series as it is here."""
        return bool(self.wanted and self.archives) and all(
            counts.get(uid) == self.held.get(uid) for counts in self.archives.values() for uid in self.wanted
        )


@dataclass(frozen=True)
class Verdict:
    """What to do about a study now."""

    state: str
    """``receiving``, ``waiting``, ``unrouted`` or ``complete``."""
    reason: str
    check_in: float = 0.0
    """Seconds after which to look again."""


@dataclass(frozen=True)
class Patience:
    """How long to wait, in seconds."""

    quiet: float
    """Without an archive to ask, a study is complete when nothing came for so long."""
    interval: float
    """Between two looks at an archive; agreement that lasts so long is believed."""


def judge(facts: Facts, patience: Patience, unwanted: str) -> Verdict:
    """Verdict on one study; ``unwanted`` says why no rule wants it, if so.

    A study is complete when each series that a rule takes is here with as many instances as every archive
    that knows the study counts, twice in a row while nothing changed; where no archive knows it, after the
    quiet time. A rule that still lacks inputs gets the quiet time, too, before others run without it.
    """
    missing = _missing(facts)
    if missing:
        return Verdict("waiting", missing, patience.interval)
    if facts.agreement and not facts.waiting_for and facts.unchanged_for >= patience.interval:
        return Verdict("complete", f"as many instances as {' and '.join(facts.archives)}")
    if facts.quiet_for < patience.quiet:
        reason = f"quiet for {facts.quiet_for:.1f} of {patience.quiet:g} s"
        return Verdict("receiving", reason, min(patience.interval, patience.quiet - facts.quiet_for))
    if facts.wanted:
        return Verdict("complete", "; ".join((f"quiet for {patience.quiet:g} s", *facts.waiting_for)))
    if facts.waiting_for:
        return Verdict("waiting", "; ".join(facts.waiting_for), patience.interval)
    return Verdict("unrouted", unwanted)


def _missing(facts: Facts) -> str:
    """Which wanted series an archive has more of, in words; empty when none."""
    return "; ".join(
        f"archive {archive} has {counts[uid]} instances of series {uid}, {facts.held.get(uid, 0)} of them are here"
        for archive, counts in facts.archives.items()
        for uid in sorted(facts.wanted & counts.keys())
        if counts[uid] > facts.held.get(uid, 0)
    )
