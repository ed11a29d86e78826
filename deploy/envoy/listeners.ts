import { Audience } from "../../gen/es/paymesh/policy/v1/policy_pb.js";
import type { Contract } from "./contract.ts";
import type { GatewayOptions } from "./gateway-options.ts";
import { requestHeadersKibMax, restBodyBytesMax, streamsPerConnectionMax } from "./gateway-options.ts";
import { mobileKeysPath } from "./http-paths.ts";
import { renderLocalReplies } from "./local-replies.ts";
import { luaSource } from "./lua-source.ts";
import { renderCommonRoutes, renderOidcRoutes } from "./routes.ts";
import { renderTranscoder } from "./transcoder.ts";

type Json = Record<string, unknown>;

const filterTypes = "type.googleapis.com/envoy.extensions.filters.http";

/** The two listeners: all surfaces, and the wallet's OIDC origin. */
export function renderListeners(contract: Contract, options: GatewayOptions): Json[] {
  const commonFilters = [
    filter("grpc_web", { "@type": `${filterTypes}.grpc_web.v3.GrpcWeb` }),
    filter("lua", { "@type": `${filterTypes}.lua.v3.Lua`, default_source_code: { inline_string: luaSource() } }),
    filter("grpc_json_transcoder", renderTranscoder(contract, contract.services, options.descriptorFile)),
    // On the routes alone that ask for it, with their own limit.
    {
      ...filter("buffer", { "@type": `${filterTypes}.buffer.v3.Buffer`, max_request_bytes: restBodyBytesMax }),
      disabled: true,
    },
    ...(options.checkMobileTokens ? [filter("jwt_authn", renderTokenCheck(contract))] : []),
    routerFilter,
  ];
  return [
    renderListener("common", options, options.port, commonFilters, renderCommonRoutes(contract, options)),
    renderListener("oidc", options, options.oidcPort, [routerFilter], renderOidcRoutes()),
  ];
}

const routerFilter = {
  name: "envoy.filters.http.router",
  typed_config: {
    "@type": `${filterTypes}.router.v3.Router`,
    suppress_envoy_headers: true,
    respect_expected_rq_timeout: false,
  },
};

function filter(name: string, config: Json): Json {
  return { name: `envoy.filters.http.${name}`, typed_config: config };
}

function renderListener(
  name: string,
  options: GatewayOptions,
  port: number,
  httpFilters: readonly Json[],
  routeConfig: Json,
): Json {
  return {
    name,
    address: { socket_address: { address: options.listenHost, port_value: port } },
    per_connection_buffer_limit_bytes: 1024 * 1024,
    filter_chains: [
      {
        filters: [
          {
            name: "envoy.filters.network.http_connection_manager",
            typed_config: { ...connectionManager(name, options), route_config: routeConfig, http_filters: httpFilters },
          },
        ],
      },
    ],
  };
}

function connectionManager(name: string, options: GatewayOptions): Json {
  return {
    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    stat_prefix: name,
    codec_type: "AUTO",
    server_name: "paymesh",
    use_remote_address: true,
    xff_num_trusted_hops: options.trustedHops,
    // Ids are made here, so that one in a log is ours and cannot carry what a client wrote.
    generate_request_id: true,
    preserve_external_request_id: false,
    always_set_request_id_in_response: true,
    // No caller counts as internal, wherever it comes from: internal ones could set x-envoy-* timeouts and retries.
    internal_address_config: { unix_sockets: false },
    forward_client_cert_details: "SANITIZE",
    normalize_path: true,
    merge_slashes: true,
    path_with_escaped_slashes_action: "REJECT_REQUEST",
    max_request_headers_kb: requestHeadersKibMax,
    request_headers_timeout: "10s",
    request_timeout: "60s",
    stream_idle_timeout: "60s",
    drain_timeout: "5s",
    delayed_close_timeout: "1s",
    common_http_protocol_options: {
      idle_timeout: "300s",
      max_headers_count: 100,
      headers_with_underscores_action: "DROP_HEADER",
    },
    http2_protocol_options: {
      max_concurrent_streams: streamsPerConnectionMax,
      initial_stream_window_size: 65_536,
      initial_connection_window_size: 1_048_576,
    },
    local_reply_config: renderLocalReplies(),
    access_log: [renderAccessLog()],
  };
}

/** Failures alone, without the query string: callbacks carry codes there. */
function renderAccessLog(): Json {
  return {
    name: "envoy.access_loggers.stdout",
    filter: {
      status_code_filter: {
        comparison: { op: "GE", value: { default_value: 500, runtime_key: "paymesh.access_log" } },
      },
    },
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
      log_format: {
        json_format: {
          time: "%START_TIME%",
          requestId: "%REQ(x-request-id)%",
          method: "%REQ(:METHOD)%",
          path: "%PATH(NQ:ORIG)%",
          status: "%RESPONSE_CODE%",
          flags: "%RESPONSE_FLAGS%",
          upstream: "%UPSTREAM_CLUSTER%",
          transportFailure: "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
          durationMs: "%DURATION%",
        },
      },
    },
  };
}

/** A first check of phones' tokens: methods that a phone's user alone may call. The service checks again, revocation included. */
function renderTokenCheck(contract: Contract): Json {
  const methods = contract.services.flatMap((service) => service.methods);
  const phoneOnly = methods.filter(
    ({ policy }) => policy.audiences.length === 1 && policy.audiences[0] === Audience.MOBILE_USER,
  );
  return {
    "@type": `${filterTypes}.jwt_authn.v3.JwtAuthentication`,
    providers: {
      mobile: {
        audiences: ["mwsim"],
        forward: true,
        clock_skew_seconds: 5,
        from_headers: [{ name: "authorization", value_prefix: "Bearer " }],
        remote_jwks: {
          http_uri: { uri: `https://wallet${mobileKeysPath}`, cluster: "wallet-http", timeout: "2s" },
          cache_duration: "60s",
          // Fetched before the listener opens, then ahead of need, and kept while the wallet restarts. Where the wallet is
          // not up yet the listener opens all the same and the fetch is repeated.
          async_fetch: { fast_listener: false, failed_refetch_duration: "0.5s" },
        },
      },
    },
    rules: phoneOnly.map((method) => ({
      match: { path: method.rpcPath },
      requires: { provider_name: "mobile" },
    })),
  };
}
