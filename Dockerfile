# syntax=docker/dockerfile:1

# Built and run on the same Debian release: the binary is linked against glibc, and glibc is compatible only
# forwards, so a newer one at build time would not start on an older one at run time. A static binary would
# avoid this and lose name resolution, which glibc loads at run time.
FROM rust:1.95.0-bookworm AS build
WORKDIR /src
COPY . .
# The caches outlive the layer: a change to the source compiles this package and not its dependencies again.
# The binary is copied out because a cache is not part of the layer.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --release --locked --bin inferometer \
    && cp target/release/inferometer /inferometer

# glibc, libgcc and CA certificates; no shell, no package manager. For the same reason there is no HEALTHCHECK:
# the kubelet's probes ask the server itself.
FROM gcr.io/distroless/cc-debian12:nonroot
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="inferometer" \
      org.opencontainers.image.description="The metrics API that lets plain HorizontalPodAutoscalers scale GPU inference" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="gcr.io/distroless/cc-debian12:nonroot"
COPY LICENSE /LICENSE
COPY --from=build /inferometer /inferometer
# By number: only so can Kubernetes tell (runAsNonRoot) that it is not root.
USER 65532:65532
ENTRYPOINT ["/inferometer"]
# Not `serve`: this version answers on a loopback address only, where nothing outside the container reaches it.
CMD ["--help"]
