import { isIP } from "node:net";
import type { GatewayOptions, Upstream } from "./gateway-options.ts";
import { upstreamRequestsMax } from "./gateway-options.ts";

type Json = Record<string, unknown>;

/** Two clusters a service, `<name>-grpc` and `<name>-http`, both with client certificate and pinned peer identity. */
export function renderClusters(options: GatewayOptions): Json[] {
  return Object.entries(options.upstreams).flatMap(([name, upstream]: [string, Upstream]) => [
    renderCluster(options, name, { port: upstream.grpcPort, host: upstream.host, protocol: "grpc" }),
    renderCluster(options, name, { port: upstream.httpPort, host: upstream.host, protocol: "http" }),
  ]);
}

function renderCluster(
  options: GatewayOptions,
  service: string,
  { host, port, protocol }: { host: string; port: number; protocol: "grpc" | "http" },
): Json {
  const name = `${service}-${protocol}`;
  const thresholds = {
    max_connections: 1_024,
    max_pending_requests: upstreamRequestsMax,
    max_requests: upstreamRequestsMax,
    max_retries: 64,
  };
  return {
    name,
    type: isIP(host) === 0 ? "STRICT_DNS" : "STATIC",
    connect_timeout: "1s",
    load_assignment: {
      cluster_name: name,
      endpoints: [
        { lb_endpoints: [{ endpoint: { address: { socket_address: { address: host, port_value: port } } } }] },
      ],
    },
    circuit_breakers: { thresholds: [thresholds] },
    typed_extension_protocol_options: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        explicit_http_config:
          protocol === "grpc"
            ? // Pings find a peer that vanished without closing, long before a request's own timeout.
              { http2_protocol_options: { connection_keepalive: { interval: "30s", timeout: "5s" } } }
            : { http_protocol_options: {} },
        // Shorter than the services' own keep-alive, so a request never meets a connection just being closed.
        common_http_protocol_options: { idle_timeout: protocol === "grpc" ? "300s" : "4s" },
      },
    },
    transport_socket: renderTls(options, service, protocol),
  };
}

function renderTls(options: GatewayOptions, service: string, protocol: "grpc" | "http"): Json {
  return {
    name: "envoy.transport_sockets.tls",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
      sni: service,
      common_tls_context: {
        // Both ends given: Envoy as a client stops at 1.2 unless told.
        tls_params: { tls_minimum_protocol_version: "TLSv1_3", tls_maximum_protocol_version: "TLSv1_3" },
        alpn_protocols: [protocol === "grpc" ? "h2" : "http/1.1"],
        tls_certificates: [
          {
            certificate_chain: { filename: options.tls.certFile },
            private_key: { filename: options.tls.keyFile },
          },
        ],
        validation_context: {
          trusted_ca: { filename: options.tls.caFile },
          match_typed_subject_alt_names: [{ san_type: "URI", matcher: { exact: `spiffe://paymesh/${service}` } }],
        },
      },
    },
  };
}
