# One image for every part: `tidings api` (the default), `worker`, `sandbox`, `migrate`.
FROM python:3.13-slim-bookworm AS build

WORKDIR /src
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN python -m pip install --no-cache-dir --require-hashes --requirement requirements/build.txt \
    && python -m venv /opt/tidings \
    && /opt/tidings/bin/pip install --no-cache-dir --require-hashes --requirement requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY activities activities
COPY api api
COPY migrations migrations
COPY tidings tidings
COPY worker worker
COPY workflows workflows
RUN python -m pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /opt/tidings/bin/pip install --no-cache-dir --no-deps --no-index /wheels/*.whl

FROM python:3.13-slim-bookworm

RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin tidings
COPY --from=build /opt/tidings /opt/tidings
ENV PATH=/opt/tidings/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TIDINGS_API_HOST=0.0.0.0 \
    TIDINGS_SANDBOX_HOST=0.0.0.0 \
    TIDINGS_LOG_FORMAT=json \
    TIDINGS_HEALTH_URL=http://127.0.0.1:8000/health/live
WORKDIR /tmp
USER 10001
EXPOSE 8000
# For the parts that speak HTTP; TIDINGS_HEALTH_URL points it at another one than the API.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(os.environ['TIDINGS_HEALTH_URL'], timeout=4)"]
ENTRYPOINT ["tidings"]
CMD ["api"]
