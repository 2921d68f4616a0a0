#!/bin/sh
# Builds etcd, the Kubernetes API server and kubectl into one program in the cache folder, for the tests against a real API server.
# Prints nothing when it is there already, or when KUBEBUILDER_ASSETS names another. Where it can't be built, says what will be
# skipped, and lets everything else go on.
set -eu
cd "$(dirname "$0")/../e2e/kube"
version=v1.34.4
key=$(cat go.sum main.go | sha256sum | cut -c 1-16)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/heauth
folder=$cache/kube-$key

[ -n "${KUBEBUILDER_ASSETS:-}" ] && exit 0
[ -x "$folder/kube" ] && exit 0

skip() {
  echo "note: every test in *.kube.test.ts will be skipped: $1" >&2
  exit 0
}

command -v go >/dev/null ||
  skip "there is no Go to build the Kubernetes API server with (https://go.dev/doc/install), and KUBEBUILDER_ASSETS is not set"

echo "Building etcd, the Kubernetes API server and kubectl $version into $folder; once, 5 minutes or longer …"
mkdir -p "$cache"
new=$(mktemp -d "$cache/building-XXXXXX")
log=$(mktemp)
trap 'rm -rf "$new" "$log"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

go build -trimpath -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$version" -o "$new/kube" . 2>"$log" || {
  tail -n 5 "$log" | sed 's/^/  /' >&2
  skip "Go could not build the Kubernetes API server; its own message stands above"
}
for name in etcd kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl; do
  ln -s kube "$new/$name"
done
chmod 755 "$new"
# Another run may have been faster.
mv -T "$new" "$folder" 2>/dev/null || [ -x "$folder/kube" ] || skip "$folder could not be written"
