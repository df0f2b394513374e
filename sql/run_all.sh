#!/bin/sh
# Deploys the SQL files with the Snowflake CLI, for accounts that `dropship deploy` does not reach.
#
#   sql/run_all.sh [-c CONNECTION] [-d DATABASE] [-w WAREHOUSE] [-r ADMIN_ROLE]
#
# The defaults are SNOWFLAKE_DATABASE (DROPSHIP), SNOWFLAKE_WAREHOUSE (DROPSHIP_WH), SNOWFLAKE_ROLE (ACCOUNTADMIN),
# DROPSHIP_REFRESH_SCHEDULE (15 MINUTES) and the CLI's default connection. DROPSHIP_CREDIT_QUOTA (90) is the monitor's
# credits a month. Every file can be run twice, and is recorded in OPS.SCHEMA_MIGRATIONS as `dropship deploy` does.
set -eu

connection=
database=${SNOWFLAKE_DATABASE:-DROPSHIP}
warehouse=${SNOWFLAKE_WAREHOUSE:-DROPSHIP_WH}
admin_role=${SNOWFLAKE_ROLE:-ACCOUNTADMIN}
schedule=${DROPSHIP_REFRESH_SCHEDULE:-15 MINUTES}
quota=${DROPSHIP_CREDIT_QUOTA:-90}

usage() {
  sed -n '2,8s/^# \{0,1\}//p' "$0"
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

case $schedule in
  *\'*)
    echo "$schedule cannot be the schedule: see DROPSHIP_REFRESH_SCHEDULE in .env.example." >&2
    exit 2
    ;;
  [Tt][Rr][Ii][Gg][Gg][Ee][Rr][Ee][Dd]) schedule= ;;
  *) schedule="SCHEDULE = '$schedule'" ;;
esac

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
    -D "database=$database" -D "warehouse=$warehouse" -D "admin_role=$admin_role" \
    -D "refresh_schedule=$schedule" -D "credit_quota=$quota" "$@"
}

# Records what was run under a name, with the checksum of the text on standard input.
record() {
  checksum=$(sha256sum | cut -d ' ' -f 1)
  snow sql ${connection:+--connection "$connection"} --query "
    USE ROLE \"${database}_TRANSFORMER\";
    MERGE INTO \"$database\".OPS.SCHEMA_MIGRATIONS t
    USING (SELECT '$1' AS FILE, '$checksum' AS CHECKSUM) s ON t.FILE = s.FILE
    WHEN MATCHED THEN UPDATE SET CHECKSUM = s.CHECKSUM, STATEMENTS = 0, APPLIED_AT = SYSDATE()
    WHEN NOT MATCHED THEN INSERT (FILE, CHECKSUM, STATEMENTS, APPLIED_AT) VALUES (s.FILE, s.CHECKSUM, 0, SYSDATE());
  " </dev/null
}

# The text of a folder's files with the fragments put in, which is what `dropship deploy` takes the checksum of.
expanded() {
  awk -v fragments="$1/fragments/" -v streams="$2" '
    function value(name, written,    text, line, path) {
      if (name == "any_stream_has_data") return streams
      if (name in known) return known[name]
      path = fragments name ".sql"
      text = written
      if ((getline line < path) > 0) {
        text = line
        while ((getline line < path) > 0) text = text "\n" line
        close(path)
      }
      known[name] = text
      return text
    }
    FNR == 1 && NR > 1 { print "" }
    {
      rest = $0
      done = ""
      while (match(rest, /<% *[A-Za-z0-9_]+ *%>/)) {
        written = substr(rest, RSTART, RLENGTH)
        name = written
        gsub(/[<%> ]/, "", name)
        done = done substr(rest, 1, RSTART - 1) value(name, written)
        rest = substr(rest, RSTART + RLENGTH)
      }
      print done rest
    }
  ' "$1"/[0-9][0-9]_*.sql
}

# Runs the files of a folder, with its fragments as variables.
run_folder() (
  streams=$(cat "$1"/[0-9][0-9]_*.sql | sed -n "s/^CREATE STREAM IF NOT EXISTS \([^ ]*\) .*/SYSTEM\$STREAM_HAS_DATA('\1')/p")
  any_stream=$(echo "$streams" | paste -sd '|' - | sed 's/|/ OR /g')
  files=$(ls "$1"/[0-9][0-9]_*.sql)
  whole=$1
  set -- "$1"/fragments/*.sql -D "any_stream_has_data=$any_stream"
  while [ "$1" != -D ]; do
    fragment=$1
    shift
    set -- "$@" -D "$(basename "$fragment" .sql)=$(cat "$fragment")"
  done
  echo "$files" | while read -r file; do run "$file" "$@" </dev/null; done
  expanded "$whole" "$any_stream" | record "$(basename "$whole").sql"
)

# Whether only another role than this one may run a file.
is_anothers() {
  only=$(sed -n 's/^-- only as: //p' "$1")
  [ -n "$only" ] && [ "$only" != "$admin_role" ]
}

# Files deployed once come first: they make the tables that the others read.
for when in once 'on change'; do
  for entry in "$folder"/[0-9][0-9]_*; do
    if [ -d "$entry" ]; then
      [ "$when" = once ] || run_folder "$entry"
    elif [ "$(head -n 1 "$entry")" = "-- deploy: $when" ]; then
      if is_anothers "$entry"; then
        echo "${entry#"$folder"/} is left out: only $only may run it (docs/snowflake.md)." >&2
        continue
      fi
      run "$entry"
      record "$(basename "$entry")" <"$entry"
    fi
  done
done
