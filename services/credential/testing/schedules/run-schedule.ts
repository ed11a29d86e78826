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
import { createRotatingProvider, type ProviderMood, type RotatingProvider } from "./rotating-provider.ts";

const workersCount = 3;
const leaseMs = 600;
const providerTimeoutMs = 40;
const lateMs = 800;
const stallMs = 750;
const hourMs = 3_600_000;
const settlingMs = 100;
const settlingsMax = 100;
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
 * their lease, answers get lost or come too late, the provider fail, the user revoke, and clocks jump. Then lets it settle and looks at
 * what is left. In every third the provider kills a token with its use: then nothing gets lost between it and the journal, and from the
 * journal on everything may.
 */
export async function runSchedule(lane: ScheduleLane, seed: number): Promise<ScheduleResult> {
  const isStrict = seed % 3 === 0;
  const provider = createRotatingProvider({ lateMs, isStrict });
  const parts: WorkerParts = { ...lane, provider, leaseMs, providerTimeoutMs };
  const world = new Schedule(parts, provider, { random: randomOf(seed), isStrict });
  try {
    await world.begin();
    await world.disturb();
    await world.settle();
    await world.examine();
  } catch (error) {
    world.violations.push(`the schedule itself failed: ${error instanceof Error ? error.message : String(error)}`);
  }
  await world.end();
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
    if (dice < 0.3) this.#start(worker, sweepRefreshes(worker, never));
    else if (dice < 0.55) this.#start(worker, this.#onDemand(worker));
    else if (dice < 0.7) await this.#kill(index);
    else if (dice < 0.85) this.#disturbProvider();
    else if (dice < 0.92 && !this.#isStrict) this.#stall(worker);
    else if (dice < 0.97) worker.clock.advance(this.#random() < 0.5 ? hourMs : -hourMs);
    else this.#revoke();
  }

  #start(worker: MortalWorker, task: Promise<unknown>): void {
    // A refresh may end with any error of the day; what it left behind is what counts.
    this.#running.push({ worker, task: task.catch(() => undefined) });
  }

  async #onDemand(worker: MortalWorker): Promise<void> {
    const seen = await findConnection(worker.deps.storage.db.query, this.#key);
    if (seen !== undefined) await worker.refresher.refresh(seen, { actor, signal: AbortSignal.timeout(2_000) });
  }

  async #kill(index: number): Promise<void> {
    const worker = this.#worker(index);
    worker.dieAfter(1 + this.#below(45));
    this.#counts.crashes += 1;
    // It dies at work, not at rest.
    this.#start(worker, this.#random() < 0.5 ? sweepRefreshes(worker, never) : this.#onDemand(worker));
    this.#workers[index] = startWorker(this.#parts);
  }

  #disturbProvider(): void {
    const moods: ProviderMood[] = this.#isStrict ? ["is_down"] : ["loses_answer", "is_late", "is_down"];
    const mood = moods[this.#below(moods.length)] ?? "is_down";
    // Each flight asks twice: one fault is often made good at once, two are not.
    for (let count = 1 + this.#below(2); count > 0; count -= 1) this.#provider.moods.push(mood);
    this.#counts.faults += 1;
  }

  #stall(worker: MortalWorker): void {
    worker.stallNext(stallMs);
    this.#counts.stalls += 1;
    this.#start(worker, sweepRefreshes(worker, never));
  }

  #revoke(): void {
    this.#isRevoked = true;
    this.#provider.revoke(this.#firstToken);
  }

  /** Whoever lives ends his work; then a fresh worker, undisturbed, has to bring everything in order. */
  async settle(): Promise<void> {
    this.#provider.moods.length = 0;
    for (const { worker, task } of this.#running) await Promise.race([task, untilDead(worker), pause(8_000)]);
    await this.#parts.pool.query("delete from refresh_circuits");
    const worker = startWorker(this.#parts);
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
    const { refreshOutcome, refreshHolder, tokenVersion } = await this.#read(worker);
    const facts = `outcome ${refreshOutcome}, holder ${refreshHolder}, version ${tokenVersion} after ${before}`;
    this.violations.push(`a connection did not settle: ${facts}`);
  }

  async examine(): Promise<void> {
    const worker = startWorker(this.#parts);
    const connection = await this.#read(worker);
    this.#finalVersion = connection.tokenVersion;
    const isEnded = connection.stateReason === "consent_ended";
    if (isEnded && !this.#isRevoked) this.violations.push("a consent that stands was taken for revoked");
    if (!isEnded && this.#isRevoked) this.violations.push("a revoked consent was not noticed");
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
    // Due for every clock, however far it has jumped.
    await this.#parts.pool.query(
      "update connections set refresh_due_at = 'epoch' where connection_id = $1 and refresh_due_at is not null",
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

async function untilDead(worker: MortalWorker): Promise<void> {
  while (worker.isAlive()) await pause(20);
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
