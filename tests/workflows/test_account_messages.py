"""Account messages: sent at least once, and Temporal sees only ids."""

import asyncio
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs
from temporalio.client import Client

from activities.accounts import AccountMessageNotSentError, AccountMessages
from activities.adapters.account_mail import FolderAccountMailer, LogAccountMailer
from activities.ports import AccountMessage
from db.engine import autocommit
from db.repositories import accounts
from domain import names
from domain.accounts import AccountMessageKind, AccountMessageRef, RequestKind, token_hash
from runtime.ids import new_id
from runtime.settings import Settings
from tests.support.accounts import mails_to, new_address, token_in
from tests.support.applications import point_to_nowhere, running
from tests.support.replayer import replay
from tests.support.stage import PATIENCE_SECONDS, ok
from workflows.account_messages import start_account_message

pytestmark = pytest.mark.usefixtures("no_login_attempts")

PUBLIC_URL = "https://book.example/"


async def registration(engine: AsyncEngine, address: str) -> UUID:
    """A request for an account, for which nothing has been started."""
    request_id, expires_at = new_id(), datetime.now(UTC) + timedelta(hours=24)
    async with autocommit(engine) as conn:
        await accounts.add_request(
            conn,
            request_id,
            RequestKind.REGISTER,
            address,
            name="Canary Nightingale",
            password_hash="no password matches this",
            expires_at=expires_at,
        )
    return request_id


async def age(engine: AsyncEngine, address: str) -> None:
    """Let the request be so old that whoever took it must have died."""
    async with engine.begin() as conn:
        older = text("UPDATE account_requests SET created_at = created_at - interval '1 minute' WHERE email = :to")
        await conn.execute(older, {"to": address})


class UnreliableMailer:
    """Takes every message; the first one it says to have lost."""

    def __init__(self) -> None:
        self.messages: list[AccountMessage] = []

    async def send(self, message: AccountMessage) -> None:
        self.messages.append(message)
        if len(self.messages) == 1:
            raise ConnectionResetError(message.to)


async def test_the_engine_hears_an_id_and_no_more(
    client: Client, worker: None, engine: AsyncEngine, settings: Settings
) -> None:
    address = new_address()
    request_id = await registration(engine, address)
    await asyncio.gather(*(start_account_message(client, request_id) for _ in range(3)))
    handle = client.get_workflow_handle(names.account_message_workflow_id(request_id))
    await handle.result()
    (message,) = await mails_to(settings.mail_folder, address)
    history = await handle.fetch_history()
    seen = b"".join(event.SerializeToString() for event in history.events)
    assert str(request_id).encode() in seen
    for personal in (address, token_in(message), "Canary"):
        assert personal.encode() not in seen
    await replay(history)


async def test_a_message_that_is_sent_again_has_a_token_of_its_own_and_both_are_good(engine: AsyncEngine) -> None:
    ref = AccountMessageRef(request_id=await registration(engine, new_address()))
    mailer = UnreliableMailer()
    messages = AccountMessages(engine, mailer, PUBLIC_URL)
    with pytest.raises(AccountMessageNotSentError) as failure:
        await messages.send_account_message(ref)
    assert str(failure.value) == "ConnectionResetError", "the engine keeps it, so it names nobody"
    for _ in range(2):  # the second finds that it has been sent
        await messages.send_account_message(ref)
    first, second = [message.text.partition("#token=")[2].split()[0] for message in mailer.messages]
    assert "https://book.example/verify-email#token=" in mailer.messages[0].text
    assert first != second
    async with autocommit(engine) as conn:
        for token in (first, second):
            found = await accounts.find_open(conn, RequestKind.REGISTER, token_hash(token))
            assert found is not None
            assert found.id == ref.request_id
    assert mailer.messages[0].to not in repr(mailer.messages)
    assert first not in repr(mailer.messages)


async def test_nothing_is_sent_for_a_request_that_has_run_out_or_was_never_made(engine: AsyncEngine) -> None:
    address = new_address()
    request_id = await registration(engine, address)
    async with engine.begin() as conn:
        over = text("UPDATE account_requests SET expires_at = now() WHERE id = :id")
        await conn.execute(over, {"id": request_id})
    mailer = UnreliableMailer()
    for unknown in (request_id, uuid4()):
        await AccountMessages(engine, mailer, PUBLIC_URL).send_account_message(
            AccountMessageRef(request_id=unknown)
        )
    assert mailer.messages == []


async def test_what_a_crash_left_unsent_recovery_has_sent(
    worker: None, engine: AsyncEngine, settings: Settings
) -> None:
    address = new_address()
    await registration(engine, address)
    await age(engine, address)
    assert token_in((await mails_to(settings.mail_folder, address))[0])


async def test_somebody_can_register_while_temporal_is_away(
    worker: None, engine: AsyncEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = new_address()
    point_to_nowhere(monkeypatch)
    async with asyncio.timeout(PATIENCE_SECONDS), running(settings) as api:
        ok(await api.post("/v1/auth/forgot-password", {"email": address}), 202)
        body = {"email": address, "password": "correct horse battery staple", "name": "Robin"}
        ok(await api.post("/v1/auth/register", body), 202)
    await age(engine, address)
    assert token_in((await mails_to(settings.mail_folder, address))[0])


async def test_the_console_says_that_there_is_a_letter_and_neither_to_whom_nor_what_it_says() -> None:
    account_message = AccountMessage(
        id=uuid4(), kind=AccountMessageKind.RESET, to="robin@example.com", subject="Hello", text="the token"
    )
    with capture_logs() as lines:
        await LogAccountMailer().send(account_message)
    assert lines == [
        {
            "event": "account_message_sent",
            "log_level": "info",
            "channel": "console",
            "letter_id": str(account_message.id),
            "kind": "reset",
        }
    ]


async def test_a_letter_in_the_folder_is_one_that_a_mail_program_reads(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "mail"
    text = f"Öffnen:\n\nhttps://book.example/reset-password#token={'x' * 200}\n"
    account_message = AccountMessage(
        id=uuid4(), kind=AccountMessageKind.RESET, to="jürgen@exämple.com", subject="Grüße", text=text
    )
    with capture_logs() as lines:
        await FolderAccountMailer(folder, PUBLIC_URL).send(account_message)
    (file,) = folder.iterdir()
    message = message_from_bytes(file.read_bytes(), policy=default)
    assert (message["To"], message["Subject"]) == ("jürgen@exämple.com", "Grüße")
    assert message["From"].addresses[0].addr_spec == "no-reply@book.example"
    assert message.get_content().replace("\r\n", "\n") == text
    assert "jürgen" not in str(lines)
    assert "token" not in str(lines)
