"""Every expected error as a gRPC status, from one table."""

import grpc
import pytest
from fastapi.exceptions import RequestValidationError
from google.rpc import error_details_pb2, status_pb2

from api.grpc.statuses import CODES, StreamEndedError, failure_of
from api.streams.stream import Ending
from domain.errors import ERRORS_BY_CODE, Category, HoldfastError, InvalidRequestError, RateLimitedError

Code = grpc.StatusCode


def details(status: status_pb2.Status) -> dict[str, str]:
    return {detail.TypeName(): str(detail.value) for detail in status.details}


def info(status: status_pb2.Status) -> error_details_pb2.ErrorInfo:
    return error_details_pb2.ErrorInfo.FromString(status.details[0].value)


def test_every_category_has_a_code() -> None:
    assert set(Category) <= CODES.keys()
    assert set(CODES.values()).isdisjoint({Code.OK, Code.UNKNOWN, Code.INTERNAL})


@pytest.mark.parametrize("kind", ERRORS_BY_CODE.values())
def test_an_expected_error_keeps_its_reason(kind: type[HoldfastError]) -> None:
    failure = failure_of(kind())
    status = failure.status("r-1")
    assert Code.OK.value[0] < status.code <= Code.UNAUTHENTICATED.value[0]
    found = info(status)
    assert (found.reason, found.domain, found.metadata["request_id"]) == (kind.code, "holdfast", "r-1")


def test_only_what_may_succeed_later_says_when() -> None:
    for kind in ERRORS_BY_CODE.values():
        says_when = "google.rpc.RetryInfo" in details(failure_of(kind()).status("r"))
        assert says_when == (failure_of(kind()).code is Code.UNAVAILABLE)
    assert failure_of(RateLimitedError(retry_after=7)).retry_after == 7


def test_particulars_are_text() -> None:
    error = InvalidRequestError("No.", allowed=["a", "b"], current_status="pending", price={"amount_minor": 1})
    assert failure_of(error).more == {
        "allowed": '["a","b"]',
        "current_status": "pending",
        "price": '{"amount_minor":1}',
    }


def test_what_does_not_fit_is_named_by_its_field() -> None:
    error = RequestValidationError([{"loc": ("body", "customer", "email"), "msg": "Value error, no address"}])
    failure = failure_of(error)
    assert (failure.code, failure.reason) == (Code.INVALID_ARGUMENT, "invalid_request")
    [violation] = error_details_pb2.BadRequest.FromString(failure.status("r").details[1].value).field_violations
    assert (violation.field, violation.description) == ("customer.email", "no address")
    assert failure_of(InvalidRequestError.at("/types/0", "no")).places == [
        {"pointer": "/types/0", "message": "no"}
    ]


def test_what_nobody_expected_tells_nothing_of_itself() -> None:
    failure = failure_of(ValueError("ada@example.org"))
    assert (failure.code, failure.reason) == (Code.INTERNAL, "internal_error")
    assert "ada" not in str(failure)


def test_a_stream_that_ends_says_whether_to_come_back() -> None:
    assert all(failure_of(StreamEndedError(ending)).words for ending in Ending)
    assert failure_of(StreamEndedError(Ending.RESTARTING)).code is Code.UNAVAILABLE
    assert failure_of(StreamEndedError(Ending.RIGHTS_ENDED)).code is Code.PERMISSION_DENIED
