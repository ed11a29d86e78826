import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import type { WatchRegistryResponse } from "../../../gen/es/paymesh/registry/v1/registry_pb.js";
import { keyedHash } from "../../platform/secrets/keyed-hash.ts";
import { setUp } from "../../platform/testing/set-up.ts";
import {
  asOperator,
  createRegistryWorld,
  type RegistryClient,
  type RegistryWorld,
  type Replica,
  registryDeps,
  testPepper,
} from "../testing/registry-world.ts";
import { followRegistry, type RegistryEvent } from "./follow-registry.ts";

let world: RegistryWorld;
let near: Replica;
let far: Replica;
let operator: RegistryClient;

setUp(async () => {
  world = await createRegistryWorld();
  [near, far] = [await world.startReplica(), await world.startReplica()];
  operator = far.as("gateway");
  return () => world.close();
});

/** Follows until the test stops it; events pile up in order. */
function watch(client: RegistryClient) {
  const events: WatchRegistryResponse[] = [];
  const stopped = new AbortController();
  const ended = (async () => {
    for await (const event of client.watchRegistry({}, { signal: stopped.signal })) events.push(event);
  })().catch((error: unknown) => error);
  return {
    events,
    names: () => events.map(({ event }) => event.case),
    stop: async () => {
      stopped.abort();
      await ended;
    },
  };
}

function newBank(change: Record<string, unknown> = {}) {
  const bsimId = `bank-${randomUUID().slice(0, 8)}`;
  return {
    bsimId,
    name: "North Bank",
    apiBaseUrl: "http://127.0.0.1:9101",
    authServerUrl: "http://127.0.0.1:9101/oidc",
    apiKey: "payment-key-of-the-bank",
    ...change,
  };
}

async function until(condition: () => boolean): Promise<void> {
  await expect.poll(condition, { interval: 10 }).toBe(true);
}

it("sends every row, then the end of the snapshot, then a change made on another replica", async () => {
  const before = newBank();
  await operator.registerBank(before, asOperator);
  const stream = watch(near.as("router"));
  await until(() => stream.names().includes("snapshotComplete"));
  const snapshot = stream.events.slice(0, stream.names().indexOf("snapshotComplete"));
  expect(snapshot.map(({ event }) => (event.case === "bank" ? event.value.bank?.bsimId : ""))).toContain(before.bsimId);
  const after = newBank();
  await operator.registerBank(after, asOperator);
  await until(() =>
    stream.events.some(({ event }) => event.case === "bank" && event.value.bank?.bsimId === after.bsimId),
  );
  await stream.stop();
});

it("gives banks' payment keys to the router alone", async () => {
  const bank = newBank();
  await operator.registerBank(bank, asOperator);
  const keys: Record<string, string | undefined> = {};
  for (const service of ["router", "wallet"] as const) {
    const stream = watch(near.as(service));
    await until(() => stream.names().includes("snapshotComplete"));
    for (const { event } of stream.events) {
      if (event.case === "bank" && event.value.bank?.bsimId === bank.bsimId) keys[service] = event.value.apiKey;
    }
    await stream.stop();
  }
  expect(keys).toEqual({ router: "payment-key-of-the-bank", wallet: undefined });
});

it("is closed to everyone but the services named in the contract", async () => {
  const stream = near.as("gateway").watchRegistry({}, asOperator);
  await expect(stream[Symbol.asyncIterator]().next()).rejects.toMatchObject({ httpStatus: 401 });
});

it("tells of new and revoked merchant keys as hashes", async () => {
  const merchantId = `m-${randomUUID().slice(0, 8)}`;
  const stream = watch(near.as("router"));
  await operator.putMerchant({ merchantId, name: "Shop" }, asOperator);
  const { key, keyId } = await operator.createMerchantKey({ id: merchantId }, asOperator);
  const latest = () =>
    stream.events.flatMap(({ event }) =>
      event.case === "merchant" && event.value.merchantId === merchantId ? [event.value] : [],
    );
  await until(() => latest().at(-1)?.keys.length === 1);
  expect(Buffer.from(latest().at(-1)?.keys[0]?.hash ?? [])).toEqual(keyedHash(testPepper, key));
  await operator.revokeMerchantKey({ id: merchantId, keyId }, asOperator);
  await until(() => latest().at(-1)?.keys.length === 0);
  await stream.stop();
});

