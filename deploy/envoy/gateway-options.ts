import type { SurfaceName } from "./contract.ts";

/** Where one service of the mesh listens. */
export interface Upstream {
  /** Address or DNS name. */
  readonly host: string;
  /** gRPC: also what transcoded REST is sent to. */
  readonly grpcPort: number;
  /** Connect, pages and redirects. */
  readonly httpPort: number;
}

/** The services the gateway stands before, by their mesh names. */
export interface Upstreams {
  readonly registry: Upstream;
  readonly router: Upstream;
  readonly wallet: Upstream;
  readonly credential: Upstream;
}

/** Everything that differs between two gateways of the same contract. */
export interface GatewayOptions {
  /** Address both listeners bind. */
  readonly listenHost: string;
  /** All surfaces. */
  readonly port: number;
  /** The wallet's OIDC origin. */
  readonly oidcPort: number;
  /** Envoy's own admin interface; loopback alone, never to be published. */
  readonly adminHost: string;
  readonly adminPort: number;
  readonly upstreams: Upstreams;
  /** Files Envoy reads: its certificate `spiffe://paymesh/gateway`, the key of it and the authority. */
  readonly tls: { readonly certFile: string; readonly keyFile: string; readonly caFile: string };
  /** The FileDescriptorSet this configuration was rendered from, as Envoy finds it. */
  readonly descriptorFile: string;
  /** The OpenAPI document, served at `/openapi.json`. */
  readonly openapiFile: string;
  /** Real host names by surface. Hosts not named here are served all surfaces. */
  readonly domains: Partial<Readonly<Record<SurfaceName, readonly string[]>>>;
  /** Proxies in front of this one whose `x-forwarded-for` entry is believed; 0 at the edge. */
  readonly trustedHops: number;
  /** True checks phones' tokens against the wallet's published keys before a request reaches it. */
  readonly checkMobileTokens: boolean;
}

/** Requests above this many bytes are answered 413 on transcoded routes. */
export const restBodyBytesMax = 65_536;
/** Header block limit of a request, in KiB; a longer one is 431. */
export const requestHeadersKibMax = 32;
/** Client connections a gateway holds at once; more are refused at accept. */
export const connectionsMax = 10_000;
/** Concurrent requests to one service; more are answered 503 at once instead of queueing without end. */
export const upstreamRequestsMax = 4_096;
/** Streams a single client connection may have open. */
export const streamsPerConnectionMax = 256;
/** How long the gateway waits beyond a method's own timeout, so that the service's answer wins over the gateway's. */
export const timeoutMarginMs = 1_000;
/** Pages and redirects: consent callbacks ask a bank, which may take 25 s. */
export const pageTimeoutMs = 30_000;

/** The options of a gateway in a container beside its services; what `gen/envoy/envoy.yaml` is rendered with. */
export const containerGatewayOptions: GatewayOptions = Object.freeze({
  listenHost: "0.0.0.0",
  port: 8080,
  oidcPort: 8081,
  adminHost: "127.0.0.1",
  adminPort: 9901,
  upstreams: {
    registry: { host: "registry", grpcPort: 7101, httpPort: 7201 },
    router: { host: "router", grpcPort: 7102, httpPort: 7202 },
    wallet: { host: "wallet", grpcPort: 7103, httpPort: 7203 },
    credential: { host: "credential", grpcPort: 7104, httpPort: 7204 },
  },
  tls: {
    certFile: "/etc/paymesh/certs/gateway.pem",
    keyFile: "/etc/paymesh/certs/gateway.key",
    caFile: "/etc/paymesh/certs/ca.pem",
  },
  descriptorFile: "/etc/paymesh/paymesh.binpb",
  openapiFile: "/etc/paymesh/openapi.json",
  domains: {},
  trustedHops: 0,
  checkMobileTokens: true,
});
