import { renderClusters } from "./clusters.ts";
import type { Contract } from "./contract.ts";
import type { GatewayOptions } from "./gateway-options.ts";
import { connectionsMax } from "./gateway-options.ts";
import { renderListeners } from "./listeners.ts";

/**
 * Envoy's whole bootstrap configuration for a contract: listeners, routes, filters, clusters, limits. Plain data, to be
 * written as JSON or YAML. Throws an Error when the contract cannot be served safely (see `readContract`, `ignoredQueryParameters`).
 */
export function renderBootstrap(contract: Contract, options: GatewayOptions): Record<string, unknown> {
  return {
    node: { id: "paymesh-gateway", cluster: "paymesh" },
    admin: { address: { socket_address: { address: options.adminHost, port_value: options.adminPort } } },
    static_resources: {
      listeners: renderListeners(contract, options),
      clusters: renderClusters(options),
    },
    overload_manager: {
      resource_monitors: [
        {
          name: "envoy.resource_monitors.global_downstream_max_connections",
          typed_config: {
            "@type":
              "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
            max_active_downstream_connections: connectionsMax,
          },
        },
      ],
    },
    stats_config: { stats_matcher: { inclusion_list: { patterns: statsKept.map((prefix) => ({ prefix })) } } },
  };
}

// Counters of listeners, clusters and the process; the rest would only cost memory.
const statsKept = ["http.", "listener.", "cluster.", "server.", "overload."];
