import { DomainError } from "../../platform/errors/domain-error.ts";
import type { Logger } from "../../platform/telemetry/logger.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { Connector, ProviderCall, ProviderTarget } from "../connectors/connector.ts";
import type { Actor } from "../domain/audit.ts";
import type { Bank } from "../domain/bank.ts";
import type { Connection } from "../domain/connection.ts";
import { openProviderClient } from "../storage/provider-client-store.ts";
import type { Storage } from "../storage/storage.ts";

/** The banks that take part, from memory. */
export interface BankDirectory {
  /** Undefined for a bank nobody registered. Throws `PROVIDER_UNAVAILABLE` before the first snapshot has arrived. */
  find(bankId: string): Bank | undefined;
}

/** What the flows work with. */
export interface Dependencies {
  readonly storage: Storage;
  readonly connectors: ReadonlyMap<string, Connector>;
  readonly banks: BankDirectory;
  readonly clock: Clock;
  readonly log: Logger;
  /** Admits http addresses; for the local world alone. */
  readonly insecureAllowed: boolean;
  /** The longest one request to a bank may take. */
  readonly providerTimeoutMs: number;
}

/** Who calls, and how long he waits. */
export interface Caller {
  readonly actor: Actor;
  readonly signal: AbortSignal;
  /** Milliseconds until his deadline. */
  timeoutMs(): number;
}

/** The connector of this name. Throws `INVALID_ARGUMENT`. */
export function connectorNamed(deps: Dependencies, name: string): Connector {
  const connector = deps.connectors.get(name);
  if (connector === undefined) throw new DomainError("INVALID_ARGUMENT", { why: "Unknown connector" });
  return connector;
}

/** The bank of a connection and who we are there. Throws `PROVIDER_NOT_CONFIGURED` when either is unknown. */
export async function targetOf(
  deps: Dependencies,
  connection: Pick<Connection, "institutionId">,
): Promise<ProviderTarget> {
  const bank = deps.banks.find(connection.institutionId);
  if (bank === undefined) throw new DomainError("PROVIDER_NOT_CONFIGURED");
  const client = await openProviderClient(deps.storage, connection.institutionId);
  if (client === undefined) throw new DomainError("PROVIDER_NOT_CONFIGURED");
  return { bank, client };
}

/** Limits of a request that ends when its caller goes away. */
export function callFor(deps: Dependencies, caller: Caller): ProviderCall {
  const timeoutMs = Math.min(deps.providerTimeoutMs, caller.timeoutMs());
  return { now: deps.clock.now(), timeoutMs, signal: caller.signal };
}

/** Limits of a request that must be heard to its end once it is sent: the bank acts on it whether we listen or not. */
export function detachedCall(deps: Dependencies): ProviderCall {
  return { now: deps.clock.now(), timeoutMs: deps.providerTimeoutMs };
}
