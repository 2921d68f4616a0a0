#!/bin/sh
# step.sh NAME SCRIPT: runs an npm script as a step of `make check`; shows what it says only when it fails.
set -eu
cd "$(dirname "$0")/.."
output=$(mktemp)
trap 'rm -f "$output"' EXIT

if npm run --silent "$2" >"$output" 2>&1; then
  echo "ok      $1"
else
  cat "$output"
  echo "FAILED  $1 (npm run $2)" >&2
  exit 1
fi
