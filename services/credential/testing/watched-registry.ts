import { join } from "node:path";
import { Registry } from "../../../gen/es/paymesh/registry/v1/registry_pb.js";
import { genericErrors } from "../../platform/errors/error-table.ts";
import { startRpcServer } from "../../platform/rpc/grpc-server.ts";
import { type Handlers, implement } from "../../platform/rpc/service-implementation.ts";
import { createLogger } from "../../platform/telemetry/logger.ts";
import { loadMeshTls, type MeshTls } from "../../platform/tls/load-mesh-tls.ts";

/** What a Registry tells those who watch it. */
export type WatchEvent =
  | { readonly case: "bank"; readonly value: { readonly bank: object } }
  | { readonly case: "merchant"; readonly value: object }
  | { readonly case: "snapshotComplete"; readonly value: object };

/** Ends a snapshot. */
export const snapshotComplete: WatchEvent = { case: "snapshotComplete", value: {} };

/** A bank of a snapshot. */
export function bankEvent(bsimId: string, change: object = {}): WatchEvent {
  const bank = { bsimId, name: bsimId, authServerUrl: "https://a", status: "active", health: "healthy", ...change };
  return { case: "bank", value: { bank } };
}

/** A Registry that sends these events to whoever watches, and then stays silent until he leaves. */
export async function startWatchedRegistry(options: {
  readonly certificates: string;
  readonly events: readonly WatchEvent[];
  readonly port?: number;
}): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const endStreams: (() => void)[] = [];
  const refuse = async (): Promise<never> => {
    throw new Error("not asked here");
  };
  const others = Object.fromEntries(Registry.methods.map((method) => [method.localName, refuse]));
  const watch: Handlers<typeof Registry>["watchRegistry"] = async function* (_request, ctx) {
    for (const event of options.events) yield { revision: 1n, event };
    await new Promise<void>((resolve) => {
      endStreams.push(resolve);
      ctx.signal.addEventListener("abort", () => resolve(), { once: true });
    });
  };
  const server = await startRpcServer({
    service: "registry",
    // Every method is there, by its name.
    implementations: [implement(Registry, { ...others, watchRegistry: watch } as unknown as Handlers<typeof Registry>)],
    authenticators: {},
    errorTable: genericErrors,
    log: createLogger({ service: "test", level: "silent" }),
    tls: await tlsIn(options.certificates, "registry"),
    host: "127.0.0.1",
    grpcPort: options.port ?? 0,
  });
  return {
    port: server.port,
    stop: async () => {
      for (const end of endStreams.splice(0)) end();
      await server.stop();
    },
  };
}

/** The certificate of a service in a directory of an authority. */
export function tlsIn(certificates: string, service: string): Promise<MeshTls> {
  const file = (name: string) => join(certificates, name);
  return loadMeshTls({ certFile: file(`${service}.pem`), keyFile: file(`${service}.key`), caFile: file("ca.pem") });
}
