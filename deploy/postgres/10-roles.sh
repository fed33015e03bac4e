#!/bin/sh
# Run once by the postgres image, when the volume is empty: a role and a database for each of the two tenants.
# Neither is a superuser, and neither can read the other's tables.
set -eu

psql --set ON_ERROR_STOP=1 --no-psqlrc --quiet --username "$POSTGRES_USER" --dbname postgres \
    --set holdfast_password="$HOLDFAST_DB_PASSWORD" \
    --set temporal_password="$TEMPORAL_DB_PASSWORD" <<'SQL'
CREATE ROLE holdfast LOGIN PASSWORD :'holdfast_password';
CREATE DATABASE holdfast OWNER holdfast;
REVOKE CONNECT ON DATABASE holdfast FROM PUBLIC;

-- The schema job makes Temporal's two databases itself.
CREATE ROLE temporal LOGIN CREATEDB PASSWORD :'temporal_password';
SQL
