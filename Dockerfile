# One image for all roles: MLflow server, Prefect server, worker, and the flow runs of a Kubernetes work pool.
FROM python:3.11-slim-bookworm

# For example "--extra-index-url=..." with an index of builds of torch without CUDA, which are far smaller.
ARG PIP_OPTIONS=""

# The training steps are compiled for the machine that makes them; any version of the compiler does.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm --recursive --force /var/lib/apt/lists/*

RUN useradd --create-home --uid 1000 ncf \
    && mkdir --parents /var/lib/ncf /opt/ncf \
    && chown ncf:ncf /var/lib/ncf /opt/ncf
WORKDIR /opt/ncf

# The dependencies alone first: a change of code does not install them again.
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN mkdir ncf flows tuning \
    && touch ncf/__init__.py flows/__init__.py tuning/__init__.py \
    && pip install --no-cache-dir --constraint constraints.txt ${PIP_OPTIONS} --editable '.[postgresql]'

COPY --chown=ncf:ncf prefect.yaml ./
COPY --chown=ncf:ncf ncf ncf
COPY --chown=ncf:ncf tuning tuning
COPY --chown=ncf:ncf flows flows

USER 1000
ENV NCF_HOME=/opt/ncf \
    NCF_CACHE_DIR=/var/lib/ncf/cache \
    DO_NOT_TRACK=1 \
    MLFLOW_DISABLE_TELEMETRY=true \
    PREFECT_SERVER_ANALYTICS_ENABLED=false \
    PYTHONUNBUFFERED=1
CMD ["prefect", "worker", "start", "--pool", "ncf", "--type", "process"]
