"""Broken conversations with a node, one for each number, and what became of each."""

import random
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from peers import pdus
from peers.line import SILENT, Line
from peers.mutations import BAD_UIDS, Mutator
from peers.seeds import Seed

ECHO, COMMIT = 1, 3
_PLAIN = "1.2.840.10008.1.2"
_PATIENCE = 30.0
"""Seconds within which the node has to answer or to close; more than any of its own time-outs would be a hang."""
_GLANCE = 0.1
"""Seconds to see whether a broken command is answered at all."""


@dataclass(frozen=True)
class Outcome:
    """What the node did with one broken conversation."""

    kind: str
    """``answered``, ``aborted`` or ``hang``."""
    stored: str = ""
    """SOP Instance UID of the object that it acknowledged with Success."""


class Fuzzer:
    """Speaks to the node at ``port``; conversation ``number`` is the same in every run with the same ``seed``."""

    def __init__(self, port: int, seeds: Sequence[Seed], *, seed: str) -> None:
        self._port = port
        self._seed = seed
        pairs = sorted({(each.sop_class, each.transfer_syntax) for each in seeds})
        self.contexts = {ECHO: ("1.2.840.10008.1.1", _PLAIN), COMMIT: ("1.2.840.10008.1.20.1", _PLAIN)}
        self.contexts |= {2 * number + 5: pair for number, pair in enumerate(pairs)}
        self._number = {pair: number for number, pair in self.contexts.items()}
        with Line(port).associate(self.contexts) as line:
            self._seeds = [each for each in seeds if self._context(each) in line.contexts]
        self._weights = [1 / len(each.data) for each in self._seeds]

    @property
    def kinds(self) -> dict[str, Callable[[Iterable[int]], Iterator[Outcome]]]:
        """The ways to break a conversation, each for many numbers in turn."""
        return {"pdu": self.pdus, "command": self.commands, "data_set": self.data_sets}

    def pdus(self, numbers: Iterable[int]) -> Iterator[Outcome]:
        """Broken PDUs, on an association each."""
        for number in numbers:
            mutator = self._mutator("pdu", number)
            with Line(self._port) as line:
                broken = self._negotiation if mutator.chance.random() < 0.4 else self._transfer
                broken(line, mutator)
                yield _ended(line)

    def commands(self, numbers: Iterable[int]) -> Iterator[Outcome]:
        """Broken command sets, on one association for as long as the node answers."""
        line: Line | None = None
        for number in numbers:
            line = line or Line(self._port).associate(self.contexts)
            line.send(b"".join(self._command(self._mutator("command", number))))
            kind, _body = line.reply(_GLANCE)
            if kind == pdus.P_DATA:
                yield Outcome("answered")
                continue
            yield _ended(line) if kind == SILENT else _outcome([(kind, b"")])
            line.close()
            line = None
        if line:
            line.close()

    def data_sets(self, numbers: Iterable[int]) -> Iterator[Outcome]:
        """Broken data sets in whole messages."""
        line: Line | None = None
        for number in numbers:
            line = line or Line(self._port).associate(self.contexts)
            chosen = self._object(self._mutator("data set", number), f"{self._seed} {number}")
            yield (outcome := self.store(line, chosen))
            if outcome.kind != "answered":
                line.close()
                line = None
        if line:
            line.close()

    def store(self, line: Line, chosen: Seed) -> Outcome:
        """Send one object and take the answer."""
        command = pdus.command_set(pdus.store_command(chosen.sop_class, chosen.sop_instance))
        line.send(b"".join(pdus.message(self._context(chosen), command, chosen.encoded)))
        kind, body = line.reply(_PATIENCE)
        success = kind == pdus.P_DATA and pdus.status_of(body) == 0
        return replace(_outcome([(kind, body)]), stored=chosen.sop_instance if success else "")

    def echo(self, line: Line) -> bool:
        """Whether a C-ECHO is answered with Success."""
        line.send(b"".join(pdus.message(ECHO, pdus.command_set(pdus.echo_command()), None)))
        kind, body = line.reply(_PATIENCE)
        return kind == pdus.P_DATA and pdus.status_of(body) == 0

    def _mutator(self, kind: str, number: int) -> Mutator:
        return Mutator(random.Random(f"{self._seed} {kind} {number}"))

    def _context(self, chosen: Seed) -> int:
        return self._number[chosen.sop_class, chosen.transfer_syntax]

    def _choose(self, chance: random.Random) -> Seed:
        return chance.choices(self._seeds, self._weights)[0]

    def _negotiation(self, line: Line, mutator: Mutator) -> None:
        items = pdus.associate_items(self.contexts)
        if mutator.chance.random() < 0.5:
            line.send(pdus.associate_rq(mutator.parts(items)))
        else:
            line.send(mutator.bytes_of(pdus.associate_rq(items)))
        if line.reply(_GLANCE)[0] == pdus.ASSOCIATE_AC:
            line.send(b"".join([*self._message(self._choose(mutator.chance)), pdus.pdu(pdus.RELEASE_RQ, bytes(4))]))

    def _transfer(self, line: Line, mutator: Mutator) -> None:
        chance = mutator.chance
        line.associate(self.contexts)
        sent = [*self._message(self._choose(chance)), pdus.pdu(pdus.RELEASE_RQ, bytes(4))]
        how = chance.randrange(4)
        if how == 0:
            odd = pdus.pdu(chance.choice((2, 3, 5, 6, 7, 8, 255)), chance.randbytes(chance.choice((0, 4, 5, 200))))
            sent.insert(chance.randrange(len(sent)), odd)
        elif how == 1:
            at = chance.randrange(len(sent))
            length = struct.pack(">I", chance.choice((0, 1, 5, 7, 1 << 16, 1 << 20, 1 << 21, 0xFFFFFFFF)))
            sent[at] = sent[at][:2] + length + sent[at][6:]
        elif how == 2:
            at = chance.randrange(len(sent) - 1)
            odd_head = bytes((chance.choice((0, 1, 2, 3, 5, 7, 255)), chance.choice((0, 1, 2, 3, 4, 255))))
            sent[at] = sent[at][:10] + odd_head + sent[at][12:]
        else:
            sent = mutator.parts(sent)
        line.send(b"".join(sent))

    def _message(self, chosen: Seed) -> list[bytes]:
        command = pdus.command_set(pdus.store_command(chosen.sop_class, chosen.sop_instance))
        return pdus.message(self._context(chosen), command, chosen.encoded)

    def _command(self, mutator: Mutator) -> list[bytes]:
        chance = mutator.chance
        chosen = self._choose(chance)
        context, elements, data = chance.choice(
            (
                (self._context(chosen), pdus.store_command(chosen.sop_class, chosen.sop_instance), chosen.encoded),
                (self._context(chosen), pdus.store_command(chosen.sop_class, chance.choice(BAD_UIDS)), chosen.encoded),
                (ECHO, pdus.echo_command(), None),
                (COMMIT, pdus.action_command(), mutator.data_set(chosen.data)),
            )
        )
        if chance.random() < 0.5:
            command = pdus.command_set(mutator.parts(elements))
        else:
            command = mutator.bytes_of(pdus.command_set(elements))
        return pdus.message(context, command, data)

    def _object(self, mutator: Mutator, name: str) -> Seed:
        chosen = self._choose(mutator.chance).renamed(name)
        chance = mutator.chance
        if chance.random() < 0.05:
            return replace(chosen, data=with_uid(chosen.data, chance.choice((0x0D, 0x0E)), chance.choice(BAD_UIDS)))
        return replace(chosen, data=mutator.data_set(chosen.data))


def with_uid(data: bytes, number: int, uid: str) -> bytes:
    """The data set with another UID in an element of group 0020; as it was when it has none in Explicit VR."""
    tag = struct.pack("<HH2s", 0x0020, number, b"UI")
    at = data.find(tag)
    if at < 0:
        return data
    length = struct.unpack_from("<H", data, at + 6)[0]
    new = pdus.uid(uid)
    return data[:at] + tag + struct.pack("<H", len(new)) + new + data[at + 8 + length :]


def _ended(line: Line) -> Outcome:
    return _outcome(line.end(_PATIENCE))


def _outcome(said: Sequence[tuple[int, bytes]]) -> Outcome:
    if said[-1][0] == SILENT:
        return Outcome("hang")
    answers = (pdus.P_DATA, pdus.RELEASE_RP)
    return Outcome("answered" if any(kind in answers for kind, _ in said) else "aborted")
