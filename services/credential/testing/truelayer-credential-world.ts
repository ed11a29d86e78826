import type { ReceivedWebhook } from "../../sandbox/kit/testing/webhook-receiver.ts";
import {
  environmentFor,
  must,
  startTrueLayerWorld,
  type TrueLayerWorld,
} from "../connectors/truelayer/testing/truelayer-world.ts";
import type { Connection } from "../domain/connection.ts";
import { beginConnect } from "../flows/begin-connect.ts";
import { completeConnect } from "../flows/complete-connect.ts";
import type { SyncParts } from "../flows/run-sync.ts";
import { sweepSyncs } from "../jobs/sweep-syncs.ts";
import { findConnection } from "../storage/connection-store.ts";
import { type CredentialWorld, createCredentialWorld, ownerNamed, type Replica } from "./credential-world.ts";
import { testCaller } from "./plaid-world.ts";

export const trueLayerRedirectUri = "http://127.0.0.1:9/callback";

/** The credential service beside the TrueLayer sandbox, both by one clock. */
export interface TrueLayerCredentialWorld {
  readonly trueLayer: TrueLayerWorld;
  readonly world: CredentialWorld;
  readonly replica: Replica;
  readonly parts: SyncParts & { readonly holder: string };
  /** Connects a user at a bank, without a browser. */
  connect(userId: string, providerId?: string): Promise<Connection>;
  /** The connection as it is now. */
  reread(connection: Connection): Promise<Connection>;
  /** Runs what is due. */
  sync(): Promise<number>;
  /** Lets time pass for both. */
  advance(ms: number): void;
  /** What the service stored, by SQL. */
  query(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  /** What the sandbox was asked on this route. */
  callsTo(path: string): Promise<Record<string, unknown>[]>;
  nextWebhook(type: string): Promise<ReceivedWebhook>;
  close(): Promise<void>;
}

/** Starts both. */
export async function createTrueLayerCredentialWorld(
  options: { env?: Readonly<Record<string, string>> } = {},
): Promise<TrueLayerCredentialWorld> {
  const trueLayer = await startTrueLayerWorld();
  const settings = { ...environmentFor(trueLayer.sandbox.origin), ...options.env };
  const world = await createCredentialWorld({ settings });
  // One clock: what the sandbox tells of now must not be older than what the service just stored.
  trueLayer.sandbox.clock.advance(world.clock.now().getTime() - trueLayer.sandbox.clock.now().getTime());
  // As in production: on a busy machine the first answers take their time.
  const replica = await world.startReplica({ providerTimeoutMs: 8_000 });
  const { deps, refresher } = replica;
  const parts = { deps, refresher, retentionDays: 730, holder: "replica-of-the-test" };
  return {
    trueLayer,
    world,
    replica,
    parts,
    connect: async (userId, providerId) => {
      const owner = ownerNamed(userId);
      const command = { owner, connector: "truelayer", institutionId: "", redirectUri: trueLayerRedirectUri };
      const begun = await beginConnect(deps, command, testCaller());
      const query = await trueLayer.visit(must(begun.authUrl), providerId === undefined ? {} : { providerId });
      const attempt = { state: query.get("state") ?? "" };
      const answer = { attempt, code: query.get("code") ?? "", iss: "", error: "" };
      return (await completeConnect(deps, { owner, ...answer }, testCaller())).connection;
    },
    reread: async (connection) => must(await findConnection(deps.storage.db.query, connection)),
    sync: () => sweepSyncs(parts, new AbortController().signal),
    advance: (ms) => {
      world.clock.advance(ms);
      trueLayer.sandbox.clock.advance(ms);
    },
    query: async (text, values = []) => (await deps.storage.db.pool.query(text, values)).rows,
    callsTo: async (path) => {
      const { body } = await trueLayer.sandbox.control("GET", `/calls?path=${encodeURIComponent(path)}`);
      return body["calls"] as Record<string, unknown>[]; // as the control API answers
    },
    nextWebhook: (type) => trueLayer.receiver.next((webhook) => webhook.body["type"] === type),
    close: async () => {
      await world.close();
      await trueLayer.stop();
    },
  };
}
