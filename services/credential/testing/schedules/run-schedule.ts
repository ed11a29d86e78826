import { setTimeout as pause } from "node:timers/promises";
import { inTransaction } from "../../../platform/db/transaction.ts";
import { jobActor } from "../../domain/audit.ts";
import type { Connection, ConnectionKey } from "../../domain/connection.ts";
import { sweepRefreshes } from "../../jobs/sweep-refreshes.ts";
import { appendAudit } from "../../storage/audit-store.ts";
import { findConnection } from "../../storage/connection-store.ts";
import { insertConsent } from "../../storage/consent-store.ts";
import { openSecret, storeSecrets } from "../../storage/secret-store.ts";
import { type MortalWorker, startWorker, type WorkerParts } from "./mortal-worker.ts";
import {
  createRotatingProvider,
  type ProviderKind,
  type ProviderMood,
  type RotatingProvider,
} from "./rotating-provider.ts";

const workersCount = 3;
const leaseMs = 600;
/** As in production: whoever has to bring everything in order is not to fail for a busy machine's sake. */
const settlingLeaseMs = 20_000;
const providerTimeoutMs = 40;
const lateMs = 800;
const latencyMsMax = 20;
const flightMsMax = 400;
const hourMs = 3_600_000;
/** About what a sweep takes from its first statement to the last of a landing. */
const stepsOfASweep = 90;
const endMsMax = 30_000;
const settlingMs = 20;
const settlingsMax = 100;
const kinds: readonly ProviderKind[] = ["strict", "patient", "watchful"];
const actor = jobActor("schedule");
const never = new AbortController().signal;

/** Where schedules are run, one after the other. */
export type ScheduleLane = Omit<WorkerParts, "provider" | "leaseMs" | "providerTimeoutMs">;

/** What one schedule did. */
export interface ScheduleResult {
  /** Empty when everything held. */
  readonly violations: readonly string[];
  readonly crashes: number;
  readonly faults: number;
  readonly stalls: number;
  readonly revoked: boolean;
  readonly refreshes: number;
}

/**
 * Runs one schedule: three workers refresh one connection while its seed lets workers die between any two steps or stand still beyond
 * their lease and meet those who have flown on, answers get lost or come too late, the provider fail, the user revoke, and clocks jump.
 * Then lets it settle and looks at what is left. In every third the provider refuses a token once it is used: then nothing gets lost
 * between it and the journal, and from the journal on everything may.
 */
export async function runSchedule(lane: ScheduleLane, seed: number): Promise<ScheduleResult> {
  const kind = kinds[seed % kinds.length] ?? "strict";
  const provider = createRotatingProvider({ kind, lateMs, latencyMsMax, random: randomOf(~seed) });
  const parts: WorkerParts = { ...lane, provider, leaseMs, providerTimeoutMs };
  const world = new Schedule(parts, provider, { random: randomOf(seed), isStrict: kind === "strict" });
  try {
    await world.begin();
    // Every step of a flight is stood still at in turn, with each kind of provider.
    if (seed % 2 === 0) await world.race(0, { steps: 1 + (Math.floor(seed / 6) % stepsOfASweep), sweeps: 1 });
    await world.disturb();
    await world.settle();
    await world.examine();
    if (world.violations.length > 0) await world.tell();
  } catch (error) {
    world.violations.push(`the schedule itself failed: ${describeError(error)}`);
  }
  // Whatever became of it, the next one of the lane begins with nothing of it left.
  await world.end().catch((error: unknown) => world.violations.push(`it left something: ${describeError(error)}`));
  return world.result();
}

class Schedule {
  readonly violations: string[];
  readonly #parts: WorkerParts;
  readonly #provider: RotatingProvider;
  readonly #random: () => number;
  readonly #isStrict: boolean;
  readonly #workers: MortalWorker[] = [];
  readonly #running: { worker: MortalWorker; task: Promise<unknown> }[] = [];
  readonly #counts = { crashes: 0, faults: 0, stalls: 0 };
  #key: ConnectionKey = { owner: { tenant: "wallet", userId: crypto.randomUUID() }, connectionId: crypto.randomUUID() };
  #firstToken = "";
  #isRevoked = false;
  #finalVersion = 0n;

