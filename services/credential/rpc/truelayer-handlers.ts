import type { Credential } from "../../../gen/es/paymesh/credential/v1/credential_pb.js";
import type { Handlers } from "../../platform/rpc/service-implementation.ts";
import { readStatistics } from "../storage/statistics-store.ts";
import { type ConnectorHandlerParts, link } from "./connector-handlers.ts";
import { statisticsAgeMsMax, statisticsMessage } from "./connector-messages.ts";
import { startRun } from "./provider-data-handlers.ts";

const connector = "truelayer";

/** What clients of TrueLayer's own paths ask for; the same as for every connector. */
export function trueLayerHandlers(
  parts: ConnectorHandlerParts,
): Pick<
  Handlers<typeof Credential>,
  "connectTrueLayer" | "getTrueLayerLink" | "refreshTrueLayerConnection" | "getTrueLayerStatistics"
> {
  const { deps } = parts;
  return {
    connectTrueLayer: (request, ctx) => link(parts, { ...request, connector }, ctx),
    getTrueLayerLink: (_request, ctx) =>
      link(parts, { connector, institutionId: "", returnUrl: "", connectionId: "" }, ctx),
    refreshTrueLayerConnection: ({ connectionId }, ctx) =>
      startRun(deps, { request: { connector, connectionId }, kind: "tokens", ctx }),
    getTrueLayerStatistics: async () => {
      const query = { now: deps.clock.now(), maxAgeMs: statisticsAgeMsMax, connector };
      return statisticsMessage(await readStatistics(deps.storage.db.query, query));
    },
  };
}
