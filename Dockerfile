# syntax=docker/dockerfile:1
# The server without a database of its own: it needs DATABASE_URL, and says so where that is missing.
# docs/operating.md has the order of a first start.
#
#   docker build -t holdfast .
#   docker run --rm -e DATABASE_URL holdfast verify      any command of the command line

# The version is that of packageManager in package.json; a test compares the two.
FROM oven/bun:1.4.5-slim AS dependencies
WORKDIR /app
COPY package.json bun.lock ./
# Optional is the embedded Postgres: a container that is replaced must not hold the only copy of anything.
RUN bun install --frozen-lockfile --production --omit=optional

FROM oven/bun:1.4.5-slim
LABEL org.opencontainers.image.title="Holdfast" \
      org.opencontainers.image.description="Inventory reservations that never oversell" \
      org.opencontainers.image.licenses="MIT"
WORKDIR /app
# All of /app belongs to root, and the server runs as somebody else: it can't change its own program.
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY src ./src
# The lock and the sockets between processes: nothing that has to last. Under a read-only root it is a tmpfs.
RUN install --directory --owner=bun --group=bun --mode=0700 /var/lib/holdfast
USER bun

# HOST: a container's loopback is reached by nobody. The server starts there as soon as there is an API key.
# The cache of Bun's transpiler would be written to the home folder; there is none to be written.
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    PORT=3000 \
    HOLDFAST_DATA_DIR=/var/lib/holdfast \
    BUN_RUNTIME_TRANSPILER_CACHE_PATH=0
# Of the first two fronts; HOLDFAST_FRONTS says how many there are.
EXPOSE 3000 3001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
  CMD ["bun", "/app/deploy/docker/health.ts"]
COPY deploy/docker/health.ts ./deploy/docker/health.ts

ENTRYPOINT ["bun", "/app/src/main.ts"]
CMD ["serve"]
