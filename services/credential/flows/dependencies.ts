import { DomainError } from "../../platform/errors/domain-error.ts";
import type { Logger } from "../../platform/telemetry/logger.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { Connector, ProviderCall } from "../connectors/connector.ts";
import type { Actor } from "../domain/audit.ts";
import type { Storage } from "../storage/storage.ts";

/** What the flows work with. */
export interface Dependencies {
  readonly storage: Storage;
  readonly connectors: ReadonlyMap<string, Connector>;
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

/** The connector a caller names. Throws `CONNECTOR_NOT_FOUND` for one that is not set up here. */
export function connectorNamed(deps: Dependencies, name: string): Connector {
  const connector = deps.connectors.get(name);
  if (connector === undefined) throw new DomainError("CONNECTOR_NOT_FOUND");
  return connector;
}

/** The connector of what is stored. Throws `PROVIDER_NOT_CONFIGURED` when its settings are gone by now. */
export function connectorOf(deps: Dependencies, stored: { readonly connector: string }): Connector {
  const connector = deps.connectors.get(stored.connector);
  if (connector === undefined) throw new DomainError("PROVIDER_NOT_CONFIGURED");
  return connector;
}

/** The connectors at whose provider a consent leaves a user behind even when it comes to nothing. */
export function connectorsWithUsers(deps: Pick<Dependencies, "connectors">): string[] {
  return [...deps.connectors.values()].filter(({ users }) => users !== undefined).map(({ name }) => name);
}

/** Whether a connection of this connector is expected to hold a wallet credential. */
export function knowsCards(deps: Dependencies, stored: { readonly connector: string }): boolean {
  return deps.connectors.get(stored.connector)?.cards !== undefined;
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
