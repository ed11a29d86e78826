import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { Agent, request } from "undici";
import { Credential } from "../../../gen/es/paymesh/credential/v1/credential_pb.js";
import { createRpcClient } from "../../platform/rpc/client.ts";
import { createLogger } from "../../platform/telemetry/logger.ts";
import { secretsByVersion } from "../../platform/testing/memory-vault-store.ts";
import { createTestDatabase } from "../../platform/testing/postgres.ts";
import { ensureAuthority } from "../../platform/tls/authority.ts";
import type { ReceivedWebhook } from "../../sandbox/kit/testing/webhook-receiver.ts";
import {
  environmentFor,
  startTrueLayerWorld,
  type TrueLayerWorld,
} from "../connectors/truelayer/testing/truelayer-world.ts";
import { type AuditProblem, verifyAudit } from "../storage/audit-verify.ts";
import { openStorage } from "../storage/open-storage.ts";
import type { Tables } from "../storage/tables.ts";
import { type CredentialClient, redirectUri } from "./credential-world.ts";
import {
  processEncryptionKey,
  processOperatorKey,
  type ServiceProcess,
  startServiceProcess,
} from "./service-process.ts";
import { type Hold, type StatementProxy, startStatementProxy } from "./statement-proxy.ts";
import { startTestBank, type TestBank } from "./test-bank.ts";
import { bankEvent, snapshotComplete, startWatchedRegistry, tlsIn } from "./watched-registry.ts";

const waitMs = 40_000;
const lookEveryMs = 50;

/**
 * What a dead process holds ends as time passes; it passes here at once. Everything else of a row stays as the process left it.
 */
const timePasses = `
  update connections set refresh_lease_until = clock_timestamp() - interval '1 second' where refresh_holder is not null;
  update connect_attempts set exchanging_since = exchanging_since - interval '2 minutes' where status = 'exchanging';
  update erasures set due_at = clock_timestamp() where state = 'running';
  update revocations set due_at = clock_timestamp();
  update sync_runs set lease_until = clock_timestamp() - interval '1 second' where state = 'running';
  update webhook_events set lease_until = clock_timestamp() - interval '1 second' where state = 'processing';`;

