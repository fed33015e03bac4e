# syntax=docker/dockerfile:1

# All processes are one image: `python -m api`, `python -m api.grpc`, `python -m worker`, `python -m db upgrade`.

FROM python:3.13-slim-trixie AS dependencies

RUN python -m venv --without-pip /opt/venv
COPY requirements.txt .
# Hashes pin every file. Only wheels are installed, so no build tool is needed.
RUN pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check \
        --require-hashes --only-binary=:all: --requirement requirements.txt \
    && /opt/venv/bin/python -m compileall -q /opt/venv/lib


FROM python:3.13-slim-trixie

# pip is not needed at run time.
RUN pip uninstall --yes --root-user-action=ignore pip \
    && groupadd --gid 10001 holdfast \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin holdfast

COPY --from=dependencies /opt/venv /opt/venv

WORKDIR /app
COPY domain domain
COPY runtime runtime
COPY db db
COPY activities activities
COPY workflows workflows
COPY api api
COPY web web
COPY worker worker
# Compile here: at run time the file system may be read-only.
RUN /opt/venv/bin/python -m compileall -q .

# A volume mounted here for the first time takes over the owner of this folder.
RUN mkdir /files && chown 10001:10001 /files

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOLDFAST_API_HOST=0.0.0.0 \
    HOLDFAST_API_PORT=8000

USER 10001:10001
EXPOSE 8000 50051

# Health of the API; docker-compose.yml sets the worker's. Not ready means that PostgreSQL is unreachable.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f\"http://127.0.0.1:{os.environ['HOLDFAST_API_PORT']}/readyz\", timeout=4)"]

# The worker finishes running tasks within HOLDFAST_WORKER_GRACEFUL_SECONDS; the API needs up to 15 s.
STOPSIGNAL SIGTERM

CMD ["python", "-m", "api"]
