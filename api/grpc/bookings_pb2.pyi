import datetime

from api.grpc import money_pb2 as _money_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class BookingStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BOOKING_STATUS_UNSPECIFIED: _ClassVar[BookingStatus]
    BOOKING_STATUS_PENDING: _ClassVar[BookingStatus]
    BOOKING_STATUS_ASSIGNED: _ClassVar[BookingStatus]
    BOOKING_STATUS_ACCEPTED: _ClassVar[BookingStatus]
    BOOKING_STATUS_IN_PROGRESS: _ClassVar[BookingStatus]
    BOOKING_STATUS_COMPLETED: _ClassVar[BookingStatus]
    BOOKING_STATUS_REJECTED: _ClassVar[BookingStatus]
    BOOKING_STATUS_NO_SHOW: _ClassVar[BookingStatus]
    BOOKING_STATUS_CANCELLED: _ClassVar[BookingStatus]

class PaymentGate(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PAYMENT_GATE_UNSPECIFIED: _ClassVar[PaymentGate]
    PAYMENT_GATE_AWAITING: _ClassVar[PaymentGate]
    PAYMENT_GATE_AUTHORIZED: _ClassVar[PaymentGate]

class Party(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PARTY_UNSPECIFIED: _ClassVar[Party]
    PARTY_CUSTOMER: _ClassVar[Party]
    PARTY_PROVIDER: _ClassVar[Party]

class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLE_UNSPECIFIED: _ClassVar[Role]
    ROLE_CUSTOMER: _ClassVar[Role]
    ROLE_PROVIDER: _ClassVar[Role]
    ROLE_OWNER: _ClassVar[Role]
    ROLE_ADMIN: _ClassVar[Role]
    ROLE_SYSTEM: _ClassVar[Role]

class StepKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STEP_KIND_UNSPECIFIED: _ClassVar[StepKind]
    STEP_KIND_CREATED: _ClassVar[StepKind]
    STEP_KIND_TRANSITION: _ClassVar[StepKind]
    STEP_KIND_OVERRIDE: _ClassVar[StepKind]
    STEP_KIND_RESCHEDULED: _ClassVar[StepKind]
    STEP_KIND_ATTEMPT_FAILED: _ClassVar[StepKind]
    STEP_KIND_FLAGGED: _ClassVar[StepKind]
    STEP_KIND_PAYMENT_ASKED: _ClassVar[StepKind]
    STEP_KIND_PAID: _ClassVar[StepKind]

class Phase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PHASE_UNSPECIFIED: _ClassVar[Phase]
    PHASE_AWAITING_PAYMENT: _ClassVar[Phase]
    PHASE_ASSIGNING: _ClassVar[Phase]
    PHASE_AWAITING_ANSWER: _ClassVar[Phase]
    PHASE_AWAITING_START: _ClassVar[Phase]
    PHASE_IN_PROGRESS: _ClassVar[Phase]
    PHASE_AWAITING_DECISION: _ClassVar[Phase]
    PHASE_CLOSING: _ClassVar[Phase]
    PHASE_ENDED: _ClassVar[Phase]

class DeadlineKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEADLINE_KIND_UNSPECIFIED: _ClassVar[DeadlineKind]
    DEADLINE_KIND_NEXT_ATTEMPT: _ClassVar[DeadlineKind]
    DEADLINE_KIND_PAYMENT_EXPIRES: _ClassVar[DeadlineKind]
    DEADLINE_KIND_OFFER_EXPIRES: _ClassVar[DeadlineKind]
    DEADLINE_KIND_BOOKING_EXPIRES: _ClassVar[DeadlineKind]
    DEADLINE_KIND_OVERDUE: _ClassVar[DeadlineKind]

class AssignmentStrategy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ASSIGNMENT_STRATEGY_UNSPECIFIED: _ClassVar[AssignmentStrategy]
    ASSIGNMENT_STRATEGY_HIGHEST_RATING: _ClassVar[AssignmentStrategy]
    ASSIGNMENT_STRATEGY_ROUND_ROBIN: _ClassVar[AssignmentStrategy]
    ASSIGNMENT_STRATEGY_LEAST_BUSY: _ClassVar[AssignmentStrategy]
    ASSIGNMENT_STRATEGY_PREFERRED_FIRST: _ClassVar[AssignmentStrategy]
BOOKING_STATUS_UNSPECIFIED: BookingStatus
BOOKING_STATUS_PENDING: BookingStatus
BOOKING_STATUS_ASSIGNED: BookingStatus
BOOKING_STATUS_ACCEPTED: BookingStatus
BOOKING_STATUS_IN_PROGRESS: BookingStatus
BOOKING_STATUS_COMPLETED: BookingStatus
BOOKING_STATUS_REJECTED: BookingStatus
BOOKING_STATUS_NO_SHOW: BookingStatus
BOOKING_STATUS_CANCELLED: BookingStatus
PAYMENT_GATE_UNSPECIFIED: PaymentGate
PAYMENT_GATE_AWAITING: PaymentGate
PAYMENT_GATE_AUTHORIZED: PaymentGate
PARTY_UNSPECIFIED: Party
PARTY_CUSTOMER: Party
PARTY_PROVIDER: Party
ROLE_UNSPECIFIED: Role
ROLE_CUSTOMER: Role
ROLE_PROVIDER: Role
ROLE_OWNER: Role
ROLE_ADMIN: Role
ROLE_SYSTEM: Role
STEP_KIND_UNSPECIFIED: StepKind
STEP_KIND_CREATED: StepKind
STEP_KIND_TRANSITION: StepKind
STEP_KIND_OVERRIDE: StepKind
STEP_KIND_RESCHEDULED: StepKind
STEP_KIND_ATTEMPT_FAILED: StepKind
STEP_KIND_FLAGGED: StepKind
STEP_KIND_PAYMENT_ASKED: StepKind
STEP_KIND_PAID: StepKind
PHASE_UNSPECIFIED: Phase
PHASE_AWAITING_PAYMENT: Phase
PHASE_ASSIGNING: Phase
PHASE_AWAITING_ANSWER: Phase
PHASE_AWAITING_START: Phase
PHASE_IN_PROGRESS: Phase
PHASE_AWAITING_DECISION: Phase
PHASE_CLOSING: Phase
PHASE_ENDED: Phase
DEADLINE_KIND_UNSPECIFIED: DeadlineKind
DEADLINE_KIND_NEXT_ATTEMPT: DeadlineKind
DEADLINE_KIND_PAYMENT_EXPIRES: DeadlineKind
DEADLINE_KIND_OFFER_EXPIRES: DeadlineKind
DEADLINE_KIND_BOOKING_EXPIRES: DeadlineKind
DEADLINE_KIND_OVERDUE: DeadlineKind
ASSIGNMENT_STRATEGY_UNSPECIFIED: AssignmentStrategy
ASSIGNMENT_STRATEGY_HIGHEST_RATING: AssignmentStrategy
ASSIGNMENT_STRATEGY_ROUND_ROBIN: AssignmentStrategy
ASSIGNMENT_STRATEGY_LEAST_BUSY: AssignmentStrategy
ASSIGNMENT_STRATEGY_PREFERRED_FIRST: AssignmentStrategy

class Booking(_message.Message):
    __slots__ = ("id", "reference", "business_id", "service_id", "provider_id", "customer_id", "status", "starts_at", "ends_at", "timezone", "price", "needs_attention", "payment", "version", "created_at", "updated_at", "manage", "etag")
    ID_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    BUSINESS_ID_FIELD_NUMBER: _ClassVar[int]
    SERVICE_ID_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    STARTS_AT_FIELD_NUMBER: _ClassVar[int]
    ENDS_AT_FIELD_NUMBER: _ClassVar[int]
    TIMEZONE_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    NEEDS_ATTENTION_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    MANAGE_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    id: str
    reference: str
    business_id: str
    service_id: str
    provider_id: str
    customer_id: str
    status: BookingStatus
    starts_at: _timestamp_pb2.Timestamp
    ends_at: _timestamp_pb2.Timestamp
    timezone: str
    price: _money_pb2.Money
    needs_attention: bool
    payment: PaymentGate
    version: int
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    manage: ManageLink
    etag: str
    def __init__(self, id: _Optional[str] = ..., reference: _Optional[str] = ..., business_id: _Optional[str] = ..., service_id: _Optional[str] = ..., provider_id: _Optional[str] = ..., customer_id: _Optional[str] = ..., status: _Optional[_Union[BookingStatus, str]] = ..., starts_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ends_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., timezone: _Optional[str] = ..., price: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., needs_attention: _Optional[bool] = ..., payment: _Optional[_Union[PaymentGate, str]] = ..., version: _Optional[int] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., manage: _Optional[_Union[ManageLink, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class ManageLink(_message.Message):
    __slots__ = ("token", "expires_at")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    token: str
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, token: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Actor(_message.Message):
    __slots__ = ("role", "id")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    role: Role
    id: str
    def __init__(self, role: _Optional[_Union[Role, str]] = ..., id: _Optional[str] = ...) -> None: ...

class HistoryItem(_message.Message):
    __slots__ = ("sequence", "kind", "old_status", "new_status", "actor", "reason", "provider_id", "occurred_at")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    OLD_STATUS_FIELD_NUMBER: _ClassVar[int]
    NEW_STATUS_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_ID_FIELD_NUMBER: _ClassVar[int]
    OCCURRED_AT_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    kind: StepKind
    old_status: BookingStatus
    new_status: BookingStatus
    actor: Actor
    reason: str
    provider_id: str
    occurred_at: _timestamp_pb2.Timestamp
    def __init__(self, sequence: _Optional[int] = ..., kind: _Optional[_Union[StepKind, str]] = ..., old_status: _Optional[_Union[BookingStatus, str]] = ..., new_status: _Optional[_Union[BookingStatus, str]] = ..., actor: _Optional[_Union[Actor, _Mapping]] = ..., reason: _Optional[str] = ..., provider_id: _Optional[str] = ..., occurred_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class BookingNext(_message.Message):
    __slots__ = ("status", "phase", "deadline", "attempt", "max_attempts", "next_attempt_at", "refused_provider_ids", "choice", "cancellation", "movable_until", "reminders", "needs_attention")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    MAX_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_ATTEMPT_AT_FIELD_NUMBER: _ClassVar[int]
    REFUSED_PROVIDER_IDS_FIELD_NUMBER: _ClassVar[int]
    CHOICE_FIELD_NUMBER: _ClassVar[int]
    CANCELLATION_FIELD_NUMBER: _ClassVar[int]
    MOVABLE_UNTIL_FIELD_NUMBER: _ClassVar[int]
    REMINDERS_FIELD_NUMBER: _ClassVar[int]
    NEEDS_ATTENTION_FIELD_NUMBER: _ClassVar[int]
    status: BookingStatus
    phase: Phase
    deadline: Deadline
    attempt: int
    max_attempts: int
    next_attempt_at: _timestamp_pb2.Timestamp
    refused_provider_ids: _containers.RepeatedScalarFieldContainer[str]
    choice: Choice
    cancellation: CancellationTerms
    movable_until: _timestamp_pb2.Timestamp
    reminders: _containers.RepeatedCompositeFieldContainer[Reminder]
    needs_attention: bool
    def __init__(self, status: _Optional[_Union[BookingStatus, str]] = ..., phase: _Optional[_Union[Phase, str]] = ..., deadline: _Optional[_Union[Deadline, _Mapping]] = ..., attempt: _Optional[int] = ..., max_attempts: _Optional[int] = ..., next_attempt_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., refused_provider_ids: _Optional[_Iterable[str]] = ..., choice: _Optional[_Union[Choice, _Mapping]] = ..., cancellation: _Optional[_Union[CancellationTerms, _Mapping]] = ..., movable_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reminders: _Optional[_Iterable[_Union[Reminder, _Mapping]]] = ..., needs_attention: _Optional[bool] = ...) -> None: ...

class Deadline(_message.Message):
    __slots__ = ("kind", "at")
    KIND_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    kind: DeadlineKind
    at: _timestamp_pb2.Timestamp
    def __init__(self, kind: _Optional[_Union[DeadlineKind, str]] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Choice(_message.Message):
    __slots__ = ("strategy", "provider_id", "candidates", "because")
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_ID_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    BECAUSE_FIELD_NUMBER: _ClassVar[int]
    strategy: AssignmentStrategy
    provider_id: str
    candidates: int
    because: str
    def __init__(self, strategy: _Optional[_Union[AssignmentStrategy, str]] = ..., provider_id: _Optional[str] = ..., candidates: _Optional[int] = ..., because: _Optional[str] = ...) -> None: ...

class CancellationTerms(_message.Message):
    __slots__ = ("free_until", "fee", "is_due")
    FREE_UNTIL_FIELD_NUMBER: _ClassVar[int]
    FEE_FIELD_NUMBER: _ClassVar[int]
    IS_DUE_FIELD_NUMBER: _ClassVar[int]
    free_until: _timestamp_pb2.Timestamp
    fee: _money_pb2.Money
    is_due: bool
    def __init__(self, free_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., fee: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., is_due: _Optional[bool] = ...) -> None: ...

class Reminder(_message.Message):
    __slots__ = ("lead_time", "at")
    LEAD_TIME_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    lead_time: _duration_pb2.Duration
    at: _timestamp_pb2.Timestamp
    def __init__(self, lead_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
