# The program itself, to be used with the host's engine or with namespaces of its own: docs/ci.md.
ARG BASE=python:3.13-slim-bookworm
FROM ${BASE}
COPY . /src
RUN python3 -m venv /opt/rst-or-fin \
 && /opt/rst-or-fin/bin/python -m pip install --no-cache-dir --disable-pip-version-check \
      --constraint /src/constraints-dev.txt /src \
 && rm -rf /src
ENV PATH=/opt/rst-or-fin/bin:$PATH
WORKDIR /work
ENTRYPOINT ["rst-or-fin"]
CMD ["--help"]
