# syntax=docker/dockerfile:1
# One image for every process of the platform; docker-compose.yml says which command each runs.

FROM python:3.12.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /app
RUN python -m venv .venv
COPY requirements.txt ./
# Compiled here, once: the containers may not write bytecode and would compile at every start.
RUN .venv/bin/python -m pip install --quiet --no-deps --require-hashes --only-binary=:all: --compile -r requirements.txt
COPY pyproject.toml README.md LICENSE dagster.yaml workspace.yaml ./
COPY packages packages
COPY dropship_dagster dropship_dagster
COPY streamlit_monitor streamlit_monitor
COPY sql sql
RUN .venv/bin/python -m pip install --quiet --no-deps --no-build-isolation \
        -e packages/local-service -e packages/local-kafka -e packages/local-snowflake -e . \
    && .venv/bin/python -m compileall -q packages dropship_dagster streamlit_monitor \
    && .venv/bin/python -m pip uninstall --quiet --yes pip

FROM python:3.12.11-slim-bookworm
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DROPSHIP_HOME=/var/lib/dropship \
    DROPSHIP_DATA_DIR=/var/lib/dropship/data \
    DROPSHIP_REPORTS_DIR=/var/lib/dropship/reports
# Volumes take owner and mode from the folders of the image that they are mounted on.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/dropship --shell /usr/sbin/nologin dropship \
    && install -d -m 0700 -o dropship -g dropship /var/lib/dropship /var/lib/warehouse
WORKDIR /app
COPY --from=build /app /app
COPY deploy /app/deploy
COPY .streamlit /app/.streamlit
USER 10001:10001
# What the containers run has a health check of its own in docker-compose.yml; a run's container is watched by Dagster.
HEALTHCHECK NONE
ENTRYPOINT ["python", "-m"]
CMD ["dropship_dagster.cli", "--help"]
