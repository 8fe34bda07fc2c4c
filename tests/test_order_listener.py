"""Orders over MLLP: python-hl7's client sends, hl7apy reads the answers, and what was answered AA is on the disk."""

import logging
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import hl7
import pytest
import sqlalchemy as sa
import structlog
from hl7.client import MLLPClient
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.core import Message
from hl7apy.parser import parse_message

from ainode import peers
from ainode.doctor.finding import Result as Verdict
from ainode.doctor.ports import check_ports
from ainode.journal.database import open_database
from ainode.journal.orders import OrderJournal
from ainode.journal.tables import orders
from ainode.logs import configure_logs
from ainode.orders.intake import OrderIntake
from ainode.orders.options import OrderOptions
from ainode.settings import Orders, Settings, load_settings
from ainode_models.errors import SettingsError
from peers.certificates import Authority, Certificate
from peers.order_node import MESSAGE, OLD_MESSAGE, OrderNode, answered, code, order_node


@pytest.fixture
def node(tmp_path: Path) -> Iterator[OrderNode]:
    with order_node(tmp_path, patience_s=0.5, most_bytes=4096, most_connections=3) as node:
        yield node


@pytest.mark.parametrize("message", [MESSAGE, OLD_MESSAGE])
def test_an_order_is_kept_and_its_answer_is_a_valid_acknowledgement_to_the_sender(
    node: OrderNode, message: str
) -> None:
    answer = node.ask(message)
    assert code(answer) == ("AA", "M1" if message == MESSAGE else "M2")
    assert [str(answer.segment("MSH")[field]) for field in (3, 4, 5, 6)] == ["AINODE", "NODE", "RIS", "HOSPITAL"]
    read = parse_message(str(answer).replace("\n", "\r"), validation_level=VALIDATION_LEVEL.TOLERANT)
    assert read.validate()
    (row,) = node.journal.all()
    order = row.order
    assert (order.placer.value, order.filler.value, order.accession.value) == ("PL-1", "FI-1", "ACC-9")
    assert (order.study_uid, order.status, order.priority) == ("1.2.826.0.1.77", "active", "stat")
    assert (order.authored, order.wanted) == ("2026-03-01T11:59:00+01:00", "2026-03-04T09:00:00+01:00")
    assert (order.patients[0].value, order.patients[0].universal) == ("P-4711", "1.2.276.99")
    assert order.procedure.value == "MRHEAD"
    assert node.woken.is_set()


def test_an_order_that_hl7apy_built_is_taken(node: OrderNode) -> None:
    made = Message("OMG_O19", version="2.5.1")
    made.msh.msh_9 = "OMG^O19^OMG_O19"
    made.msh.msh_10 = "A1"
    for line in ("PID|||P-1^^^HOSP", "ORC|NW|77^HIS", "OBR||77^HIS||CT^CT of the chest^LOCAL"):
        made.add_segment(line[:3]).value = line
    assert code(node.ask(made.to_er7())) == ("AA", "A1")
    (row,) = node.journal.all()
    assert (row.order.placer.value, row.order.procedure.meaning) == ("77", "CT of the chest")


@pytest.mark.parametrize(
    ("message", "expected", "words"),
    [
        (MESSAGE.replace("OMI^O23^OMI_O23", "ADT^A08"), ("AR", "M1"), "MSH-9 is none of ORM^O01, OMI^O23, OMG^O19"),
        (MESSAGE.replace("|M1|", "||"), ("AR", ""), "MSH-10 is missing"),
        (MESSAGE.replace("UNICODE UTF-8", "BIG-5"), ("AR", "M1"), "MSH-18 names a character set"),
        (MESSAGE.encode("latin-1"), ("AR", "M1"), "the text is not in the character set of MSH-18"),
        ("hello", ("AR", ""), "a message begins with MSH"),
        ("MSH", ("AR", ""), "a message begins with MSH"),
        ("MSH|" + "^" * 9, ("AR", ""), "cannot be read as HL7 v2"),
        (MESSAGE.replace("P-4711", ""), ("AE", "M1"), "PID-3 has no patient identifier"),
        (MESSAGE.replace("PID|", "ZZZ|"), ("AE", "M1"), "PID-3 has no patient identifier"),
        (MESSAGE.replace("ORC|", "ZZZ|"), ("AE", "M1"), "there is no ORC"),
        (MESSAGE.replace("ORC|NW", "ORC|"), ("AE", "M1"), "ORC-1, the order control, is missing"),
        (MESSAGE.replace("ORC|NW", "ORC|UA"), ("AE", "M1"), "ORC-1 is not among NW"),
        (MESSAGE.replace("1.2.826.0.1.77", "no uid"), ("AE", "M1"), "the Study Instance UID (IPC-3, ZDS-1) is no UID"),
        (MESSAGE.replace("ACC-9", "A" * 251), ("AE", "M1"), "longer than 250 characters"),
        (
            MESSAGE.replace("PL-1^RIS", "").replace("FI-1^RIS", "").replace("ACC-9", ""),
            ("AE", "M1"),
            "neither placer (ORC-2), filler (ORC-3) nor accession number (OBR-18)",
        ),
        (MESSAGE.replace("MR head", "MR\\.sk999999999\\head"), ("AE", "M1"), "a formatting command"),
        (MESSAGE + "ORC|NW\r" * 101, ("AE", "M1"), "there are more than 100 orders"),
    ],
)
def test_what_cannot_be_an_order_is_refused_in_words_and_nothing_of_the_message_is_kept(
    node: OrderNode, message: str | bytes, expected: tuple[str, str], words: str
) -> None:
    answer = node.ask(message)
    assert code(answer) == expected
    assert words in answer.unescape(str(answer.segment("ERR")[8]))
    assert words in answer.unescape(str(answer.segment("MSA")[3]))
    assert "Erika" not in str(answer)
    assert node.journal.all() == []


