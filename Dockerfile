# The cache mounts below need BuildKit, the default builder since Docker 23.0.

FROM rust:1-slim-bookworm AS build
WORKDIR /build
COPY . .
# Cache mounts instead of a layer of dependencies, which would need placeholder sources. A cache mount is not
# part of the image, hence the copy.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
  --mount=type=cache,target=/build/target \
  cargo build --profile dist --features full --locked --bin gripchat \
  && cp target/dist/gripchat /gripchat

FROM debian:bookworm-slim
# Root certificates for HTTPS to DynamoDB and to hosted GRIP proxies.
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates \
  && rm -rf /var/lib/apt/lists/*
COPY --from=build /gripchat /usr/local/bin/gripchat
# By number, so that Kubernetes can see it is not root (runAsNonRoot).
USER 10001:10001
# The default, 127.0.0.1, would not be reachable from outside the container.
ENV LISTEN=0.0.0.0:3000
EXPOSE 3000
ENTRYPOINT ["gripchat"]
CMD ["serve"]
