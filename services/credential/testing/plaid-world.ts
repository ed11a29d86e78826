import { FormBrowser } from "../../platform/testing/form-browser.ts";
import { type RunningPlaid, startPlaid } from "../../sandbox/plaid/testing/start-plaid.ts";
import type { Connection } from "../domain/connection.ts";
import { beginConnect } from "../flows/begin-connect.ts";
import { completeConnect } from "../flows/complete-connect.ts";
import type { Caller } from "../flows/dependencies.ts";
import type { SyncParts } from "../flows/run-sync.ts";
import { sweepSyncs } from "../jobs/sweep-syncs.ts";
import { type CredentialWorld, createCredentialWorld, ownerNamed, type Replica } from "./credential-world.ts";

export const plaidRedirectUri = "http://127.0.0.1:65000/api/connectors/plaid/callback";

/** The credential service beside the Plaid sandbox. */
export interface PlaidWorld {
  readonly plaid: RunningPlaid;
  readonly world: CredentialWorld;
  readonly replica: Replica;
  readonly parts: SyncParts & { readonly holder: string };
  /** Connects a user by Plaid's hosted page, at First Platypus Bank unless told. */
  connect(userId: string, bank?: string): Promise<Connection>;
  /** Runs what is due. */
  sync(): Promise<number>;
  close(): Promise<void>;
}

/** Who calls in tests. */
export function testCaller(): Caller {
  const actor = { name: "user:test", clientAddress: "127.0.0.1", userAgent: "" };
  return { actor, signal: new AbortController().signal, timeoutMs: () => 10_000 };
}

/** Starts both. Webhooks go to `webhookUrl`, or else where the sandbox's own receiver keeps them. */
export async function createPlaidWorld(options: { webhookUrl?: string } = {}): Promise<PlaidWorld> {
  const plaid = await startPlaid();
  const { webhookUrl } = options;
  const settings = {
    ...plaidSettingsFor(plaid),
    ...(webhookUrl === undefined ? {} : { PLAID_WEBHOOK_URL: webhookUrl }),
  };
  const world = await createCredentialWorld({ settings });
  const replica = await world.startReplica();
  const { deps, refresher } = replica;
  const parts = { deps, refresher, retentionDays: 730, holder: "replica-of-the-test" };
  return {
    plaid,
    world,
    replica,
    parts,
    connect: async (userId, bank) => {
      const owner = ownerNamed(userId);
      const command = { owner, connector: "plaid", institutionId: "", redirectUri: plaidRedirectUri };
      const begun = await beginConnect(deps, command, testCaller());
      const query = await visitPlaid(begun.authUrl ?? "", bank);
      const attempt = { state: query.get("state") ?? "" };
      const answer = { attempt, code: query.get("public_token") ?? "", iss: "", error: "" };
      return (await completeConnect(deps, { owner, ...answer }, testCaller())).connection;
    },
    sync: () => sweepSyncs(parts, new AbortController().signal),
    close: async () => {
      await world.close();
      await plaid.stop();
    },
  };
}

/** The settings that point the connector at a sandbox. */
export function plaidSettingsFor(plaid: RunningPlaid): Record<string, string> {
  return {
    PLAID_CLIENT_ID: "client-of-the-test",
    PLAID_SECRET: "secret-of-the-test",
    PLAID_BASE_URL: plaid.origin,
    PLAID_WEBHOOK_URL: plaid.receiver.url,
  };
}

/** Walks a person through Plaid's hosted page; the query he comes back with. `bank` is null where it is settled. */
export async function visitPlaid(
  authUrl: string,
  bank: string | null = "First Platypus Bank",
): Promise<URLSearchParams> {
  const browser = new FormBrowser();
  let page = await browser.open(authUrl);
  if (bank !== null) page = await browser.press(page, bank);
  page = await browser.press(page, "Sign in", { "User name": "user_good", Password: "pass_good" });
  const isBack = (location: string) => location.startsWith(new URL(plaidRedirectUri).origin);
  const end = await browser.press(page, "Allow", {}, isBack);
  return new URL(end.url).searchParams;
}

/** Waits until Plaid has an item's whole history. */
export async function untilHistory(plaid: RunningPlaid, itemId: string): Promise<void> {
  for (let attempt = 0; attempt < 800; attempt += 1) {
    const { body } = await plaid.control("GET", `/items/${itemId}`);
    if (body["updateStatus"] === "HISTORICAL_UPDATE_COMPLETE") return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error("the history did not come");
}