def test_of_two_orders_in_one_message_none_is_kept_when_one_lacks_something(node: OrderNode) -> None:
    second = "ORC|NW|PL-2^RIS\rOBR|2|PL-2^RIS||CT^CT^LOCAL\r"
    assert code(node.ask(MESSAGE + second.replace("PL-2^RIS", ""))) == ("AE", "M1")
    assert node.journal.all() == []
    assert code(node.ask(MESSAGE + second)) == ("AA", "M1")
    assert [row.order.placer.value for row in node.journal.all()] == ["PL-1", "PL-2"]


def test_a_message_that_is_sent_again_is_one_order_and_an_older_one_does_not_undo_a_cancellation(
    node: OrderNode,
) -> None:
    cancelled = MESSAGE.replace("ORC|NW", "ORC|CA").replace("20260301120000", "20260302120000").replace("|M1|", "|M3|")
    for message in (MESSAGE, MESSAGE, cancelled, MESSAGE):
        assert code(node.ask(message))[0] == "AA"
    (row,) = node.journal.all()
    assert row.order.status == "revoked"
    assert row.order.authored == "2026-03-01T11:59:00+01:00"
    again = cancelled.replace("ORC|CA", "ORC|XO").replace("20260302", "20260303")
    node.ask(again)
    assert node.journal.all()[0].order.status == "active"


def test_a_cancellation_by_placer_number_alone_keeps_what_the_order_said(node: OrderNode) -> None:
    node.ask(MESSAGE)
    head = MESSAGE.split("ORC|")[0].replace("20260301", "20260302")
    assert code(node.ask(head + "ORC|CA|PL-1^RIS\r")) == ("AA", "M1")
    (row,) = node.journal.all()
    assert row.order.status == "revoked"
    assert (row.order.accession.value, row.order.study_uid) == ("ACC-9", "1.2.826.0.1.77")


def test_the_same_number_of_another_system_is_another_order(node: OrderNode) -> None:
    node.ask(MESSAGE)
    node.ask(MESSAGE.replace("PL-1^RIS", "PL-1^HIS").replace("FI-1^RIS", ""))
    assert len(node.journal.all()) == 2


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [("UNICODE UTF-8", "utf-8"), ("", "utf-8"), ("8859/1", "latin-1"), ("8859/15", "iso8859-15")],
)
def test_text_is_read_in_the_character_set_that_the_message_names(node: OrderNode, charset: str, encoding: str) -> None:
    message = MESSAGE.replace("UNICODE UTF-8", charset).replace("MR head", "Schädel \\X0000\\MR")
    assert code(node.ask(message.encode(encoding)))[0] == "AA"
    assert node.journal.all()[0].order.procedure.meaning == "Schädel MR & neck"


def test_one_connection_takes_many_messages_and_line_ends_between_them(node: OrderNode) -> None:
    with MLLPClient("127.0.0.1", node.port) as client:
        for number in range(5):
            answer = answered(client.send_message(MESSAGE.replace("|M1|", f"|N{number}|")))
            assert code(answer) == ("AA", f"N{number}")
            client.socket.sendall(b"\r\n")