it("misses no change when many are committed at once on two replicas, and numbers them in order", async () => {
  const stream = watch(near.as("router"));
  await until(() => stream.names().includes("snapshotComplete"));
  const start = stream.events.length;
  const banks = Array.from({ length: 40 }, () => newBank());
  await Promise.all(banks.map((bank, index) => (index % 2 ? near : far).as("gateway").registerBank(bank, asOperator)));
  const seen = () =>
    stream.events.slice(start).flatMap(({ event }) => (event.case === "bank" ? [event.value.bank?.bsimId] : []));
  await until(() => banks.every((bank) => seen().includes(bank.bsimId)));
  const revisions = stream.events.slice(start).map((event) => event.revision);
  expect(revisions).toEqual([...revisions].sort((left, right) => (left < right ? -1 : 1)));
  await stream.stop();
});

it("names a row that changes in the middle of a snapshot before the snapshot ends", async () => {
  const db = world.database.open<never>();
  const deps = registryDeps(db as never);
  // More rows than a page, so that the snapshot takes several reads.
  await db.pool.query(
    `insert into merchants select 'bulk-' || n, 'Bulk', 'active', n, now(), now() from generate_series(1, 450) n`,
  );
  await db.pool.query("update registry_revision set revision = greatest(revision, 450)");
  const stream = followRegistry(deps, new AbortController().signal);
  const events: RegistryEvent[] = [];
  for await (const event of stream) {
    events.push(event);
    if (events.length === 1) await operator.putMerchant({ merchantId: "bulk-2", name: "Changed" }, asOperator);
    if (event.kind === "snapshot_complete") break;
  }
  const names = events.flatMap((event) =>
    event.kind === "merchant" && event.merchant.id === "bulk-2" ? [event.merchant.name] : [],
  );
  expect(names.at(-1)).toBe("Changed");
  expect(events.filter((event) => event.kind === "merchant").length).toBeGreaterThanOrEqual(450);
  await deps.feed.stop();
});

it("sends keepalives while nothing changes, none of them a change", async () => {
  const stopping = new AbortController();
  const events: RegistryEvent[] = [];
  for await (const event of followRegistry({ ...near.deps, keepaliveEveryMs: 30 }, stopping.signal)) {
    if (event.kind === "keepalive") events.push(event);
    if (events.length === 3) stopping.abort();
  }
  expect(new Set(events.map((event) => event.revision)).size).toBe(1);
});

it("goes on after the database's connections were cut", async () => {
  const stream = watch(near.as("router"));
  await until(() => stream.names().includes("snapshotComplete"));
  await world.database.cutConnections();
  const bank = newBank();
  await expect
    .poll(() =>
      operator.registerBank(bank, asOperator).then(
        () => true,
        () => false,
      ),
    )
    .toBe(true);
  await until(() =>
    stream.events.some(({ event }) => event.case === "bank" && event.value.bank?.bsimId === bank.bsimId),
  );
  await stream.stop();
});

it("sends a bank whose key does not open without it, and the other banks with theirs", async () => {
  const [broken, whole] = [newBank(), newBank()];
  for (const bank of [broken, whole]) await operator.registerBank(bank, asOperator);
  await near.db.pool.query(
    "update banks set api_key_sealed = (select api_key_sealed from banks where id = $2) where id = $1",
    [broken.bsimId, whole.bsimId],
  );
  const stream = watch(near.as("router"));
  await until(() => stream.names().includes("snapshotComplete"));
  const keyOf = (bsimId: string) =>
    stream.events.flatMap(({ event }) =>
      event.case === "bank" && event.value.bank?.bsimId === bsimId ? [event.value.apiKey] : [],
    );
  expect(keyOf(broken.bsimId)).toEqual([undefined]);
  expect(keyOf(whole.bsimId)).toEqual(["payment-key-of-the-bank"]);
  await stream.stop();
});

it("ends streams when the replica stops, without waiting for their followers", async () => {
  const leaving = await world.startReplica();
  const stream = watch(leaving.as("router"));
  await until(() => stream.names().includes("snapshotComplete"));
  const began = performance.now();
  await leaving.stop();
  // Calls in flight have eight seconds of their own.
  expect(performance.now() - began).toBeLessThan(7_000);
  await stream.stop();
});
