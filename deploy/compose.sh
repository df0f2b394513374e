#!/bin/sh
# docker compose with the profile that .env asks for: sh deploy/compose.sh up --detach --wait
# Passwords that .env does not give are made up once and kept in .dropship/docker.env.
set -eu
umask 077
cd "$(dirname "$0")/.."

setting() { # NAME: its value from the environment, else from .env
    eval "value=\${$1:-}"
    [ -n "$value" ] || ! [ -e .env ] || value=$(sed -n "s/^$1=//p" .env | tail -1 | sed "s/^[\"']\(.*\)[\"']\$/\1/")
    printf '%s' "$value"
}

secrets=.dropship/docker.env
secret() { # NAME: made up unless it is set or was made up before
    [ -z "$(setting "$1")" ] || return 0
    grep -qs "^$1=" $secrets || {
        mkdir -p .dropship
        printf '%s=%s\n' "$1" "$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')" >>$secrets
    }
}

secret DAGSTER_POSTGRES_PASSWORD
if [ -n "$(setting SNOWFLAKE_ACCOUNT)" ]; then
    set -- --profile snowflake "$@"
else
    secret SNOWFLAKE_PASSWORD
    set -- --env-file deploy/local.env "$@"
fi
# The later file wins, so that an empty line of .env covers nothing.
[ ! -e $secrets ] || set -- --env-file $secrets "$@"
[ ! -e .env ] || set -- --env-file .env "$@"

if [ -z "${DOCKER_GID:-}" ] && [ -S /var/run/docker.sock ]; then
    DOCKER_GID=$(stat -c %g /var/run/docker.sock 2>/dev/null || stat -f %g /var/run/docker.sock)
    export DOCKER_GID
fi
exec docker compose "$@"
