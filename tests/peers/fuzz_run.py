"""Many broken conversations with one node, with a look at it after each batch."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from peers.fuzzer import Fuzzer, Outcome
from peers.line import Line
from peers.seeds import Seed
from peers.watched_node import WatchedNode

_LANES = 4


@dataclass
class Tally:
    """What came out of all batches so far."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Conversations by kind of mutation and by what the node did."""
    acknowledged: set[str] = field(default_factory=set)
    """SOP Instance UIDs of mutated objects that were answered with Success."""
    checks: int = 0
    checks_failed: list[str] = field(default_factory=list)
    """What was not as it should be after a batch."""

    def of(self, outcome: str) -> int:
        """Conversations of any kind that ended so."""
        return sum(count for (_, found), count in self.outcomes.items() if found == outcome)


def run_batches(
    node: WatchedNode, fuzzer: Fuzzer, good: Seed, *, count: int, batch: int, told: Callable[[Tally], None]
) -> Tally:
    """``count`` broken conversations, as many of each kind, ``batch`` of one kind between two looks at the node."""
    tally = Tally()
    kinds = list(fuzzer.kinds)
    each = -(-count // len(kinds))
    for start in range(0, each, batch):
        for kind in kinds:
            for outcome in _parallel(fuzzer, kind, range(start, min(each, start + batch))):
                tally.outcomes[kind, outcome.kind] += 1
                tally.acknowledged |= {outcome.stored} - {""}
            _check(node, fuzzer, good.renamed(f"good {kind} {start}"), tally)
        told(tally)
    return tally


def unsettled(node: WatchedNode, tally: Tally) -> set[str]:
    """Acknowledged objects that the node has neither indexed nor refused with a reason."""
    return tally.acknowledged - {
        uid for uid, _, state, reason in node.rows() if state == "indexed" or (state == "refused" and reason)
    }


def _parallel(fuzzer: Fuzzer, kind: str, numbers: range) -> list[Outcome]:
    def lane(number: int) -> list[Outcome]:
        return list(fuzzer.kinds[kind](numbers[number::_LANES]))

    with ThreadPoolExecutor(_LANES) as pool:
        return [outcome for outcomes in pool.map(lane, range(_LANES)) for outcome in outcomes]


def _check(node: WatchedNode, fuzzer: Fuzzer, good: Seed, tally: Tally) -> None:
    """A C-ECHO and a whole object must be answered, and the object be found as it was sent."""
    tally.checks += 1
    with Line(node.port).associate(fuzzer.contexts) as line:
        if not fuzzer.echo(line):
            tally.checks_failed.append("C-ECHO was not answered")
        if fuzzer.store(line, good).stored != good.sop_instance:
            tally.checks_failed.append("a whole object was not stored")
            return

    def found() -> list[str]:
        return [path for uid, path, state, _ in node.rows() if uid == good.sop_instance and state == "indexed"]

    node.wait(found, "the whole object in the index")
    if [(node.spool / path).read_bytes().endswith(good.encoded) for path in found()] != [True]:
        tally.checks_failed.append("a whole object is not as it was sent")
