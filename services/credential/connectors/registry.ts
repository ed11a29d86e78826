import type { z } from "zod";
import { basiqModule } from "./basiq/basiq-module.ts";
import { bsimModule } from "./bsim/bsim-module.ts";
import type { Connector } from "./connector.ts";
import type { ConnectorModule, ConnectorParts, ProviderLimits } from "./connector-module.ts";
import { limitProviderHttp } from "./limit-provider-http.ts";
import { mastercardModule } from "./mastercard/mastercard-module.ts";
import { plaidModule } from "./plaid/plaid-module.ts";
import type { ProviderHttp } from "./provider-http.ts";
import { trueLayerModule } from "./truelayer/truelayer-module.ts";
import { wiseModule } from "./wise/wise-module.ts";

/** Every provider this build knows: a new one is a folder and a line here. */
const modules: readonly ConnectorModule[] = [
  basiqModule,
  bsimModule,
  mastercardModule,
  plaidModule,
  trueLayerModule,
  wiseModule,
];

/** The settings of all providers, to be read with the service's own. */
export const connectorSettingsShape: z.ZodRawShape = Object.freeze(
  Object.assign({}, ...modules.map((module) => module.settings)),
);

/** The connectors that are set up here, by name, each behind the limits of its provider. */
export function createConnectors(
  parts: Omit<ConnectorParts, "http"> & { readonly http: ProviderHttp },
  settings: Readonly<Record<string, unknown>>,
): ReadonlyMap<string, Connector> {
  const connectors = new Map<string, Connector>();
  for (const module of modules) {
    const http = limitProviderHttp(parts.http, module.limits);
    const connector = module.create({ ...parts, http }, settings);
    if (connector !== undefined) connectors.set(connector.name, connector);
  }
  return connectors;
}

/** How hard a provider may be called by one process; undefined for one this build does not know. */
export function limitsOf(connectorName: string): ProviderLimits | undefined {
  return modules.find((module) => module.name === connectorName)?.limits;
}
