#!/bin/sh
# Deploys the SQL files with the Snowflake CLI, for accounts that `dropship deploy` does not reach.
#
#   sql/run_all.sh [-c CONNECTION] [-d DATABASE] [-w WAREHOUSE] [-r ADMIN_ROLE]
#
# The defaults are SNOWFLAKE_DATABASE (DROPSHIP), SNOWFLAKE_WAREHOUSE (DROPSHIP_WH), SNOWFLAKE_ROLE (ACCOUNTADMIN) and the
# CLI's default connection. Every file can be run twice.
set -eu

connection=
database=${SNOWFLAKE_DATABASE:-DROPSHIP}
warehouse=${SNOWFLAKE_WAREHOUSE:-DROPSHIP_WH}
admin_role=${SNOWFLAKE_ROLE:-ACCOUNTADMIN}

usage() {
  sed -n '2,7s/^# \{0,1\}//p' "$0"
  exit "$1"
}

while getopts c:d:w:r:h option; do
  case $option in
    c) connection=$OPTARG ;;
    d) database=$OPTARG ;;
    w) warehouse=$OPTARG ;;
    r) admin_role=$OPTARG ;;
    h) usage 0 ;;
    *) usage 2 >&2 ;;
  esac
done

identifier() {
  name=$(printf '%s' "$2" | tr '[:lower:]' '[:upper:]')
  case $name in
    '' | [0-9]* | *[!A-Z0-9_\$]*)
      echo "$2 cannot be the $1: use letters, digits, _ and \$, not beginning with a digit." >&2
      exit 2
      ;;
  esac
  printf '%s' "$name"
}

database=$(identifier database "$database")
warehouse=$(identifier warehouse "$warehouse")
admin_role=$(identifier "admin role" "$admin_role")

if ! command -v snow > /dev/null; then
  echo "The Snowflake CLI is missing: pip install snowflake-cli, or use dropship deploy, which needs only this project." >&2
  exit 3
fi

folder=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# Runs one file; what follows it are options for the Snowflake CLI.
run() {
  file=$1
  shift
  echo "${file#"$folder"/}"
  snow sql ${connection:+--connection "$connection"} --filename "$file" \
    -D "database=$database" -D "warehouse=$warehouse" -D "admin_role=$admin_role" "$@"
}

# Runs the files of a folder, with its fragments as variables.
run_folder() (
  streams=$(cat "$1"/[0-9][0-9]_*.sql | sed -n "s/^CREATE STREAM IF NOT EXISTS \([^ ]*\) .*/SYSTEM\$STREAM_HAS_DATA('\1')/p")
  files=$(ls "$1"/[0-9][0-9]_*.sql)
  set -- "$1"/fragments/*.sql -D "any_stream_has_data=$(echo "$streams" | paste -sd '|' - | sed 's/|/ OR /g')"
  while [ "$1" != -D ]; do
    fragment=$1
    shift
    set -- "$@" -D "$(basename "$fragment" .sql)=$(cat "$fragment")"
  done
  echo "$files" | while read -r file; do run "$file" "$@" </dev/null; done
)

# Files deployed once come first: they make the tables that the others read.
for when in once 'on change'; do
  for entry in "$folder"/[0-9][0-9]_*; do
    if [ -d "$entry" ]; then
      [ "$when" = once ] || run_folder "$entry"
    elif [ "$(head -n 1 "$entry")" = "-- deploy: $when" ]; then
      run "$entry"
    fi
  done
done
