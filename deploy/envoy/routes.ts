import type { Contract, ContractMethod, ContractService, SurfaceName } from "./contract.ts";
import type { GatewayOptions } from "./gateway-options.ts";
import { pageTimeoutMs, timeoutMarginMs } from "./gateway-options.ts";
import { type HttpPaths, httpPaths, innerPathPrefix } from "./http-paths.ts";
import { renderTranscoder } from "./transcoder.ts";

type Json = Record<string, unknown>;

const openapiBytesMax = 2 * 1024 * 1024;

/** Paths the wallet's own host answers under shorter names than the common port, where `/health` is the switch's. */
const walletHostPaths: Readonly<Record<string, string>> = {
  "/health": "/api/health",
  "/health/ready": "/api/health/ready",
  "/health/live": "/api/health/live",
};

/** Route table of the common port: one virtual host per surface with a domain of its own, then one with everything. */
export function renderCommonRoutes(contract: Contract, options: GatewayOptions): Json {
  const surfaces = Object.entries(options.domains) as [SurfaceName, readonly string[]][]; // keys are the type's own
  const hosts = surfaces
    .filter(([, domains]) => domains.length > 0)
    .map(([surface, domains]) => renderSurfaceHost(contract, options, surface, domains));
  const everything = renderHost("all", ["*"], contract.services, {
    healthService: "router",
    paths: httpPaths,
    openapiFile: options.openapiFile,
  });
  return renderTable("common", [...hosts, everything]);
}

/** Route table of the wallet's OIDC origin: all of it is the wallet's HTTP port, bar what is between services. */
export function renderOidcRoutes(): Json {
  const routes = [
    notFound({ path_separated_prefix: innerPathPrefix }),
    notFound({ prefix: "/paymesh." }),
    { match: { prefix: "/" }, route: { cluster: "wallet-http", timeout: milliseconds(pageTimeoutMs) } },
  ];
  return renderTable("oidc", [{ name: "oidc", domains: ["*"], routes }]);
}

