# Router and controller: docker build -t ipa-router:0.1.0 -f scripts/docker/router.Dockerfile .
# What runs is said by the arguments, as in `ipa router CONFIG` and `ipa adapt CONFIG`.
FROM python:3.11-slim
COPY pyproject.toml README.md /src/
COPY ipa /src/ipa
RUN python -m pip install --no-cache-dir "/src[serve,kubernetes]"
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["ipa"]
CMD ["--help"]
