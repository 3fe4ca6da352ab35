# One member's node. Build: make docker. Run:
#
#   docker volume create council
#   docker run --rm -v council:/data -v /etc/signer/passphrase:/run/secrets/passphrase:ro \
#     council-signer init --passphrase-file /run/secrets/passphrase --member core-1 …
#   docker run -d --name signer --ulimit memlock=-1 -v council:/data -p 4100:4100 -p 4100:4100/udp \
#     -v /etc/signer/passphrase:/run/secrets/passphrase:ro council-signer
#
# memlock: else what it holds of the key may be written to swap, which the daemon says.
# init writes into signer.yaml where the passphrase is: a container that runs by itself
# has no terminal to ask at. The passphrase file, like all that is secret, must have
# mode 0600 or stricter and belong to user 65532. With a bind mount instead of a volume
# the directory is yours to make: owner 65532, mode 0700.

FROM golang:1.26 AS build
WORKDIR /src

# The dependencies first: this layer lasts until go.mod changes.
COPY go.mod go.sum ./
RUN go mod download

COPY . .
ARG VERSION=unknown
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false \
      -ldflags "-s -w -X main.version=${VERSION}" -o /out/signer ./cmd/signer

# What the image will hold, as a tree, so that owners and modes come with it.
RUN mkdir -p /root-fs/etc/ssl/certs /root-fs/licenses \
 && cp /out/signer /root-fs/signer \
 && sh tools/licenses.sh /root-fs/licenses \
 && cp /etc/ssl/certs/ca-certificates.crt /root-fs/etc/ssl/certs/ \
 && install -d -m 0700 -o 65532 -g 65532 /data-fs/data

# Nothing but the program, the certificates it needs for https RPCs and the
# license texts of what it is made of: no shell, no package manager, no user but
# its own.
FROM scratch
COPY --from=build /root-fs/ /
COPY --from=build --chown=65532:65532 /data-fs/ /
USER 65532:65532

ENV SIGNER_HOME=/data
VOLUME ["/data"]

# Node to node, TCP and QUIC. The API is a socket in /data and is not exposed.
EXPOSE 4100/tcp 4100/udp

# Exit code 3 while the daemon does not answer; see 'signer --help'.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
  CMD ["/signer", "status"]

ENTRYPOINT ["/signer"]
CMD ["run"]
