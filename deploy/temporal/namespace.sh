#!/bin/sh
# Create the namespace and the search attributes that bookings carry. Safe to run again.
# The server comes from TEMPORAL_ADDRESS, the namespace from TEMPORAL_NAMESPACE.
set -eu

RETENTION=${RETENTION:-720h} # time for which Temporal keeps the history of a finished booking
TRIES=30

# The server knows a new namespace only some seconds after its creation, so each step is retried.
eventually() {
    try=1
    until "$@"; do
        [ "$try" -lt "$TRIES" ] || { echo "gave up: $*" >&2; return 1; }
        try=$((try + 1))
        sleep 2
    done
}

ensure_namespace() {
    temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 ||
        temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention "$RETENTION"
}

ensure_search_attributes() {
    temporal operator search-attribute create --namespace "$TEMPORAL_NAMESPACE" \
        --name TenantId --type Keyword \
        --name BookingReference --type Keyword \
        --name BookingStatus --type Keyword \
        --name ProviderId --type Keyword \
        --name StartsAt --type Datetime \
        --name NeedsAttention --type Bool
}

eventually ensure_namespace
eventually ensure_search_attributes
