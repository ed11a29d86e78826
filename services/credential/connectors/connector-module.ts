import type { z } from "zod";
import type { Logger } from "../../platform/telemetry/logger.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { BankDirectory } from "../domain/bank.ts";
import type { Connector } from "./connector.ts";
import type { ProviderHttp } from "./provider-http.ts";
import type { ProviderTokens } from "./provider-tokens.ts";

/** The OAuth clients this installation is at the banks. */
export interface ProviderClients {
  /** Undefined when none is stored. */
  find(institutionId: string): Promise<{ readonly clientId: string; readonly clientSecret: string } | undefined>;
}

/** What a connector is made from. */
export interface ConnectorParts {
  /** Bounded by the module's limits. */
  readonly http: ProviderHttp;
  /** Tokens of the installation, for connectors of the kinds `partner` and `app`. */
  readonly providerTokens?: ProviderTokens;
  /** The banks of the Registry, for connectors that reach them. */
  readonly banks: BankDirectory;
  readonly providerClients: ProviderClients;
  /** Admits http addresses; for the local world alone. */
  readonly insecureAllowed: boolean;
  readonly clock: Clock;
  readonly log: Logger;
}

/** How hard a provider may be called by one process. */
export interface ProviderLimits {
  readonly concurrencyMax: number;
  /** Sustained; a second's worth may come at once. */
  readonly requestsPerSecondMax: number;
}

/** A provider: its settings and how its connector is made from them. */
export interface ConnectorModule {
  readonly name: string;
  readonly settings: z.ZodRawShape;
  readonly limits: ProviderLimits;
  create(parts: ConnectorParts, settings: Readonly<Record<string, unknown>>): Connector | undefined;
}

/**
 * Describes a provider. `settings` are read with all others at the start, empty values counting as unset; `create` answers undefined
 * when they say that the provider is not set up here, and throws a `ConfigError` when they are half there.
 */
export function connectorModule<S extends z.ZodRawShape>(module: {
  readonly name: string;
  readonly settings: S;
  readonly limits: ProviderLimits;
  create(parts: ConnectorParts, settings: Readonly<z.infer<z.ZodObject<S>>>): Connector | undefined;
}): ConnectorModule {
  return {
    ...module,
    // The values were parsed by this very shape, as part of the service's settings.
    create: (parts, settings) => module.create(parts, settings as Readonly<z.infer<z.ZodObject<S>>>),
  };
}
