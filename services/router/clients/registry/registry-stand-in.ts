import type { MessageInitShape } from "@bufbuild/protobuf";
import { Registry, type WatchRegistryResponseSchema } from "../../../../gen/es/paymesh/registry/v1/registry_pb.js";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import { genericErrors } from "../../../platform/errors/error-table.ts";
import { startRpcServer } from "../../../platform/rpc/grpc-server.ts";
import { type Handlers, implement } from "../../../platform/rpc/service-implementation.ts";
import { createLogger } from "../../../platform/telemetry/logger.ts";
import type { MeshTls } from "../../../platform/tls/load-mesh-tls.ts";

type Event = MessageInitShape<typeof WatchRegistryResponseSchema>["event"];

/** A bank row as a test gives it. */
export interface StandInBank {
  readonly bsimId: string;
  readonly apiBaseUrl: string;
  readonly status?: string;
  readonly health?: string;
  readonly capabilities?: readonly string[];
}

/**
 * The watch of a Registry over real gRPC, for tests of those who follow it: a test says which rows there are, and each
 * follower is told as the contract says. Every other method refuses.
 */
export class RegistryStandIn {
  readonly #banks = new Map<string, StandInBank>();
  readonly #merchants = new Map<string, readonly Buffer[]>();
  readonly #followers = new Set<(event: Event) => void>();
  #server: Awaited<ReturnType<typeof startRpcServer>> | undefined;
  #revision = 0n;

  putBank(bank: StandInBank): void {
    this.#banks.set(bank.bsimId, bank);
    this.#tell(bankEvent(bank));
  }

  /** Takes a bank out without a word: a follower learns of it by its next snapshot. */
  dropBank(bsimId: string): void {
    this.#banks.delete(bsimId);
  }

  /** `hashes` are `HMAC-SHA256(API_KEY_PEPPER, key)`. */
  putMerchant(merchantId: string, hashes: readonly Buffer[]): void {
    this.#merchants.set(merchantId, hashes);
    this.#tell(merchantEvent(merchantId, hashes));
  }

  get followers(): number {
    return this.#followers.size;
  }

  /** Starts on a free port, or on the one given, with mutual TLS where certificates are given; gives the port. */
  async start(port = 0, tls?: MeshTls): Promise<number> {
    const refuse = async (): Promise<never> => {
      throw new DomainError("NOT_FOUND");
    };
    const handlers = Object.fromEntries(Registry.methods.map((method) => [method.localName, refuse]));
    const watch = { watchRegistry: (_request: unknown, ctx: { signal: AbortSignal }) => this.#watch(ctx.signal) };
    this.#server = await startRpcServer({
      service: "registry",
      // One handler for each method of the descriptor, made from it.
      implementations: [implement(Registry, { ...handlers, ...watch } as unknown as Handlers<typeof Registry>)],
      // Without certificates nobody can be a service; the tests' plain port believes whoever comes.
      authenticators: {},
      errorTable: genericErrors,
      log: createLogger({ service: "registry", level: "silent" }),
      host: "127.0.0.1",
      grpcPort: port,
      ...(tls === undefined ? {} : { tls }),
    });
    return this.#server.port;
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
  }

  /** The events of one follower, as the watch gives them. */
  async *#watch(signal: AbortSignal): AsyncGenerator<{ revision: bigint; event: Event }> {
    const queue: Event[] = [...this.#banks.values()].map(bankEvent);
    for (const [merchantId, hashes] of this.#merchants) queue.push(merchantEvent(merchantId, hashes));
    queue.push({ case: "snapshotComplete", value: {} });
    let wake = Promise.withResolvers<void>();
    const follower = (event: Event): void => {
      queue.push(event);
      wake.resolve();
    };
    this.#followers.add(follower);
    signal.addEventListener("abort", () => wake.resolve(), { once: true });
    try {
      while (!signal.aborted) {
        for (const event of queue.splice(0)) yield { revision: this.#revision, event };
        if (queue.length === 0) await wake.promise;
        wake = Promise.withResolvers<void>();
        if (signal.aborted) return;
      }
    } finally {
      this.#followers.delete(follower);
    }
  }

  /** The watch without a connection, for a follower in the same process. */
  watchRegistry(_request: unknown, options: { readonly signal?: AbortSignal } = {}) {
    return this.#watch(options.signal ?? new AbortController().signal);
  }

  #tell(event: Event): void {
    this.#revision += 1n;
    for (const follower of this.#followers) follower(event);
  }
}

function bankEvent(bank: StandInBank): Event {
  return {
    case: "bank",
    value: {
      bank: {
        name: bank.bsimId,
        authServerUrl: `${bank.apiBaseUrl}/oidc`,
        status: "active",
        health: "healthy",
        ...bank,
        capabilities: [...(bank.capabilities ?? ["idempotency", "void_by_key"])],
      },
      apiKey: `key-of-${bank.bsimId}`,
    },
  };
}

function merchantEvent(merchantId: string, hashes: readonly Buffer[]): Event {
  const keys = hashes.map((hash, index) => ({ keyId: `${merchantId}-${index}`, hash }));
  return { case: "merchant", value: { merchantId, name: merchantId, status: "active", keys } };
}
