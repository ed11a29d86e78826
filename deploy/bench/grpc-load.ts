import path from "node:path";
import { Router } from "../../gen/es/paymesh/router/v1/router_pb.js";
import { createRpcClient } from "../../services/platform/rpc/client.ts";
import { loadMeshTls } from "../../services/platform/tls/load-mesh-tls.ts";
import { demoWorld } from "../local/world.ts";
import type { BenchToken, BenchWorld } from "./bench-world.ts";
import type { LoadResult } from "./http-load.ts";

/** Authorizes straight at the Router's gRPC port, with the gateway's certificate: what the gateway itself costs is the rest. */
export async function runGrpcLoad(
  world: BenchWorld,
  options: { concurrency: number; durationMs: number; next(): BenchToken | undefined; orderId(): string },
): Promise<LoadResult> {
  const certs = path.join(world.directory, "certs");
  const tls = await loadMeshTls({
    certFile: path.join(certs, "gateway.pem"),
    keyFile: path.join(certs, "gateway.key"),
    caFile: path.join(certs, "ca.pem"),
  });
  const client = createRpcClient(Router, {
    address: `127.0.0.1:${world.mesh.ports["router-grpc"]}`,
    serverName: "router",
    tls,
  });
  const headers = { "x-api-key": demoWorld.merchantKey };
  const latencies: number[] = [];
  let wrong = 0;
  let firstWrong: string | undefined;
  const startedAt = performance.now();
  const drive = async (): Promise<void> => {
    while (performance.now() - startedAt < options.durationMs) {
      const token = options.next();
      if (token === undefined) return;
      const sentAt = performance.now();
      const answer = await client.authorize(
        { merchantId: demoWorld.merchantId, amount: 1, currency: "CAD", orderId: options.orderId(), ...token },
        { headers },
      );
      latencies.push(performance.now() - sentAt);
      if (answer.status !== "authorized") {
        wrong += 1;
        firstWrong ??= `${answer.status} ${answer.declineReason ?? ""}`;
      }
    }
  };
  await Promise.all(Array.from({ length: options.concurrency }, drive));
  client.close();
  const seconds = (performance.now() - startedAt) / 1000;
  latencies.sort((a, b) => a - b);
  const at = (share: number): number =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
  return { count: latencies.length, wrong, firstWrong, seconds, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}
