import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from "node:crypto";
import { MemoryVaultStore, secretsByVersion } from "../../../services/platform/testing/memory-vault-store.ts";
import { openKeyring } from "../../../services/platform/vault/keyring.ts";
import { createVault, type PlacedSecret, type SecretPlace } from "../../../services/platform/vault/vault.ts";
import { latencyShares } from "../http-load.ts";
import type { Measurement } from "../measure.ts";

const recordBytes = 1_024;
/** About what a place comes to. */
const associatedBytes = 160;
const recordsPerRound = 1_000;
const owners = 500;
const algorithm = "aes-256-gcm";

/** The least that sealing and opening may do of what the bare cipher does, as a share. */
export const vaultShareMin = 0.6;

/**
 * Measures how many records of 1 KB the vault seals and opens in a second beside the bare cipher, in turns within one run, so that a
 * machine whose speed drifts is fair to both. The store is in memory: what the database costs is measured elsewhere.
 */
export async function benchVault(
  durationMs: number,
  report: (measurement: Measurement) => void,
): Promise<Measurement[]> {
  const log = { info: () => undefined, warn: () => undefined };
  const store = new MemoryVaultStore();
  const source = secretsByVersion({ 1: "encryption-key-of-the-benchmark-0123456789" });
  const vault = createVault({ keyring: await openKeyring({ source, store, use: "bench", log }), log });
  const text = "t".repeat(recordBytes);
  const places = Array.from({ length: owners }, (_, index) => placeOf(index));
  const sealed: PlacedSecret[] = [];
  for (const place of places) sealed.push({ place, sealed: await vault.seal(store, place, text) });
  const data = Buffer.alloc(associatedBytes, "a");
  const bare = places.map(() => bareCipher(text, data));
  const acts: readonly (readonly [string, (index: number) => unknown])[] = [
    ["seal, bare cipher", (index) => at(bare, index).seal()],
    ["seal, vault", (index) => vault.seal(store, at(places, index), text)],
    ["open, bare cipher", (index) => at(bare, index).open()],
    ["open, vault", (index) => vault.open(store, at(sealed, index))],
  ];
  const spent = acts.map(([label, act]) => ({ label, act, seconds: 0, count: 0, perRecordMs: [] as number[] }));
  // The first round of each warms the code up and is not counted.
  for (const each of spent) await round(each.act);
  const until = performance.now() + durationMs;
  while (performance.now() < until) {
    for (const each of spent) {
      const seconds = await round(each.act);
      each.seconds += seconds;
      each.count += recordsPerRound;
      each.perRecordMs.push((seconds * 1_000) / recordsPerRound);
    }
  }
  const measurements: Measurement[] = [];
  for (const { label, count, seconds, perRecordMs } of spent) {
    const load = { count, seconds, wrong: 0, firstWrong: undefined, ...latencyShares(perRecordMs) };
    // The work is done in this process, whose CPU is the time it took.
    const measurement = { label, load, cpuMicroseconds: {}, residentBytes: {} };
    report(measurement);
    measurements.push(measurement);
  }
  return measurements;
}

/** The vault's speed as a share of the bare cipher's: of sealing and of opening. */
export function vaultShares(measurements: readonly Measurement[]): { seal: number; open: number } {
  const perSecond = (label: string): number => {
    const load = measurements.find((measurement) => measurement.label === label)?.load;
    return load === undefined ? 0 : load.count / load.seconds;
  };
  return {
    seal: perSecond("seal, vault") / perSecond("seal, bare cipher"),
    open: perSecond("open, vault") / perSecond("open, bare cipher"),
  };
}

async function round(act: (index: number) => unknown): Promise<number> {
  const startedAt = performance.now();
  for (let index = 0; index < recordsPerRound; index += 1) await act(index);
  return (performance.now() - startedAt) / 1_000;
}

/** What any program has to do for one of its owners, if records are bound to their places: a fresh nonce, cipher, associated data and tag. */
function bareCipher(text: string, data: Buffer): { seal(): Buffer; open(): string } {
  const key = createSecretKey(randomBytes(32));
  const seal = (): Buffer => {
    const nonce = randomBytes(12);
    const cipher = createCipheriv(algorithm, key, nonce);
    cipher.setAAD(data);
    return Buffer.concat([nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
  };
  const sealed = seal();
  return {
    seal,
    open: () => {
      const decipher = createDecipheriv(algorithm, key, sealed.subarray(0, 12));
      decipher.setAAD(data);
      decipher.setAuthTag(sealed.subarray(-16));
      return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]).toString("utf8");
    },
  };
}

function placeOf(index: number): SecretPlace {
  return {
    owner: { tenant: "wallet", userId: `user-${index}` },
    recordId: `connection-${index}`,
    provider: "bench-bank",
    purpose: "access_token",
    recordVersion: 1,
  };
}

function at<T>(list: readonly T[], index: number): T {
  const item = list[index % list.length];
  if (item === undefined) throw new Error("an empty list");
  return item;
}
