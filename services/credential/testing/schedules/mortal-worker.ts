import { Kysely, PostgresDialect } from "kysely";
import type pg from "pg";
import type { HotStatement, RunHot } from "../../../platform/db/hot-statements.ts";
import type { Logger } from "../../../platform/telemetry/logger.ts";
import { ManualClock } from "../../../platform/time/manual-clock.ts";
import { createVault, sealerOf } from "../../../platform/vault/vault.ts";
import type { Dependencies } from "../../flows/dependencies.ts";
import { createRefresher, type Refresher } from "../../flows/refresh.ts";
import { createAccessReads } from "../../storage/access-reads.ts";
import { createAuditLog } from "../../storage/audit-log.ts";
import { createOpenings } from "../../storage/openings.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Tables } from "../../storage/tables.ts";
import { createMortality, type Mortality } from "./mortality.ts";
import type { RotatingProvider } from "./rotating-provider.ts";

/** One replica that can die between any two of its steps: statements sent, statements answered, calls to the provider and their answers. */
export interface MortalWorker extends Pick<Mortality, "isAlive" | "dieAfter" | "stallAfter" | "died"> {
  readonly deps: Dependencies;
  readonly refresher: Refresher;
  readonly clock: ManualClock;
}

/** What a worker is made from. */
export interface WorkerParts {
  readonly pool: pg.Pool;
  readonly provider: RotatingProvider;
  readonly log: Logger;
  /** Opened once: a worker shares its keys and nothing else. */
  readonly storage: Storage;
  readonly leaseMs: number;
  readonly providerTimeoutMs: number;
}

let workers = 0;

/** Starts a worker. A dead one's promises stay open for ever, and its database sessions are cut, as those of a killed process are. */
export function startWorker(parts: WorkerParts): MortalWorker {
  workers += 1;
  const mortality = createMortality();
  const pool = mortalPool(parts, mortality);
  const query = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  const db = {
    pool: parts.pool,
    query,
    hot: hotOver(pool),
    hotPool: parts.pool,
    isReady: async () => true,
    close: async () => {},
  };
  const clock = new ManualClock(new Date());
  const deps: Dependencies = {
    storage: storageOver(parts, db),
    connectors: new Map([["rotating", parts.provider.connector(mortality)]]),
    clock,
    log: parts.log,
    insecureAllowed: true,
    providerTimeoutMs: parts.providerTimeoutMs,
  };
  const refresher = createRefresher(deps, { holder: `worker-${workers}`, leaseMs: parts.leaseMs });
  const { isAlive, dieAfter, stallAfter, died } = mortality;
  return { deps, refresher, clock, isAlive, dieAfter, stallAfter, died };
}

function storageOver({ storage, log }: WorkerParts, db: Storage["db"]): Storage {
  const { keyring, auditKey } = storage;
  const vault = createVault({ keyring, log });
  const auditLog = createAuditLog({ db, auditKey });
  const openings = createOpenings({ db, vault, auditLog });
  return { ...storage, db, vault: sealerOf(vault), auditLog, openings, accessReads: createAccessReads(db) };
}

type Pool = Exclude<ConstructorParameters<typeof PostgresDialect>[0]["pool"], (...args: never[]) => unknown>;

/** The part of a pool that the query builder uses, each statement with a step before it is sent and one before its answer is heard. */
function mortalPool({ pool, provider }: WorkerParts, mortality: Mortality): Pool {
  const connect = async () => {
    const client = await pool.connect();
    const watch = watchSession(client, mortality, provider.violations);
    const release = mortality.opened(() => endSession(client, mortality.isAlive()));
    const query = async (text: string, values?: readonly unknown[]): Promise<unknown> => {
      await mortality.step();
      await watch.sends(text, values);
      const answer: unknown = await client.query(statementOf(text, values));
      watch.answered(text);
      await mortality.step();
      return answer;
    };
    return { query, release };
  };
  // The query builder calls these two members alone.
  return { connect, end: async () => {} } as unknown as Pool;
}

/** Hot statements, with the same steps before and after. */
function hotOver(pool: Pool): RunHot {
  return async <Row>({ text }: HotStatement, values: readonly unknown[]) => {
    const client = await pool.connect();
    try {
      return (await client.query<Row>(text, values)).rows;
    } finally {
      client.release();
    }
  };
}

/** What a session did is undone by the server when its process is gone; the connection itself serves the next worker. */
function endSession(client: pg.PoolClient, isAlive: boolean): void {
  if (isAlive) client.release();
  else {
    client.query("rollback").then(
      () => client.release(),
      () => client.release(true),
    );
  }
}

/**
 * Looks at what a session does: tells the mortality when a rotated token is safe, or should have been, and catches a refusal that is
 * believed although the answer is in the journal.
 */
function watchSession(client: pg.PoolClient, mortality: Mortality, violations: string[]) {
  let isJournaling = false;
  let refused: unknown;
  return {
    sends: async (text: string, values: readonly unknown[] = []): Promise<void> => {
      if (text.includes("insert into refresh_journal")) isJournaling = true;
      // Whoever writes tokens over the old ones has had his time to journal them; while he journals, only the commit keeps them.
      if (!isJournaling && text.includes("update connections held")) mortality.kept();
      if (text.startsWith('update "connections"') && values.includes("reauth_required")) refused = values;
      if (text !== "commit" || refused === undefined) return;
      // The row is locked by its own update: nothing comes to the journal any more.
      const kept = `select 1 from refresh_journal where connection_id::text = any($1::text[])`;
      const { rowCount } = await client.query(statementOf(kept, [refused]));
      if (rowCount !== 0) violations.push("a refusal was believed with the answer in the journal");
    },
    answered: (text: string): void => {
      if (text === "commit" && isJournaling) mortality.kept();
      if (text !== "commit" && text !== "rollback") return;
      isJournaling = false;
      refused = undefined;
    },
  };
}

const names = new Map<string, string>();

/** Named, so that the server parses and plans each text once a connection: that is most of what a schedule costs. */
function statementOf(text: string, values: readonly unknown[] = []): pg.QueryConfig {
  if (values.length === 0) return { text };
  const name = names.get(text) ?? `s${names.size}`;
  names.set(text, name);
  return { name, text, values: [...values] };
}
