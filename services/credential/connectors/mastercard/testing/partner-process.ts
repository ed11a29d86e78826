import { z } from "zod";
import { readConfig } from "../../../../platform/config/read-config.ts";
import { openDatabase } from "../../../../platform/db/open-database.ts";
import { createLogger } from "../../../../platform/telemetry/logger.ts";
import { secretsByVersion } from "../../../../platform/testing/memory-vault-store.ts";
import { createProviderTokens } from "../../../flows/provider-tokens.ts";
import { openStorage } from "../../../storage/open-storage.ts";
import type { Tables } from "../../../storage/tables.ts";
import { ProviderError } from "../../provider-error.ts";
import { openProviderHttp } from "../../provider-http.ts";
import { mastercardModule } from "../mastercard-module.ts";
import { mastercardSettings } from "../mastercard-settings.ts";

/** What such a process is told as its one argument, in JSON. */
export interface PartnerProcessOptions {
  readonly databaseUrl: string;
  readonly masterKey: string;
  readonly settings: Readonly<Record<string, string>>;
}

const callTimeoutMs = 1_000;

/** Calls Mastercard in the partner's name each time its parent sends a message, and answers `ok` or the failure. */
async function main(): Promise<void> {
  const options = JSON.parse(process.argv[2] ?? "") as PartnerProcessOptions; // the test's own
  const log = createLogger({ service: "credential", level: "silent" });
  const db = openDatabase<Tables>({
    url: options.databaseUrl,
    schema: "credential",
    applicationName: "partner-process",
    poolSizeMax: 3,
    log,
  });
  const storage = await openStorage({ db, masterKeys: secretsByVersion({ 1: options.masterKey }), log });
  const http = openProviderHttp();
  const clock = { now: () => new Date() };
  const connector = mastercardModule.create(
    {
      http,
      banks: { find: () => undefined, list: () => [] },
      providerClients: { find: async () => undefined },
      providerTokens: createProviderTokens({ storage, log, clock, holder: String(process.pid) }),
      insecureAllowed: true,
      clock,
      log,
    },
    readConfig(z.object(mastercardSettings), options.settings),
  );
  const tell = (text: string) => process.send?.(text);
  process.on("message", () => {
    connector?.listInstitutions({ now: new Date(), timeoutMs: callTimeoutMs }).then(
      () => tell("ok"),
      (error: unknown) => tell(error instanceof ProviderError ? error.failure : "failed"),
    );
  });
  process.on("disconnect", () => {
    void Promise.all([http.close(), db.close()]);
  });
  tell("ready");
}

await main();
