# The gateway as an image. It starts as uid 0 with four capabilities and nothing else of root's rights:
#   --cap-drop ALL --cap-add NET_ADMIN --cap-add SETUID --cap-add SETGID --cap-add KILL --read-only --tmpfs /run
# `npm run pack -- --stage build/image` fills the directory that is copied here (compiled, production packages only).
ARG BASE=docker.io/library/node:24-bookworm-slim
FROM ${BASE}
# nft looks protocol names up in /etc/protocols, which netbase brings.
RUN if ! command -v nft >/dev/null || ! command -v ip >/dev/null || [ ! -e /etc/protocols ]; then \
      apt-get update && apt-get install -y --no-install-recommends nftables iproute2 netbase ca-certificates \
      && rm -rf /var/lib/apt/lists/*; \
    fi
COPY build/image/ /opt/sallyport/
RUN mkdir -p /etc/sallyport /var/lib/sallyport
VOLUME /var/lib/sallyport
# 53 DNS, 80 and 443 redirected web traffic, 9441 the authority for runners; 9440 is the operator's.
EXPOSE 53/udp 53/tcp 80 443 9440 9441
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "/opt/sallyport/launch.mjs"]
CMD ["serve", "--config", "/etc/sallyport/sallyport.yaml"]
