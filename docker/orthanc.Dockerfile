# The archive: Debian's Orthanc with its DICOMweb plugin, the versions that the tests run against.
FROM debian:bookworm-slim
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends orthanc orthanc-dicomweb \
 && rm -rf /var/lib/apt/lists/*
# Without it dcmtk, which Orthanc is made with, waits 40 ms for every object (Nagle's algorithm).
ENV TCP_NODELAY=1
COPY orthanc/orthanc.json /etc/ainode/orthanc.json
USER orthanc
VOLUME /var/lib/orthanc/db
EXPOSE 4242 8042
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8042 4<>/dev/tcp/127.0.0.1/4242"]
CMD ["/usr/sbin/Orthanc", "/etc/ainode/orthanc.json"]
