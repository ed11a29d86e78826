import { Kysely, PostgresDialect } from "kysely";
import type pg from "pg";
import type { Logger } from "../../../platform/telemetry/logger.ts";
import { ManualClock } from "../../../platform/time/manual-clock.ts";
import { createVault, sealerOf } from "../../../platform/vault/vault.ts";
import type { Dependencies } from "../../flows/dependencies.ts";
import { createRefresher, type Refresher } from "../../flows/refresh.ts";
import { createOpenings } from "../../storage/openings.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Tables } from "../../storage/tables.ts";
import type { RotatingProvider } from "./rotating-provider.ts";

/** One replica that can die between any two of its steps. */
export interface MortalWorker {
  readonly deps: Dependencies;
  readonly refresher: Refresher;
  readonly clock: ManualClock;
  isAlive(): boolean;
  /** Dies after so many more steps: statements sent, statements answered, calls to the provider. */
  dieAfter(steps: number): void;
  /** Stands still before its next step, as a process does that the machine has forgotten. */
  stallNext(ms: number): void;
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
  const pool = mortalPool(parts.pool, mortality);
  const query = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  const db = { pool: parts.pool, query, isReady: async () => true, close: async () => {} };
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
  const { isAlive, dieAfter, stallNext } = mortality;
  return { deps, refresher, clock, isAlive, dieAfter, stallNext };
}

function storageOver({ storage, log }: WorkerParts, db: Storage["db"]): Storage {
  const { keyring, auditKey } = storage;
  const vault = createVault({ keyring, log });
  return { ...storage, db, vault: sealerOf(vault), openings: createOpenings({ db, vault, auditKey }) };
}

interface Mortality {
  isAlive(): boolean;
  dieAfter(steps: number): void;
  stallNext(ms: number): void;
  /** Before anything that others can see. Never resolves in a dead worker. */
  step(): Promise<void>;
  /** He holds a token that is nowhere else: no engine survives a death now, so it waits until the journal has it. */
  rotated(): void;
  journaled(): void;
}

function createMortality(): Mortality {
  let stepsLeft = Number.POSITIVE_INFINITY;
  let stallMs = 0;
  let unjournaled = 0;
  return {
    isAlive: () => stepsLeft > 0 || unjournaled > 0,
    dieAfter: (steps) => {
      stepsLeft = Math.min(stepsLeft, steps);
    },
    stallNext: (ms) => {
      stallMs = ms;
    },
    step: async () => {
      stepsLeft -= 1;
      if (stepsLeft <= 0 && unjournaled === 0) return await new Promise<never>(() => {});
      const waitMs = stallMs;
      stallMs = 0;
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    },
    rotated: () => {
      unjournaled += 1;
    },
    journaled: () => {
      unjournaled = 0;
    },
  };
}

type Pool = ConstructorParameters<typeof PostgresDialect>[0]["pool"];

/** The part of a pool that the query builder uses, each statement with a step before it is sent and one before its answer is heard. */
function mortalPool(pool: pg.Pool, mortality: Mortality): Exclude<Pool, (...args: never[]) => unknown> {
  const connect = async () => {
    const client = await pool.connect();
    let isReleased = false;
    let writesJournal = false;
    const release = (): void => {
      if (!isReleased) client.release(!mortality.isAlive());
      isReleased = true;
    };
    const query = async (text: unknown, values?: readonly unknown[]): Promise<unknown> => {
      await stepOrCut(mortality, release);
      // Passed on as the query builder gives it.
      const answer: unknown = await client.query(text as string, values as unknown[] | undefined);
      if (String(text).includes("insert into refresh_journal")) writesJournal = true;
      else if (writesJournal && text === "commit") mortality.journaled();
      await stepOrCut(mortality, release);
      return answer;
    };
    return { query, release };
  };
  // The query builder calls these two members alone.
  return { connect, end: async () => {} } as unknown as Exclude<Pool, (...args: never[]) => unknown>;
}

async function stepOrCut(mortality: Mortality, cut: () => void): Promise<void> {
  const step = mortality.step();
  if (!mortality.isAlive()) cut();
  await step;
}