function renderTable(name: string, virtualHosts: readonly Json[]): Json {
  return {
    name,
    virtual_hosts: virtualHosts,
    max_direct_response_body_size_bytes: openapiBytesMax,
    // One address, as this gateway saw it: nothing a client wrote is left in it.
    request_headers_to_add: [
      {
        header: { key: "x-forwarded-for", value: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%" },
        append_action: "OVERWRITE_IF_EXISTS_OR_ADD",
      },
    ],
    request_headers_to_remove: ["x-forwarded-client-cert", "forwarded", "x-real-ip", "x-forwarded-host", "x-client-ip"],
    response_headers_to_remove: ["server", "x-powered-by", "x-envoy-upstream-service-time"],
  };
}

function renderSurfaceHost(
  contract: Contract,
  options: GatewayOptions,
  surface: SurfaceName,
  domains: readonly string[],
): Json {
  const services = contract.services.filter((service) => service.surface === surface);
  const healthService = services[0]?.name ?? "router";
  const isWallet = surface === "wallet";
  const host = renderHost(
    surface,
    domains.flatMap((domain) => [domain, `${domain}:*`]),
    services,
    {
      healthService,
      paths: httpPaths.filter((each) => each.surface === surface),
      openapiFile: options.openapiFile,
    },
  );
  const perFilter: Json = {
    "envoy.filters.http.grpc_json_transcoder": renderTranscoder(contract, services, options.descriptorFile),
  };
  if (isWallet) {
    perFilter["envoy.filters.http.lua"] = {
      "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.LuaPerRoute",
      filter_context: walletHostPaths,
    };
  }
  return { ...host, typed_per_filter_config: perFilter };
}

function renderHost(
  name: string,
  domains: readonly string[],
  services: readonly ContractService[],
  { healthService, paths, openapiFile }: { healthService: string; paths: readonly HttpPaths[]; openapiFile: string },
): Json {
  const methods = services.flatMap((service) => service.methods.filter((method) => method.isOuter));
  const routes = [
    ...infrastructureRoutes(healthService),
    openapiRoute(openapiFile),
    notFound({ path_separated_prefix: innerPathPrefix }),
    ...paths.flatMap(httpRoutes),
    notFound({ prefix: "/" }),
  ];
  return { name, domains, matcher: renderMatcher(methods, routes) };
}

/**
 * Finds a method by its path and tries its own routes alone; whatever is no method's path tries the others in order. A plain list of all
 * would be walked twice for every REST request, before it is transcoded and after.
 */
function renderMatcher(methods: readonly ContractMethod[], others: readonly Json[]): Json {
  const map = Object.fromEntries(
    methods.map((method) => [
      method.rpcPath,
      {
        action: routeList(method.rpcPath, [
          renderGrpcRoute(method),
          ...renderConnectRoutes(method),
          notFound({ prefix: "/" }),
        ]),
      },
    ]),
  );
  return {
    matcher_tree: {
      input: {
        name: "request-path",
        typed_config: {
          "@type": "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput",
          header_name: ":path",
        },
      },
      // By prefix, for the header has the query string behind the path; each route asks for the path itself.
      prefix_match_map: { map },
    },
    on_no_match: { action: routeList("others", others) },
  };
}

function routeList(name: string, routes: readonly Json[]): Json {
  return { name, typed_config: { "@type": "type.googleapis.com/envoy.config.route.v3.RouteList", routes } };
}

function renderGrpcRoute(method: ContractMethod): Json {
  return {
    match: { path: method.rpcPath, grpc: {} },
    route: { ...rpcAction(method, "grpc") },
  };
}

function renderConnectRoutes(method: ContractMethod): Json[] {
  const contentType = (regex: string) => ({ name: "content-type", string_match: { safe_regex: { regex } } });
  const route = rpcAction(method, "http");
  return [
    {
      match: {
        path: method.rpcPath,
        headers: [contentType("application/(connect\\+(json|proto)|proto)(;.*)?")],
      },
      route,
    },
    {
      match: {
        path: method.rpcPath,
        headers: [contentType("application/json(;.*)?"), { name: "connect-protocol-version", present_match: true }],
      },
      route,
    },
  ];
}

function rpcAction(method: ContractMethod, port: "grpc" | "http"): Json {
  const { timeoutMs } = method.policy;
  return {
    cluster: `${method.service.name}-${port}`,
    timeout: milliseconds(timeoutMs === 0 ? 0 : timeoutMs + timeoutMarginMs),
    // Only what provably never reached the service is sent again.
    retry_policy: { retry_on: "connect-failure,refused-stream,reset-before-request", num_retries: 2 },
  };
}

function infrastructureRoutes(healthService: string): Json[] {
  const unary = (path: string, cluster: string, timeoutMs: number) => ({
    match: { path, grpc: {} },
    route: { cluster, timeout: milliseconds(timeoutMs) },
  });
  return [
    unary("/grpc.health.v1.Health/Check", `${healthService}-grpc`, 5_000),
    // A session of questions about the contract; every service serves the whole of it.
    unary("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "registry-grpc", 60_000),
    unary("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "registry-grpc", 60_000),
  ];
}

function openapiRoute(filename: string): Json {
  return {
    match: { path: "/openapi.json", headers: [{ name: ":method", string_match: { exact: "GET" } }] },
    direct_response: { status: 200, body: { filename } },
    response_headers_to_add: [
      { header: { key: "content-type", value: "application/json" }, append_action: "OVERWRITE_IF_EXISTS_OR_ADD" },
    ],
  };
}

function httpRoutes(paths: HttpPaths): Json[] {
  const matches = [
    ...paths.exact.map((path) => ({ path })),
    ...paths.prefixes.map((prefix) => ({ path_separated_prefix: prefix })),
    ...paths.patterns.map((regex) => ({ safe_regex: { regex } })),
  ];
  const route = { cluster: `${paths.service}-http`, timeout: milliseconds(pageTimeoutMs) };
  const limit = paths.bodyBytesMax === undefined ? {} : { typed_per_filter_config: bodyLimit(paths.bodyBytesMax) };
  return matches.map((match) => ({ match, route, ...limit }));
}

function bodyLimit(max_request_bytes: number): Json {
  const type = "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.BufferPerRoute";
  return { "envoy.filters.http.buffer": { "@type": type, buffer: { max_request_bytes } } };
}

function notFound(match: Json): Json {
  return { match, direct_response: { status: 404 } };
}

function milliseconds(count: number): string {
  return `${count / 1000}s`;
}