def closed_without_answer(connection: socket.socket) -> bool:
    """Whether the node hangs up without a word."""
    connection.settimeout(20)
    try:
        return connection.recv(100) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("start", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00", b"MSH|^~\\&|RIS\x1c\r"])
def test_who_speaks_another_protocol_is_hung_up_on(node: OrderNode, start: bytes) -> None:
    with socket.create_connection(("127.0.0.1", node.port)) as connection:
        connection.sendall(start)
        assert closed_without_answer(connection)
    assert code(node.ask(MESSAGE))[0] == "AA"


def test_who_begins_a_message_and_does_not_end_it_is_hung_up_on_and_hinders_nobody(node: OrderNode) -> None:
    with socket.create_connection(("127.0.0.1", node.port)) as slow:
        slow.sendall(b"\x0b" + MESSAGE.encode()[:50])
        assert code(node.ask(MESSAGE))[0] == "AA"
        assert closed_without_answer(slow)


@pytest.mark.parametrize("whole", [True, False])
def test_a_message_that_is_too_long_is_rejected_and_the_connection_ends(node: OrderNode, whole: bool) -> None:
    with MLLPClient("127.0.0.1", node.port) as client:
        client.socket.settimeout(20)
        body = MESSAGE.encode() + b"NTE|1||" + b"x" * 200_000
        client.socket.sendall(b"\x0b" + body + (b"\x1c\r" if whole else b""))
        answer = answered(client.socket.recv(4096))
        assert code(answer) == ("AR", "M1")
        assert "longer than 4096 bytes" in str(answer.segment("ERR")[8])
    assert code(node.ask(MESSAGE))[0] == "AA"


def test_connections_beyond_the_most_are_closed_until_one_is_free(node: OrderNode) -> None:
    clients = [MLLPClient("127.0.0.1", node.port) for _ in range(3)]
    for client in clients:
        assert code(answered(client.send_message(MESSAGE)))[0] == "AA"
    with socket.create_connection(("127.0.0.1", node.port)) as another:
        assert closed_without_answer(another)
    for client in clients:
        client.close()
    for _ in range(100):
        try:
            assert code(node.ask(MESSAGE))[0] == "AA"
            break
        except (ConnectionError, AssertionError):
            time.sleep(0.05)
    else:
        pytest.fail("no connection became free")


def test_strangers_are_closed_before_they_say_anything(tmp_path: Path) -> None:
    with (
        order_node(tmp_path, senders=("10.0.0.0/8",)) as node,
        socket.create_connection(("127.0.0.1", node.port)) as stranger,
    ):
        assert closed_without_answer(stranger)
        assert node.journal.all() == []


def test_an_address_is_known_by_itself_or_its_network_and_ipv4_in_ipv6_is_ipv4() -> None:
    options = OrderOptions(host="::", port=0, senders=("10.1.2.3/32", "fd00::/8"))
    allowed = {
        name: options.allows(name) for name in ("10.1.2.3", "::ffff:10.1.2.3", "10.1.2.4", "fd00::1%eth0", "::1")
    }
    assert allowed == {"10.1.2.3": True, "::ffff:10.1.2.3": True, "10.1.2.4": False, "fd00::1%eth0": True, "::1": False}


def test_orders_are_off_and_without_named_senders_only_this_machine_may_send(tmp_path: Path) -> None:
    assert Settings().orders.port == 0
    options = peers.order_options(Settings())
    assert [options.allows(name) for name in ("127.0.0.1", "::1", "10.1.2.3")] == [True, True, False]
    file = tmp_path / "ainode.toml"
    file.write_text("[orders]\nport = 2576\n[[orders.sender]]\naddress = '10.1.0.0/16'\n")
    named = peers.order_options(load_settings(file, {}))
    assert [named.allows(name) for name in ("127.0.0.1", "10.1.2.3")] == [False, True]
    file.write_text("[orders]\nport = 2576\ntls_key = 'node.key'\n")
    with pytest.raises(SettingsError, match="tls_certificate: is missing; tls_key belongs to it"):
        load_settings(file, {})


def test_the_doctor_says_whether_somebody_listens_for_orders_and_that_no_sender_is_named(node: OrderNode) -> None:
    (taken,) = [
        finding
        for finding in check_ports(Settings(orders=Orders(port=node.port)))
        if finding.check == f"HL7 port {node.port}, for orders"
    ]
    assert taken.result is Verdict.OK
    unnamed = Settings(orders=Orders(host="0.0.0.0", port=node.port))
    assert "who may send orders" in [finding.check for finding in check_ports(unnamed)]


def test_a_port_that_is_taken_stops_the_start_with_its_reason(node: OrderNode, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with (
        pytest.raises(SettingsError, match=f"cannot listen for orders on 127.0.0.1 port {node.port}"),
        order_node(tmp_path / "other", port=node.port),
    ):
        pass


def tls_options(own: Certificate, authority: Authority) -> dict[str, object]:
    from ainode.receive.tls import TlsFiles

    return {"tls": TlsFiles(own.certificate, own.key, authority.file)}


def ask_over_tls(node: OrderNode, context: ssl.SSLContext) -> tuple[tuple[str, str], str]:
    """The answer, and the name in the certificate of the node."""
    with (
        socket.create_connection(("127.0.0.1", node.port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(b"\x0b" + MESSAGE.encode() + b"\x1c\r")
        subject = dict(pair[0] for pair in connection.getpeercert()["subject"])  # type: ignore[index,misc]
        answer = connection.recv(4096)
        if not answer:
            raise ConnectionError
        return code(answered(answer)), str(subject["commonName"])


def test_over_tls_a_sender_shows_its_certificate_and_a_new_one_of_the_node_is_used_at_once(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    own, theirs, next_one = (authority.issue(name) for name in ("node", "ris", "renewed"))
    known = ssl.create_default_context(cafile=authority.file)
    known.load_cert_chain(theirs.certificate, theirs.key)
    unknown = ssl.create_default_context(cafile=authority.file)
    with order_node(tmp_path, **tls_options(own, authority)) as node:
        assert ask_over_tls(node, known) == (("AA", "M1"), "node")
        with pytest.raises(OSError):
            ask_over_tls(node, unknown)
        with socket.create_connection(("127.0.0.1", node.port)) as plain:
            plain.sendall(b"\x0b" + MESSAGE.encode() + b"\x1c\r")
            plain.settimeout(20)
            assert b"MSA" not in plain.recv(4096)
        next_one.certificate.replace(own.certificate)
        next_one.key.replace(own.key)
        assert ask_over_tls(node, known) == (("AA", "M1"), "renewed")


def test_a_database_that_fails_is_an_error_that_asks_for_another_try(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    intake = OrderIntake(OrderJournal(engine, time.time), lambda: datetime.now(UTC), on_kept=lambda: None)
    with engine.begin() as connection:
        orders.drop(connection)
    assert b"MSA|AE|M1|the order could not be kept: send it again" in intake.answer(MESSAGE.encode())
    with engine.begin() as connection:
        orders.create(connection)
    assert b"MSA|AA|M1" in intake.answer(MESSAGE.encode())
    engine.dispose()


def test_no_log_line_quotes_a_field_that_cannot_be_unescaped(
    node: OrderNode, capfd: pytest.CaptureFixture[str]
) -> None:
    before = logging.getLogger().handlers
    configure_logs(level="info", form="json")
    try:
        assert code(node.ask(MESSAGE.replace("PL-1^RIS", "Mustermann\\Xzz\\^RIS")))[0] == "AA"
    finally:
        logging.getLogger().handlers = before
        structlog.reset_defaults()
    assert "Mustermann" not in "".join(capfd.readouterr())


def test_whatever_comes_gets_an_answer_that_can_be_read(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    intake = OrderIntake(OrderJournal(engine, time.time), lambda: datetime.now(UTC), on_kept=lambda: None)
    random, verdicts = Random(29), set()
    pieces = (b"|", b"^", b"~", b"&", b"\\", b"\r", b"\\X00\\", b"\\Xd800\\", b"\0", b"MSH|", b"ORC|", b"\x1c", b"\xff")
    for _ in range(400):
        block = bytearray(MESSAGE.encode())
        for _ in range(random.randint(1, 5)):
            place = random.randrange(len(block) + 1)
            changes = (
                (slice(place, place + 1), bytes([random.randrange(256)])),
                (slice(place, place + random.randrange(40)), b""),
                (slice(place, place), random.choice(pieces)),
                (slice(place + 1, None), b""),
            )
            where, what = random.choice(changes)
            block[where] = what
        answer = intake.answer(bytes(block))
        assert b"\x1c" not in answer
        assert b"\x0b" not in answer
        verdicts.add(code(hl7.parse(answer.decode()))[0])
    engine.dispose()
    assert verdicts == {"AA", "AE", "AR"}


def test_an_order_that_was_acknowledged_is_there_after_sigkill(tmp_path: Path) -> None:
    command = [sys.executable, str(Path(__file__).parent / "peers" / "order_node.py"), str(tmp_path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    with process.stdin, process.stdout:
        with MLLPClient("127.0.0.1", int(process.stdout.readline())) as client:
            acknowledged = code(answered(client.send_message(MESSAGE)))
            process.kill()
        assert process.wait() < 0
    assert acknowledged == ("AA", "M1")
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    assert [row.order.accession.value for row in OrderJournal(engine, time.time).all()] == ["ACC-9"]
    engine.dispose()
