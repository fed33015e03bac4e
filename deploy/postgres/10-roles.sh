#!/bin/sh
# The postgres image runs this once, when the volume is empty. Holdfast gets a database and two roles: the owner, which
# runs migrations, and the application, which owns nothing and has the rights that migrations grant. Temporal gets one
# role. No role is a superuser, and neither system can read the other's tables.
set -eu

psql --set ON_ERROR_STOP=1 --no-psqlrc --quiet --username "$POSTGRES_USER" --dbname postgres \
    --set owner_password="$HOLDFAST_OWNER_PASSWORD" \
    --set app_password="$HOLDFAST_DB_PASSWORD" \
    --set temporal_password="$TEMPORAL_DB_PASSWORD" <<'SQL'
CREATE ROLE holdfast LOGIN PASSWORD :'owner_password';
CREATE ROLE holdfast_app LOGIN PASSWORD :'app_password';
CREATE DATABASE holdfast OWNER holdfast;
REVOKE ALL ON DATABASE holdfast FROM PUBLIC;
GRANT CONNECT ON DATABASE holdfast TO holdfast_app;

-- The schema job creates Temporal's two databases.
CREATE ROLE temporal LOGIN CREATEDB PASSWORD :'temporal_password';
SQL
