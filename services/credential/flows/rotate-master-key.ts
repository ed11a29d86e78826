import { setTimeout as pause } from "node:timers/promises";
import { inTransaction } from "../../platform/db/transaction.ts";
import type { Keyring } from "../../platform/vault/keyring.ts";
import type { MasterKeySource } from "../../platform/vault/master-key-source.ts";
import { listMasterKeys, makeCurrent, type RetireRefusal, retireMasterKey } from "../storage/master-key-store.ts";
import { listReplicas } from "../storage/replica-store.ts";
import {
  countKeysToRewrap,
  hasKeysToRewrap,
  lockRotations,
  rewrapBatch,
  rewrapInstallationKeys,
} from "../storage/rewrap-store.ts";
import type { Storage, Tx } from "../storage/storage.ts";
import { createVaultStore } from "../storage/vault-store.ts";

/** Replicas tell of themselves every ten seconds. */
const replicaAliveMs = 35_000;
const replicaPollMs = 1_000;
const busyPauseMs = 200;
const busyRoundsMax = 150;

/** Thrown for a rotation or retirement that cannot be; the message tells the operator what to do. */
export class KeyCommandError extends Error {
  override readonly name = "KeyCommandError";
}

/** How a rotation is done. */
export interface RotationOptions {
  /** The version to rotate to; the newest one configured unless told. */
  readonly to?: number | undefined;
  readonly batchSize: number;
  /** Between two batches, for a database that has other things to do. */
  readonly pauseMs: number;
  /** How long replicas that lack the version are waited for. */
  readonly replicasWaitMs: number;
  readonly report: (line: string) => void;
}

/** What rotating works with. */
export interface RotationParts {
  readonly storage: Pick<Storage, "db" | "keyring">;
  readonly source: MasterKeySource;
}

/**
 * Makes a newer master key the current one and wraps every data key by it; secrets stay as they are, and so does every answer of the
 * service meanwhile. Each step is one transaction that the next run finds done: killed anywhere it is simply run again, and two
 * runs at once share the work. Without a newer version it makes one, where the source can be written.
 * Throws `KeyCommandError`.
 */
export async function rotateMasterKey(parts: RotationParts, options: RotationOptions): Promise<void> {
  const { storage } = parts;
  const version = await targetOf(parts, options);
  await waitForReplicas(storage, version, options);
  if (!(await inTransaction(storage.db, (tx) => makeCurrent(tx, version)))) {
    throw new KeyCommandError(`master key version ${version} was retired`);
  }
  options.report(`version ${version} is current`);
  await rewrapInstallationKeys(storage, { keyring: storage.keyring, version });
  options.report("the installation's own keys are wrapped by it");
  await rewrapAll(storage, version, options);
  options.report(`done: everything is wrapped by version ${version}`);
}

async function targetOf(parts: RotationParts, options: RotationOptions): Promise<number> {
  const { db, keyring } = parts.storage;
  if (options.to !== undefined) {
    if (!keyring.has(options.to)) throw new KeyCommandError(`master key version ${options.to} is not configured here`);
    return options.to;
  }
  // One run at a time: two that each made a version would write over each other's key.
  return await inTransaction(db, async (tx) => {
    await lockRotations(tx);
    await keyring.learn(createVaultStore(tx));
    const newest = Math.max(...keyring.versions());
    const stored = await listMasterKeys(tx);
    const isCurrent = stored.some((one) => one.version === newest && one.isCurrent);
    // A current version with keys left to wrap is a rotation that was interrupted: it is finished first.
    if (!isCurrent || (await hasKeysToRewrap(tx, newest))) return newest;
    return await makeVersion(parts.source, tx, {
      keyring,
      version: Math.max(...stored.map((one) => one.version)) + 1,
      report: options.report,
    });
  });
}

async function makeVersion(
  source: MasterKeySource,
  tx: Tx,
  work: { readonly keyring: Keyring; readonly version: number; readonly report: (line: string) => void },
): Promise<number> {
  const { keyring, version, report } = work;
  if (source.add === undefined) {
    throw new KeyCommandError(
      "everything is wrapped by the newest version configured: give every replica a newer one in CREDENTIAL_ENCRYPTION_KEYS, then rotate",
    );
  }
  await source.add(version);
  await keyring.learn(createVaultStore(tx));
  report(`version ${version} was added to the key file`);
  return version;
}

async function waitForReplicas(
  storage: RotationParts["storage"],
  version: number,
  options: RotationOptions,
): Promise<void> {
  const untilMs = performance.now() + options.replicasWaitMs;
  let told = "";
  for (;;) {
    const replicas = await listReplicas(storage.db.query, replicaAliveMs);
    const lacking = replicas.filter((one) => !one.versions.includes(version)).map((one) => one.replica);
    if (lacking.length === 0) {
      options.report(`${replicas.length} running replicas hold version ${version}`);
      return;
    }
    const names = lacking.join(", ");
    if (performance.now() > untilMs) {
      throw new KeyCommandError(`running replicas do not hold version ${version}: ${names}. Nothing was changed.`);
    }
    if (names !== told) options.report(`waiting for replicas to hold version ${version}: ${names}`);
    told = names;
    await pause(replicaPollMs);
  }
}

async function rewrapAll(storage: RotationParts["storage"], version: number, options: RotationOptions): Promise<void> {
  const { keyring } = storage;
  const total = await countKeysToRewrap(storage, version);
  let rewrapped = 0n;
  for (let busyRounds = 0; ; ) {
    const count = await rewrapBatch(storage, { keyring, version, limit: options.batchSize });
    if (count > 0) {
      rewrapped += BigInt(count);
      busyRounds = 0;
      options.report(`rewrapped ${rewrapped} of ${total} data keys`);
      if (options.pauseMs > 0) await pause(options.pauseMs);
      continue;
    }
    const left = await countKeysToRewrap(storage, version);
    if (left === 0n) return;
    // Another run, or a request that seals, has the rest at this moment.
    busyRounds += 1;
    if (busyRounds > busyRoundsMax) throw new KeyCommandError(`${left} data keys stay in use: rotate again`);
    await pause(busyPauseMs);
  }
}

const refusals: Readonly<Record<RetireRefusal, string>> = {
  unknown: "there is no such version",
  current: "it is the current version: rotate to another one first",
  in_use: "keys are still wrapped by it: rotate first",
};

/** Gives a version up for good, if nothing is wrapped by it. Throws `KeyCommandError`. */
export async function retireVersion(storage: Pick<Storage, "db">, version: number): Promise<void> {
  const refusal = await inTransaction(storage.db, (tx) => retireMasterKey(tx, version));
  if (refusal !== undefined) {
    throw new KeyCommandError(`master key version ${version} is not retired: ${refusals[refusal]}`);
  }
}
