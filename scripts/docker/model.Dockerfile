# A model server with the models of one pipeline: docker build -t ipa-model:0.1.0 -f scripts/docker/model.Dockerfile .
# Which of them it serves is said by IPA_STAGE, IPA_VARIANT and IPA_CORES.
FROM python:3.11-slim
# The folder of STAGE/VARIANT.onnx; --build-arg MODELS=… for another pipeline.
ARG MODELS=profiles/digits/models
COPY pyproject.toml README.md /src/
COPY ipa /src/ipa
RUN python -m pip install --no-cache-dir "/src[serve]"
COPY ${MODELS} /models
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["ipa"]
CMD ["replica", "/etc/ipa/config.yaml", "--host", "0.0.0.0"]