/** The service as a process that is killed, with all it talks to: a database, a Registry, a bank and a data provider. */
export interface KilledWorld {
  readonly bank: TestBank;
  readonly trueLayer: TrueLayerWorld;
  /** The process that runs now, as the wallet reaches it. */
  wallet(): CredentialClient;
  /** Asks it for something it is stopped at a statement of, where it stays; whoever asked waits. */
  stopAt(hold: Hold, ask: () => Promise<unknown>): Promise<void>;
  /** Asks it for something that it answers, and is stopped at a statement of the work that follows. */
  stopAfter(hold: Hold, ask: () => Promise<unknown>): Promise<void>;
  /** Kills it where it is, and starts another one once the leases of the dead one have ended. Its callers hear of no success. */
  kill(): Promise<void>;
  /** Brings a webhook as the gateway does; the status it is answered with. */
  deliver(webhook: ReceivedWebhook): Promise<number>;
  /** What is stored, by SQL with every right. */
  query(text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  /** Waits until a query finds nothing. */
  untilNone(text: string, values?: readonly unknown[]): Promise<void>;
  verifyAudit(): Promise<readonly AuditProblem[]>;
  close(): Promise<void>;
}

/** Starts it all. */
export async function createKilledWorld(): Promise<KilledWorld> {
  const directory = new URL("../storage/migrations/", import.meta.url);
  const database = await createTestDatabase({ schema: "credential", directory });
  const certificates = await mkdtemp(join(tmpdir(), "paymesh-credential-killed-"));
  await ensureAuthority({ directory: certificates, services: ["credential", "gateway", "registry", "wallet"] });
  const bank = await startTestBank("north-bank", redirectUri);
  const trueLayer = await startTrueLayerWorld();
  trueLayer.sandbox.clock.advance(Date.now() - trueLayer.sandbox.clock.now().getTime());
  const { issuer, apiUrl, openBankingUrl } = bank.bank;
  const known = { authServerUrl: issuer, apiBaseUrl: apiUrl, openBankingUrl, walletEnrollmentSupported: true };
  const events = [bankEvent("north-bank", known), snapshotComplete];
  const registry = await startWatchedRegistry({ certificates, events });
  const proxy = await startStatementProxy(database.url);
  const admin = new pg.Client({ connectionString: database.adminUrl });
  await admin.connect();
  await admin.query("set search_path to credential");
  const storage = await openStorage({
    db: database.open<Tables>(),
    masterKeys: secretsByVersion({ 1: processEncryptionKey }),
    log: createLogger({ service: "test", level: "silent" }),
  });
  const env = { ...environmentFor(trueLayer.sandbox.origin), REGISTRY_ADDRESS: `127.0.0.1:${registry.port}` };
  const start = () => startLife({ proxy, certificates, env });
  let life = await start();
  await life.gateway.putProviderClient({ id: bank.bank.bankId, ...bank.client }, asProcessOperator);
  const query: KilledWorld["query"] = async (text, values = []) => (await admin.query(text, [...values])).rows;
  return {
    bank,
    trueLayer,
    wallet: () => life.wallet,
    stopAt: (hold, ask) => life.stopAt(hold, ask),
    stopAfter: (hold, ask) => life.stopAfter(hold, ask),
    kill: async () => {
      await life.kill();
      await admin.query(timePasses);
      life = await start();
    },
    deliver: (webhook) => life.deliver(webhook),
    query,
    untilNone: async (text, values) => {
      for (const until = Date.now() + waitMs; (await query(text, values)).length > 0; await pause(lookEveryMs)) {
        if (Date.now() > until) throw new Error(`still there: ${JSON.stringify(await query(text, values))}`);
      }
    },
    verifyAudit: async () => (await verifyAudit(storage)).problems,
    close: async () => {
      await life.end();
      await admin.end();
      await proxy.close();
      await registry.stop();
      await trueLayer.stop();
      await bank.stop();
      await database.drop();
      await rm(certificates, { recursive: true });
    },
  };
}

const asProcessOperator = { headers: { "x-admin-key": processOperatorKey } };

/** One process of the service, from its start to its death. */
interface Life {
  readonly process: ServiceProcess;
  readonly wallet: CredentialClient;
  readonly gateway: CredentialClient;
  stopAt: KilledWorld["stopAt"];
  stopAfter: KilledWorld["stopAfter"];
  deliver: KilledWorld["deliver"];
  kill(): Promise<void>;
  end(): Promise<void>;
}

async function startLife(parts: {
  readonly proxy: StatementProxy;
  readonly certificates: string;
  readonly env: Readonly<Record<string, string>>;
}): Promise<Life> {
  const { proxy, certificates, env } = parts;
  const process = await startServiceProcess({ databaseUrl: proxy.url, certificates, env });
  await process.ready();
  const client = async (service: string) =>
    createRpcClient(Credential, {
      address: `127.0.0.1:${process.grpcPort}`,
      serverName: "credential",
      tls: await tlsIn(certificates, service),
    });
  const [wallet, gateway] = [await client("wallet"), await client("gateway")];
  const { cert, key, ca } = await tlsIn(certificates, "gateway");
  const http = new Agent({ connect: { cert, key, ca, servername: "credential" } });
  const unanswered: Promise<unknown>[] = [];
  const end = async () => {
    process.signal("SIGKILL");
    await process.exited;
    wallet.close();
    gateway.close();
    await http.destroy();
  };
  return {
    process,
    wallet,
    gateway,
    stopAt: async (hold, ask) => {
      const reached = proxy.hold(hold);
      const answer = ask().then(
        () => "answered",
        () => "not answered",
      );
      unanswered.push(answer);
      await beforeLong(hold, Promise.race([reached, answer]));
    },
    stopAfter: async (hold, ask) => {
      const reached = proxy.hold(hold);
      await ask();
      await beforeLong(hold, reached);
    },
    deliver: async ({ path, raw, headers }) => {
      const { host: _host, connection: _connection, ...rest } = headers;
      const url = `https://127.0.0.1:${process.httpPort}${path}`;
      const answer = await request(url, { method: "POST", body: raw, headers: rest, dispatcher: http });
      await answer.body.dump();
      return answer.statusCode;
    },
    kill: async () => {
      await end();
      for (const answer of await Promise.all(unanswered)) {
        if (answer !== "not answered") throw new Error(`a caller of the killed process was told: ${String(answer)}`);
      }
    },
    end,
  };
}

/** Resolves with a stop that is reached; rejects when something else came first, or nothing for long. */
async function beforeLong(hold: Hold, reached: Promise<unknown>): Promise<void> {
  const first = await Promise.race([reached, pause(waitMs, "not there in time", { ref: false })]);
  if (first !== undefined) throw new Error(`not stopped at ${hold.at} of ${hold.statement}: ${String(first)}`);
}
