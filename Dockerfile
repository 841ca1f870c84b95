# One recipe for every function:
#     docker build --build-arg FUNCTION=quarantine -t molt/quarantine:0.1.0 .
# EXTRAS is what one of them can do besides: evidence has [s3].
ARG PYTHON=3.13-slim

FROM python:${PYTHON} AS build
ARG FUNCTION
ARG EXTRAS=
ARG UV_VERSION=0.13.9
WORKDIR /src
RUN test -n "${FUNCTION}" || { echo "say which function: --build-arg FUNCTION=quarantine" >&2; exit 2; } \
 && pip install --no-cache-dir "uv==${UV_VERSION}"
COPY pyproject.toml README.md LICENSE requirements.lock ./
COPY src src
COPY functions/${FUNCTION} functions/${FUNCTION}
# The versions and hashes are those of the lock. Only the core and this function stay: the local runtime, the command
# line and the simulation are no function's. A slim image ships no bytecode; without it a cold start spends over a
# second compiling.
RUN uv venv /app \
 && uv pip install --python /app/bin/python --no-cache --verify-hashes -c requirements.lock . "./functions/${FUNCTION}${EXTRAS}" \
 && rm -rf /app/lib/python3.*/site-packages/molt/embedded /app/lib/python3.*/site-packages/molt/cli* \
      /app/lib/python3.*/site-packages/molt/simulate /app/lib/python3.*/site-packages/molt/forwarder /app/bin/molt \
 && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /app/lib \
 && printf 'import runpy\n\nrunpy.run_module("%s", run_name="__main__")\n' "$(echo "${FUNCTION}" | tr - _)" > /app/function.py

FROM python:${PYTHON}
ARG FUNCTION
LABEL org.opencontainers.image.title="molt ${FUNCTION}" \
      org.opencontainers.image.licenses="Apache-2.0"
# The standard library too; its own tests hold files that are wrong on purpose.
RUN python -m compileall -q -j 0 --invalidation-mode unchecked-hash -x '/(test|idlelib|lib2to3)/' \
    "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
COPY --from=build /app /app
ENV PATH=/app/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["python", "/app/function.py"]
