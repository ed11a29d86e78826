import { connectorModule } from "../connector-module.ts";
import { createBsimConnector } from "./bsim-connector.ts";

/** Banks of the ecosystem. Which there are says the Registry, and who we are there an operator, so it needs no settings. */
export const bsimModule = connectorModule({
  name: "bsim",
  settings: {},
  // Shared by all banks; connections are bounded per bank besides.
  limits: { concurrencyMax: 1_024, requestsPerSecondMax: 10_000 },
  create: (parts) => createBsimConnector(parts),
});
