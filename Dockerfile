# heauth: one image, whose subcommands are the programs.
#
#   docker build --tag heauth .
#   docker run --rm --read-only heauth hub --help
#
# BASE      a Debian or an Ubuntu; all it is used for are glibc, libstdc++ and iptables. Node comes with us, in the version that all is
#           tested with.
# BUNDLE    source: the bundle is made here, from the sources. dist: it was made before, by `npm ci` and `npm run bundle`; for machines that
#           reach no registry from a build.
#           (buildah 1.28, as Debian 12 has it, must be told BUNDLE=source too.)
# BUILDER   where the bundle is made; npm is installed where there is none. A registry of one's own, or a login to it:
#           --secret id=npmrc,src=$HOME/.npmrc
ARG BASE=docker.io/library/debian:bookworm-slim
ARG BUILDER=docker.io/library/node:24-bookworm-slim
ARG BUNDLE=source

FROM ${BUILDER} AS bundle-source
RUN command -v npm >/dev/null || \
    { apt-get update && apt-get install --yes --no-install-recommends npm ca-certificates && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*; }
WORKDIR /src
COPY package.json package-lock.json ./
COPY core/package.json core/
COPY program/package.json program/
COPY protocol/package.json protocol/
COPY store/package.json store/
COPY sidecar/package.json sidecar/
COPY identity/package.json identity/
COPY hub/package.json hub/
COPY operator/package.json operator/
COPY cli/package.json cli/
COPY e2e/package.json e2e/
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc npm ci --no-audit --no-fund
COPY . .
RUN npm run --silent bundle /out/opt/heauth && \
    rm /out/opt/heauth/*.map && \
    install -D --target-directory=/out/usr/local/bin node_modules/node/bin/node

FROM scratch AS bundle-dist
COPY dist /out/opt/heauth
COPY node_modules/node/bin/node /out/usr/local/bin/node

FROM bundle-${BUNDLE} AS bundle
WORKDIR /out

FROM ${BASE}
# iptables is for the container that redirects a pod's inbound connections; no other one may use it.
RUN command -v iptables-restore ip6tables-restore >/dev/null || \
    { apt-get update && apt-get install --yes --no-install-recommends iptables && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*; }; \
    ln -s /opt/heauth/heauth.mjs /usr/local/bin/heauth
COPY --from=bundle /out /
ARG VERSION=0.2.0
LABEL org.opencontainers.image.title="heauth" \
      org.opencontainers.image.description="Who touched which critical data: sessions, decisions, and a ledger that proves itself" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
ENV NODE_ENV=production
# Nobody else's: apps with this uid are refused beside a sidecar. A number, so that runAsNonRoot can be checked.
USER 43288:43288
ENTRYPOINT ["/usr/local/bin/node", "/opt/heauth/heauth.mjs"]
