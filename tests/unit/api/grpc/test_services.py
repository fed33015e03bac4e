"""Tokens of services: several at once, compared in constant time, each with what it allows."""

import json
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr, ValidationError
from starlette.datastructures import Headers

from api.grpc import token_command
from api.grpc.server import HANDLERS, OPENERS, SERVICES
from api.grpc.services import Service, Services
from domain.access import Permission
from domain.callers import Scope
from domain.errors import ForbiddenError, UnauthenticatedError
from runtime.service_tokens import ServiceToken, read_tokens
from runtime.settings import Settings

READ, COMMAND = Permission.READ_BOOKINGS, Permission.COMMAND_BOOKINGS


def sent(*tokens: str) -> Headers:
    return Headers(raw=[(b"x-internal-token", token.encode()) for token in tokens])


def test_old_and_new_tokens_of_a_service_are_the_same_service() -> None:
    business_id = uuid4()
    tokens = [ServiceToken.for_token(token, "crm", [READ], business_id) for token in ("old", "new")]
    services = Services(tokens)
    callers = {services.identify(sent(token), {}).own_caller for token in ("old", "new")}
    [caller] = callers
    assert caller is not None
    assert caller.business_id == business_id
    assert caller.scopes == {Scope.READ_BOOKINGS}
    other = Service(ServiceToken.for_token("old", "erp", [READ], business_id)).own_caller
    assert other is not None
    assert other.key_id != caller.key_id


@pytest.mark.parametrize("tokens", [(), ("",), ("wrong",), ("right", "right"), ("right", "wrong")])
def test_anything_but_one_valid_token_is_refused(tokens: tuple[str, ...]) -> None:
    services = Services([ServiceToken.for_token("right", "crm", [READ])])
    with pytest.raises(UnauthenticatedError):
        services.identify(sent(*tokens), {})
    assert services.identify(sent("right"), {}).token.name == "crm"


def test_a_token_may_belong_to_a_certificate() -> None:
    token = ServiceToken.for_token("t", "crm", [READ]).model_copy(update={"certificate_name": "crm.internal"})
    services = Services([token])
    for connection in ({}, {"x509_common_name": [b"desk.internal"]}, {"x509_subject_alternative_name": [b"crm"]}):
        with pytest.raises(UnauthenticatedError, match="another client certificate"):
            services.identify(sent("t"), connection)
    assert services.identify(sent("t"), {"x509_subject_alternative_name": [b"a", b"crm.internal"]})
    assert services.identify(sent("t"), {"x509_common_name": [b"crm.internal"]})


def test_a_service_without_a_business_acts_as_nobody() -> None:
    service = Service(ServiceToken.for_token("t", "crm", [READ]))
    assert service.own_caller is None
    service.require(READ)
    with pytest.raises(ForbiddenError, match="crm lacks the permission command_bookings"):
        service.require(COMMAND)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("crm", "JSON"),
        ("{}", "array"),
        ('[{"name": "crm"}]', "sha256"),
        ('[{"name": "CRM", "sha256": "%s", "permissions": ["book"]}]' % ("0" * 64), "name"),
        ('[{"name": "crm", "sha256": "secret", "permissions": ["book"]}]', "sha256"),
        ('[{"name": "crm", "sha256": "%s", "permissions": []}]' % ("0" * 64), "permissions"),
        ('[{"name": "crm", "sha256": "%s", "permissions": ["all"]}]' % ("0" * 64), "permissions"),
        ('[{"name": "crm", "token": "secret", "permissions": ["book"]}]', "sha256"),
    ],
)
def test_a_list_that_is_not_valid_is_refused_without_showing_it(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as raised:
        read_tokens(text)
    assert "secret" not in str(raised.value)
    with pytest.raises(ValidationError) as refused:
        Settings(grpc_tokens=SecretStr(text))
    assert "secret" not in str(refused.value)


def test_settings_show_no_hash() -> None:
    entry = ServiceToken.for_token("t", "crm", [READ]).as_json()
    settings = Settings(grpc_tokens=SecretStr(f"[{entry}]"))
    assert settings.service_tokens[0].name == "crm"
    assert json.loads(entry)["sha256"] not in repr(settings)


def test_the_command_prints_an_entry_that_its_token_opens(capsys: pytest.CaptureFixture[str]) -> None:
    business = UUID(int=7)
    arguments = ["--name", "crm", "--permission", "book", "--permission", "browse", "--business", str(business)]
    assert token_command.main(arguments) == 0
    token, entry, _ = (line.partition(": ")[2] for line in capsys.readouterr().out.splitlines())
    [read] = read_tokens(f"[{entry}]")
    assert read.permissions == {Permission.BOOK, Permission.BROWSE}
    assert read.business_id == business
    assert Services([read]).identify(sent(token), {}).token == read
    assert token_command.main(["--name", "no name", "--permission", "book"]) == 1


def test_every_rpc_has_a_handler_and_every_handler_an_rpc() -> None:
    methods = [method.name for service in SERVICES for method in service.methods]
    assert sorted(methods) == sorted([*HANDLERS, *OPENERS])
