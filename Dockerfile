# The router's image, and with `--target demo` one that runs the demo. glibc: Temporal's native part needs it.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --include=dev --no-audit --no-fund
COPY . .
RUN npm run build && npm prune --omit=dev --no-audit --no-fund

FROM node:24-bookworm-slim AS router
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
USER node
ENTRYPOINT ["node", "dist/src/main.js"]
CMD ["start"]

# The simulators' sandboxes are made of this image's own files, so it has what agents expect of a machine.
FROM router AS demo
USER root
RUN apt-get update \
  && apt-get install -y --no-install-recommends \
    bash ca-certificates curl git jq procps python3 python-is-python3 ripgrep sudo tree unzip util-linux \
  && rm -rf /var/lib/apt/lists/*
ENTRYPOINT ["node", "dist/demo/main.js"]
CMD []

# What is built where no target is named.
FROM router
