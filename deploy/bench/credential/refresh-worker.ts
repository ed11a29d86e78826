import { setTimeout as pause } from "node:timers/promises";
import { z } from "zod";
import type { Connector } from "../../../services/credential/connectors/connector.ts";
import {
  openProviderHttp,
  type ProviderHttp,
  parseAnswer,
} from "../../../services/credential/connectors/provider-http.ts";
import type { Dependencies } from "../../../services/credential/flows/dependencies.ts";
import { createRefresher } from "../../../services/credential/flows/refresh.ts";
import { sweepRefreshes } from "../../../services/credential/jobs/sweep-refreshes.ts";
import { openStorage } from "../../../services/credential/storage/open-storage.ts";
import type { Tables } from "../../../services/credential/storage/tables.ts";
import { refreshOnlyConnector } from "../../../services/credential/testing/refresh-only-connector.ts";
import { openDatabase } from "../../../services/platform/db/open-database.ts";
import { every } from "../../../services/platform/jobs/every.ts";
import { createLogger } from "../../../services/platform/telemetry/logger.ts";
import { secretsByVersion } from "../../../services/platform/testing/memory-vault-store.ts";
import { benchConnector, benchSchema } from "./bench-names.ts";

// One replica of the refresh engine in a process of its own. Told to `sweep`, it sweeps once and says how much it did; told to `run`,
// it sweeps as the service does, for that long.

const order = z.discriminatedUnion("do", [
  z.object({ do: z.literal("sweep") }),
  z.object({ do: z.literal("run"), ms: z.number() }),
]);
const tokens = z.object({ access_token: z.string(), refresh_token: z.string(), expires_in: z.number() });
const { DATABASE_URL = "", PROVIDER_URL = "", CREDENTIAL_ENCRYPTION_KEY = "" } = process.env;

const log = createLogger({ service: "credential", level: "warn", destination: process.stderr });
const http = openProviderHttp();
const clock = { now: () => new Date() };
const db = openDatabase<Tables>({
  url: DATABASE_URL,
  schema: benchSchema,
  applicationName: "bench-refresh",
  statementTimeoutMs: 60_000,
  log,
});
const deps: Dependencies = {
  storage: await openStorage({ db, masterKeys: secretsByVersion({ 1: CREDENTIAL_ENCRYPTION_KEY }), log }),
  connectors: new Map([[benchConnector, connectorOver(http)]]),
  clock,
  log,
  insecureAllowed: true,
  providerTimeoutMs: 8_000,
};
const refresher = createRefresher(deps, { holder: `bench-${process.pid}` });
const never = new AbortController().signal;

process.on("message", (message) => void carryOut(message));
process.on("disconnect", () => process.exit(0));
process.send?.({ ready: true });

async function carryOut(message: unknown): Promise<void> {
  const given = order.parse(message);
  const startedMs = performance.now();
  let count = 0;
  const work = async (signal: AbortSignal) => {
    count += await sweepRefreshes({ deps, refresher }, signal);
  };
  if (given.do === "sweep") {
    await work(never);
  } else {
    const sweeps = every({ label: "refreshes", intervalMs: 3_000, log, work });
    await pause(given.ms);
    await sweeps.stop();
  }
  process.send?.({ count, seconds: (performance.now() - startedMs) / 1000 });
}

/** A provider of the plainest kind, called as every connector calls. */
function connectorOver(client: ProviderHttp): Connector {
  return refreshOnlyConnector({
    name: benchConnector,
    displayName: "Bench",
    refresh: async ({ refreshToken }, call) => {
      const body = new URLSearchParams({ grant_type: "refresh_token", refresh_token: refreshToken }).toString();
      const headers = { "content-type": "application/x-www-form-urlencoded" };
      const answer = parseAnswer(await client.send({ url: PROVIDER_URL, method: "POST", headers, body }, call), tokens);
      return {
        accessToken: answer.access_token,
        refreshToken: answer.refresh_token,
        accessTokenExpiresAt: new Date(call.now.getTime() + answer.expires_in * 1000),
      };
    },
  });
}
