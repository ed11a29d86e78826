import { Router } from "../../gen/es/paymesh/router/v1/router_pb.js";
import { createRpcClient } from "../../services/platform/rpc/client.ts";
import { demoWorld } from "../local/world.ts";
import { type BenchToken, type BenchWorld, benchTls } from "./bench-world.ts";
import { runCalls } from "./call-load.ts";
import type { LoadResult } from "./http-load.ts";

/** Authorizes straight at the Router's gRPC port, with the gateway's certificate: what the gateway itself costs is the rest. */
export async function runGrpcLoad(
  world: BenchWorld,
  options: { concurrency: number; durationMs: number; next(): BenchToken | undefined; orderId(): string },
): Promise<LoadResult> {
  const client = createRpcClient(Router, {
    address: `127.0.0.1:${world.mesh.ports["router-grpc"]}`,
    serverName: "router",
    tls: await benchTls(world, "gateway"),
  });
  const headers = { "x-api-key": demoWorld.merchantKey };
  const authorize = async (token: BenchToken): Promise<string | undefined> => {
    const answer = await client.authorize(
      { merchantId: demoWorld.merchantId, amount: 1, currency: "CAD", orderId: options.orderId(), ...token },
      { headers },
    );
    return answer.status === "authorized" ? undefined : `${answer.status} ${answer.declineReason ?? ""}`;
  };
  try {
    return await runCalls({
      ...options,
      call: () => {
        const token = options.next();
        return token && authorize(token);
      },
    });
  } finally {
    client.close();
  }
}
