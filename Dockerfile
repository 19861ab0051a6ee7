# Threadline's `serve` as a small image: Python, the locked packages, the program.
#
#   docker build -t threadline .
#   docker run --env-file .env -v threadline:/data -p 3000:3000 threadline
#
# Runs as an ordinary user, and also with --read-only. The base is named by its tag, so
# that a rebuild picks up the fixes of Debian and Python; pin a digest where you deploy.

FROM python:3.13-slim AS packages
WORKDIR /build
COPY requirements.lock .
# Made where it will stand in the last stage: a virtual environment does not move.
RUN python -m venv --without-pip /opt/threadline/venv \
    && python -m pip --python /opt/threadline/venv/bin/python install \
        --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock

FROM python:3.13-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin threadline \
    && install -d -o threadline -g threadline -m 700 /data
COPY --from=packages /opt/threadline/venv /opt/threadline/venv
WORKDIR /opt/threadline
COPY pyproject.toml ./
COPY migrations ./migrations
COPY app ./app
# Compiled here, because the program may not write beside itself.
RUN python -m compileall -q app migrations

# HOME: the Slack library asks for one, and a uid chosen at `docker run` has none.
ENV PATH=/opt/threadline/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/data \
    HOST=0.0.0.0 \
    DATABASE_URL=sqlite:////data/threadline.db
VOLUME /data
EXPOSE 3000
USER 10001:10001
STOPSIGNAL SIGTERM

# Asks without urllib, which would go through a proxy named in the environment.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; asked = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('PORT') or 3000), timeout=4); asked.request('GET', '/readyz'); sys.exit(asked.getresponse().status != 200)"]

ENTRYPOINT ["python", "-m", "app"]
CMD ["serve"]
