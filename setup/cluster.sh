#!/bin/sh
# Gets what `make e2e` needs beside setup/kube.sh. With E2E_CLUSTER=local, which is the default: containerd and its companions from
# Debian, helm, and the images of cluster DNS, of pods' pause container and of a Debian to build upon; all but the Debian packages
# go into the cache folder. With E2E_CLUSTER=kind or current: only looks whether docker, kind and helm are there.
# Prints nothing when everything is there already.
set -eu
cd "$(dirname "$0")/.."
. e2e/cluster/versions.env
PATH=$PATH:/usr/sbin:/sbin
cache=${XDG_CACHE_HOME:-$HOME/.cache}/heauth
log=$(mktemp)
new=
trap 'rm -rf "$log" "$new"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
  tail -n 5 "$log" | sed 's/^/  /' >&2
  echo "error: $1" >&2
  exit 1
}

# quietly WHAT COMMAND…: shows what it said only when it fails.
quietly() {
  what=$1
  shift
  "$@" >"$log" 2>&1 || fail "$what"
}

# go_program NAME MODULE VERSION: into $cache/NAME-VERSION/NAME
go_program() {
  [ -x "$cache/$1-$3/$1" ] && return
  command -v go >/dev/null || fail "there is no Go to build $1 with (https://go.dev/doc/install)"
  echo "Building $1 $3 into $cache/$1-$3; once, 1 or 2 minutes …"
  new=$(mktemp -d "$cache/building-XXXXXX")
  quietly "Go could not build $1" env CGO_ENABLED=0 GOBIN="$new" go install -trimpath -ldflags "-s -w" "$2@$3"
  keep "$cache/$1-$3"
}

# keep FOLDER: moves the finished $new there; another run may have been faster.
keep() {
  chmod 755 "$new"
  mv -T "$new" "$1" 2>/dev/null || [ -d "$1" ] || fail "$1 could not be written"
  rm -rf "$new"
}

# buildah with a store of our own, in a mount namespace of its own, so that nothing stays mounted when it is killed.
in_store() {
  unshare --mount buildah --root "$cache/buildah/root" --runroot "$cache/buildah/run" --storage-driver overlay "$@"
}

# scratch_image NAME PROGRAM: an image with nothing but that program, as NAME.tar in $new.
scratch_image() {
  container=$(in_store from scratch 2>"$log") || fail "buildah could not begin the image $1"
  quietly "buildah could not fill the image $1" in_store copy "$container" "$2" "/$1"
  quietly "buildah could not set up the image $1" in_store config --entrypoint "[\"/$1\"]" "$container"
  quietly "buildah could not write the image $1" \
    in_store commit --rm --quiet "$container" "docker-archive:$new/$1.tar:localhost/heauth-e2e/$1:$images"
}

mkdir -p "$cache"
case "${E2E_CLUSTER:-local}" in
  local) ;;
  kind | current)
    for program in docker helm $([ "$E2E_CLUSTER" = current ] || echo kind); do
      command -v "$program" >/dev/null || fail "E2E_CLUSTER=$E2E_CLUSTER needs $program on the PATH"
    done
    exit 0
    ;;
  *) fail "E2E_CLUSTER is \"$E2E_CLUSTER\"; it may be local, kind or current" ;;
esac

[ "$(id -u)" = 0 ] || fail "a node of our own needs root; without it use E2E_CLUSTER=kind or E2E_CLUSTER=current"
packages=
for pair in containerd:containerd runc:runc iptables:iptables conntrack:conntrack buildah:buildah mmdebstrap:mmdebstrap \
  /usr/lib/cni/bridge:containernetworking-plugins ip:iproute2 nsenter:util-linux; do
  command -v "${pair%:*}" >/dev/null || packages="$packages ${pair#*:}"
done
if [ -n "$packages" ]; then
  command -v apt-get >/dev/null || fail "missing on this machine:$packages (names of Debian's packages)"
  echo "Installing$packages from Debian …"
  quietly "apt-get could not fetch its lists" apt-get update
  # shellcheck disable=SC2086 # one word per package
  quietly "apt-get could not install$packages" env DEBIAN_FRONTEND=noninteractive \
    apt-get install --yes --no-install-recommends $packages
fi

go_program helm helm.sh/helm/v3/cmd/helm "$HELM"
go_program coredns github.com/coredns/coredns "$COREDNS"

images=$(cat e2e/cluster/versions.env e2e/cluster/images/pause.go | sha256sum | cut -c 1-16)
if [ ! -d "$cache/images-$images" ]; then
  echo "Making the images of cluster DNS, of the pause container and of Debian $DEBIAN in $cache/images-$images; once, half a minute …"
  new=$(mktemp -d "$cache/building-XXXXXX")
  quietly "Go could not build the pause container's program" \
    env CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o "$new/pause" e2e/cluster/images/pause.go
  scratch_image pause "$new/pause"
  rm "$new/pause"
  scratch_image coredns "$cache/coredns-$COREDNS/coredns"
  quietly "mmdebstrap could not make a Debian $DEBIAN" \
    mmdebstrap --mode=root --variant=minbase "$DEBIAN" "$new/base.rootfs.tar"
  container=$(in_store from scratch 2>"$log") || fail "buildah could not begin the image base"
  quietly "buildah could not fill the image base" in_store add --quiet "$container" "$new/base.rootfs.tar" /
  quietly "buildah could not set up the image base" in_store config --cmd '["/bin/bash"]' "$container"
  quietly "buildah could not write the image base" \
    in_store commit --rm --quiet "$container" "localhost/heauth-e2e/base:$images"
  rm "$new/base.rootfs.tar"
  keep "$cache/images-$images"
fi
