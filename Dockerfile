# The node. `docker build --build-arg EXTRAS=gpu .` for a machine with an NVIDIA GPU; `cpu,monai,tensorflow` runs MONAI and Keras models too.
# PIP_EXTRA_INDEX_URL may name the index of PyTorch's CPU builds: without it pip takes the CUDA build, which runs on a CPU
# too and is 3 GB larger.
FROM python:3.11-slim-bookworm AS build
ARG EXTRAS=cpu
ARG PIP_EXTRA_INDEX_URL=
WORKDIR /src
COPY . .
RUN python -m venv /opt/ainode \
 && /opt/ainode/bin/pip install --no-cache-dir -c constraints.txt ".[${EXTRAS}]"

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/ainode --create-home ainode
COPY --from=build /opt/ainode /opt/ainode
ENV PATH=/opt/ainode/bin:$PATH AINODE_NODE_FOLDER=/var/lib/ainode
USER ainode
WORKDIR /var/lib/ainode
VOLUME /var/lib/ainode
EXPOSE 8080 11112
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s \
  CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/health', timeout=5)"]
CMD ["ainode", "serve"]
