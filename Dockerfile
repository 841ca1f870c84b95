# One recipe for every function:
#     docker build --build-arg FUNCTION=quarantine -t molt/quarantine:0.1.0 .
# EXTRAS is what one of them can do besides: evidence has s3.
#
# Reproducible: the same sources, lock and base give the same image. For that, name the base by its digest, as
# `docker buildx imagetools inspect python:3.13-slim` tells it, and have the layers' times rewritten:
#     docker buildx build --build-arg FUNCTION=quarantine --build-arg BASE=python:3.13-slim@sha256:... \
#       --build-arg SOURCE_DATE_EPOCH=1580601600 --output type=image,name=molt/quarantine:0.1.0,rewrite-timestamp=true .
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
ARG FUNCTION
ARG EXTRAS=
ARG SOURCE_DATE_EPOCH=1580601600
WORKDIR /src
COPY image/installer.txt image/
RUN test -n "${FUNCTION}" || { echo "say which function: --build-arg FUNCTION=quarantine" >&2; exit 2; } \
 && pip install --no-cache-dir --require-hashes -r image/installer.txt
COPY pyproject.toml README.md LICENSE requirements.lock ./
COPY image image
COPY src src
COPY functions/${FUNCTION} functions/${FUNCTION}
# Versions and hashes are those of the lock, all from wheels; the core and the function are installed, not linked.
RUN python -m image.tree "${FUNCTION}" /app --extras "${EXTRAS}" --epoch "${SOURCE_DATE_EPOCH}"

FROM ${BASE}
ARG FUNCTION
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="molt ${FUNCTION}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
# No installer stays. The standard library is compiled, too; its own tests hold files that are wrong on purpose.
RUN python -m pip --no-cache-dir uninstall --yes --quiet pip \
 && stdlib="$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
 && rm -rf "${stdlib}/ensurepip" /usr/local/bin/pip* /root/.cache \
 && python -m compileall -q -j 0 --invalidation-mode unchecked-hash -x '/(test|idlelib|lib2to3)/' "${stdlib}"
COPY --from=build /app /app
ENV PYTHONPATH=/app/lib \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["python", "/app/function.py"]
