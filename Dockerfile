# The router's image, and with `--target demo` one that runs the demo. glibc: Temporal's native part needs it.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
COPY simulators/package.json simulators/
RUN npm ci --include=dev --no-audit --no-fund
COPY . .
RUN node scripts/build.mjs --package

# What the product runs on: neither what builds and tests it, nor the simulators' packages.
FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
COPY simulators/package.json simulators/
RUN npm ci --omit=dev --workspaces=false --no-audit --no-fund

FROM node:24-bookworm-slim AS router
# With more arenas the C library keeps hundreds of MiB that a crowd of sessions has freed. On a machine with much memory Node
# collects late: with this bound a worker of 1,000 sessions stays below 1 GiB (docs/performance.md).
ENV NODE_ENV=production MALLOC_ARENA_MAX=2 NODE_OPTIONS="--max-semi-space-size=8 --max-old-space-size=320"
WORKDIR /app
COPY --from=packages /app/package.json ./
COPY --from=packages /app/node_modules ./node_modules
COPY --from=build /app/bundles ./bundles
COPY --from=build /app/dist ./dist
# Temporal's native core trusts the system's certificates, and the slim image has none.
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates \
  && rm -rf /var/lib/apt/lists/*
# For `docker compose exec worker managed-agents-router …`.
RUN chmod +x dist/src/main.js && ln -s /app/dist/src/main.js /usr/local/bin/managed-agents-router
USER node
ENTRYPOINT ["node", "/app/dist/src/main.js"]
CMD ["start"]

# The simulators' sandboxes are made of this image's own files, so it has what agents expect of a machine.
FROM build AS demo
RUN apt-get update \
  && apt-get install -y --no-install-recommends \
    bash ca-certificates curl git jq procps python3 python-is-python3 ripgrep sudo tree unzip util-linux \
  && rm -rf /var/lib/apt/lists/*
ENTRYPOINT ["node", "demo/main.ts"]
CMD []

# What is built where no target is named.
FROM router