  constructor(parts: WorkerParts, provider: RotatingProvider, kind: { random: () => number; isStrict: boolean }) {
    this.#parts = parts;
    this.#provider = provider;
    this.violations = provider.violations;
    this.#random = kind.random;
    this.#isStrict = kind.isStrict;
  }

  async begin(): Promise<void> {
    for (let index = 0; index < workersCount; index += 1) this.#workers.push(startWorker(this.#parts));
    this.#firstToken = this.#provider.grant();
    await consent(this.#worker(0), this.#key, this.#firstToken);
  }

  async disturb(): Promise<void> {
    const acts = 4 + this.#below(8);
    for (let act = 0; act < acts; act += 1) {
      await this.#makeDue();
      await this.#act();
      await pause(this.#below(40));
    }
  }

  async #act(): Promise<void> {
    const index = this.#below(workersCount);
    const worker = this.#worker(index);
    const dice = this.#random();
    if (dice < 0.3) void this.#start(worker, sweepRefreshes(worker, never));
    else if (dice < 0.55) void this.#start(worker, this.#onDemand(worker));
    else if (dice < 0.7) await this.#kill(index);
    else if (dice < 0.85) this.#disturbProvider();
    else if (dice < 0.93) await this.race(index, { steps: 1 + this.#below(stepsOfASweep), sweeps: 0.5 });
    else if (dice < 0.97) worker.clock.advance(this.#random() < 0.5 ? hourMs : -hourMs);
    else this.#revoke();
  }

  #start(worker: MortalWorker, work: Promise<unknown>): Promise<unknown> {
    // A refresh may end with any error of the day; what it left behind is what counts.
    const task = work.catch(() => undefined);
    this.#running.push({ worker, task });
    return task;
  }

  async #onDemand(worker: MortalWorker): Promise<void> {
    const seen = await findConnection(worker.deps.storage.db.query, this.#key);
    if (seen !== undefined) await worker.refresher.refresh(seen, { actor, signal: AbortSignal.timeout(2_000) });
  }

  async #kill(index: number): Promise<void> {
    const worker = this.#worker(index);
    worker.dieAfter(1 + this.#below(stepsOfASweep));
    this.#counts.crashes += 1;
    // It dies at work, not at rest.
    void this.#start(worker, this.#random() < 0.5 ? sweepRefreshes(worker, never) : this.#onDemand(worker));
    this.#workers[index] = startWorker(this.#parts);
  }

  #disturbProvider(): void {
    const moods: ProviderMood[] = this.#isStrict ? ["is_down"] : ["loses_answer", "is_late", "is_down"];
    const mood = moods[this.#below(moods.length)] ?? "is_down";
    // Each flight asks twice: one fault is often made good at once, two are not.
    for (let count = 1 + this.#below(2); count > 0; count -= 1) this.#provider.moods.push(mood);
    this.#counts.faults += 1;
  }

  /**
   * One stands still in the middle of a flight, that may have failed, until its lease is over and others have flown on; then it wakes
   * among them, and may die soon after.
   */
  async race(index: number, { steps, sweeps }: { steps: number; sweeps: number }): Promise<void> {
    const slow = this.#worker(index);
    if (this.#random() < 0.3) this.#provider.moods.push("is_down", "is_down");
    await this.#makeDue();
    const wake = slow.stallAfter(steps);
    this.#counts.stalls += 1;
    void this.#start(slow, this.#random() < sweeps ? sweepRefreshes(slow, never) : this.#onDemand(slow));
    if (this.#random() < 0.3) {
      slow.dieAfter(steps + 1 + this.#below(20));
      this.#counts.crashes += 1;
      this.#workers[index] = startWorker(this.#parts);
    }
    try {
      await pause(leaseMs + this.#below(20));
      await pause(await this.#leaseLeftMs());
      await this.#flyOn(index);
    } finally {
      wake();
    }
  }

  /** The other workers refresh, mostly one flight after the other; the last one is under way when this is over. */
  async #flyOn(index: number): Promise<void> {
    for (let flights = 2 + this.#below(3); flights > 0; flights -= 1) {
      await this.#makeDue();
      const other = this.#worker((index + 1 + this.#below(workersCount - 1)) % workersCount);
      const task = this.#start(other, this.#random() < 0.7 ? sweepRefreshes(other, never) : this.#onDemand(other));
      // It may have to wait for a row that the one who stands still holds.
      const isWaitedFor = flights > 1 && this.#random() < 0.8;
      await Promise.race([task, pause(isWaitedFor ? flightMsMax : this.#below(40))]);
    }
  }

  async #leaseLeftMs(): Promise<number> {
    const left = "greatest(0, extract(epoch from refresh_lease_until - clock_timestamp()) * 1000)::float8";
    const held = `select ${left} as left_ms from connections where connection_id = $1 and refresh_holder is not null`;
    const { rows } = await this.#parts.pool.query<{ left_ms: number }>(held, [this.#key.connectionId]);
    return Math.min(rows[0]?.left_ms ?? 0, leaseMs);
  }

  #revoke(): void {
    this.#isRevoked = true;
    this.#provider.revoke(this.#firstToken);
  }

  /** Whoever lives ends his work; then a fresh worker, undisturbed, has to bring everything in order. */
  async settle(): Promise<void> {
    this.#provider.moods.length = 0;
    for (const { worker, task } of this.#running) {
      const ended = Promise.race([task.then(() => worker.refresher.idle()), worker.died]);
      const isLate = await Promise.race([ended, pause(endMsMax, "late", { ref: false })]);
      if (isLate === "late") this.violations.push("a worker's task did not end");
    }
    // Nobody holds anything any more; the time until leases and circuits end is over at once.
    await this.#parts.pool.query("delete from refresh_circuits");
    await this.#parts.pool.query(
      "update connections set refresh_lease_until = 'epoch' where connection_id = $1 and refresh_holder is not null",
      [this.#key.connectionId],
    );
    const worker = startWorker({ ...this.#parts, leaseMs: settlingLeaseMs });
    const before = (await this.#read(worker)).tokenVersion;
    for (let settling = 0; settling < settlingsMax; settling += 1) {
      await this.#makeDue();
      await sweepRefreshes(worker, never);
      const { tokenVersion, refreshHolder, stateReason } = await this.#read(worker);
      // Twice, so that the token of the first settling refresh is proved by its use.
      const isOver = tokenVersion >= before + 2n || stateReason === "consent_ended";
      if (isOver && refreshHolder === undefined) return;
      await pause(settlingMs);
    }
    this.violations.push(`a connection did not settle: ${await this.#describe(worker, before)}`);
  }

  async #describe(worker: MortalWorker, before: bigint): Promise<string> {
    const { refreshOutcome, refreshHolder, tokenVersion } = await this.#read(worker);
    const circuits = await this.#parts.pool.query("select open_until, probe_until from refresh_circuits");
    const idle = await this.#parts.pool.query(
      "select pid from pg_stat_activity where datname = current_database() and state = 'idle in transaction'",
    );
    const flight = `outcome ${refreshOutcome}, holder ${refreshHolder}, version ${tokenVersion} after ${before}`;
    return `${flight}, circuits ${JSON.stringify(circuits.rows)}, ${idle.rowCount} sessions idle in a transaction`;
  }

  async examine(): Promise<void> {
    const worker = startWorker(this.#parts);
    const connection = await this.#read(worker);
    this.#finalVersion = connection.tokenVersion;
    const isEnded = connection.stateReason === "consent_ended";
    if (isEnded && !this.#isRevoked) this.violations.push("a consent that stands was taken for revoked");
    if (!isEnded && this.#isRevoked) this.violations.push("a revoked consent was not noticed");
    if (!this.#isRevoked) await this.#examineAudit(connection);
    if (!isEnded) {
      const reader = { actor, now: new Date(), operation: "examine" };
      const secret = await openSecret(worker.deps.storage, connection, "refresh_token", reader);
      if (!this.#provider.isGood(secret?.plaintext ?? "")) this.violations.push("the stored refresh token is dead");
      for (const table of ["refresh_journal", "refresh_intents"] as const) {
        const { rowCount } = await this.#parts.pool.query(`select 1 from ${table} where connection_id = $1`, [
          connection.connectionId,
        ]);
        if (rowCount !== 0) this.violations.push(`${table} kept something of a settled connection`);
      }
    }
  }

  /** What its readers were told on the way. */
  async #examineAudit({ connectionId }: Connection): Promise<void> {
    const { rowCount } = await this.#parts.pool.query(
      "select 1 from audit_entries where connection_id = $1 and outcome = 'reauth_required' and details like '%grant_refused%'",
      [connectionId],
    );
    if (rowCount !== 0) this.violations.push("a consent that stands was told to have been revoked");
  }

  /** Says what there is to say of a schedule that went wrong. */
  async tell(): Promise<void> {
    const kept = `select state, state_reason, token_version::text, refresh_epoch::text, refresh_outcome, refresh_unsettled,
        (select json_agg(json_build_object('epoch', epoch, 'answered_at', answered_at)) from refresh_journal
          where connection_id = $1) as journal,
        (select json_agg(json_build_object('epoch', epoch, 'token_version', token_version)) from refresh_intents
          where connection_id = $1) as intents
      from connections where connection_id = $1`;
    const { rows } = await this.#parts.pool.query(kept, [this.#key.connectionId]);
    this.violations.push(`kept ${JSON.stringify(rows)}`, `the provider saw ${this.#provider.seen.join(", ")}`);
  }

  /** Leaves nothing that a later schedule of the lane would pick up. */
  async end(): Promise<void> {
    for (const worker of this.#workers) worker.dieAfter(1);
    await this.#parts.pool.query(
      `update connections set refresh_due_at = null, refresh_holder = null, refresh_lease_until = null where connection_id = $1`,
      [this.#key.connectionId],
    );
    await this.#parts.pool.query("delete from refresh_intents");
  }

  result(): ScheduleResult {
    const refreshes = Number(this.#finalVersion) - 1;
    return { violations: this.violations, ...this.#counts, revoked: this.#isRevoked, refreshes };
  }

  async #makeDue(): Promise<void> {
    // Due for every clock, however far it has jumped. One that stands still may hold the row.
    await this.#parts.pool.query(
      `update connections set refresh_due_at = 'epoch' where ctid = (select ctid from connections
        where connection_id = $1 and refresh_due_at is not null for update skip locked)`,
      [this.#key.connectionId],
    );
  }

  async #read(worker: MortalWorker): Promise<Connection> {
    const connection = await findConnection(worker.deps.storage.db.query, this.#key);
    if (connection === undefined) throw new Error("the connection is gone");
    return connection;
  }

  #worker(index: number): MortalWorker {
    const worker = this.#workers[index];
    if (worker === undefined) throw new Error("no such worker");
    return worker;
  }

  #below(count: number): number {
    return Math.floor(this.#random() * count);
  }
}

async function consent(worker: MortalWorker, key: ConnectionKey, refreshToken: string): Promise<void> {
  const { storage } = worker.deps;
  const now = new Date();
  await inTransaction(storage.db, async (tx) => {
    const connection = await insertConsent(tx, {
      owner: key.owner,
      newConnectionId: key.connectionId,
      connector: "rotating",
      institutionId: "rotating-bank",
      institutionName: "Rotating Bank",
      issuer: "https://rotating.test",
      ownerReference: key.owner.userId,
      providerReference: "",
      standing: { state: "ACTIVE", reason: "" },
      hasAccessToken: true,
      hasRefreshToken: true,
      hasCredential: false,
      accessTokenExpiresAt: new Date(now.getTime() + hourMs),
      credentialExpiresAt: undefined,
      consentExpiresAt: undefined,
      refreshDueAt: now,
      now,
    });
    if (connection === undefined) throw new Error("there is such a connection already");
    const secrets = [
      { purpose: "access_token", plaintext: "access-0", expiresAt: undefined },
      { purpose: "refresh_token", plaintext: refreshToken, expiresAt: undefined },
    ] as const;
    const stored = await storeSecrets(storage, tx, { connection, secrets, now });
    await appendAudit(storage, tx, { owner: key.owner, actor, now }, [stored]);
  });
}

function describeError(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Mulberry32: small, and the same everywhere for a seed. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
