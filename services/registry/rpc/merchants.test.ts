import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { keyedHash } from "../../platform/secrets/keyed-hash.ts";
import { liveKeysMax } from "../domain/access-key.ts";
import {
  asOperator,
  createRegistryWorld,
  type RegistryClient,
  type RegistryWorld,
  type Replica,
  testPepper,
  withKey,
} from "../testing/registry-world.ts";

let world: RegistryWorld;
let replica: Replica;
let client: RegistryClient;
let id: string;

beforeAll(async () => {
  world = await createRegistryWorld();
  replica = await world.startReplica();
  client = replica.as("gateway");
});
afterAll(() => world.close());
beforeEach(() => {
  id = `m-${randomUUID().slice(0, 8)}`;
});

function clientSettings(change: Record<string, unknown> = {}) {
  return {
    clientId: id,
    name: "Shop",
    redirectUris: ["http://127.0.0.1:9000/payment/wallet-callback"],
    scopes: ["openid", "payment:authorize"],
    ...change,
  };
}

it("creates a merchant once and changes name and status afterwards", async () => {
  expect(await client.putMerchant({ merchantId: id, name: "Shop" }, asOperator)).toMatchObject({
    status: "active",
    keys: [],
  });
  const before = await replica.deps.reader.revision();
  await client.putMerchant({ merchantId: id, name: "Shop" }, asOperator);
  expect(await replica.deps.reader.revision()).toBe(before);
  const closed = await client.putMerchant({ merchantId: id, name: "Shop", status: "inactive" }, asOperator);
  expect(closed.status).toBe("inactive");
  expect((await client.putMerchant({ merchantId: id, name: "Renamed" }, asOperator)).status).toBe("inactive");
});

it("keeps a keyed hash alone of a key, and lets old and new keys work side by side until one is revoked", async () => {
  await client.putMerchant({ merchantId: id, name: "Shop" }, asOperator);
  const first = await client.createMerchantKey({ id }, asOperator);
  const second = await client.createMerchantKey({ id, key: `chosen-${id}` }, asOperator);
  expect(second.key).toBe(`chosen-${id}`);
  const { rows } = await replica.db.pool.query("select * from access_keys where owner_id = $1", [id]);
  expect(rows.map((row) => row.hash)).toContainEqual(keyedHash(testPepper, first.key));
  expect(JSON.stringify(rows)).not.toContain(first.key);
  await client.listBanks({}, withKey(first.key));
  await client.listBanks({}, withKey(second.key));
  await client.revokeMerchantKey({ id, keyId: first.keyId }, asOperator);
  await client.revokeMerchantKey({ id, keyId: first.keyId }, asOperator);
  await expect(client.listBanks({}, withKey(first.key))).rejects.toMatchObject({ httpStatus: 401 });
  await client.listBanks({}, withKey(second.key));
});

it("refuses the keys of a merchant that is switched off", async () => {
  await client.putMerchant({ merchantId: id, name: "Shop" }, asOperator);
  const { key } = await client.createMerchantKey({ id }, asOperator);
  await client.putMerchant({ merchantId: id, name: "Shop", status: "inactive" }, asOperator);
  await expect(client.listBanks({}, withKey(key))).rejects.toMatchObject({ httpStatus: 401 });
});

it("gives the key there is when a call that chose its value comes again, also at once", async () => {
  await client.putMerchant({ merchantId: id, name: "Shop" }, asOperator);
  const results = await Promise.all(
    Array.from({ length: 6 }, () => client.createMerchantKey({ id, key: `same-${id}` }, asOperator)),
  );
  expect(new Set(results.map((result) => result.keyId)).size).toBe(1);
});

it("lets one value open one owner: another merchant, a bank or a client cannot have it, nor its owner after revoking", async () => {
  const key = `value-${id}`;
  const other = `other-${id}`;
  for (const merchantId of [id, other]) await client.putMerchant({ merchantId, name: "Shop" }, asOperator);
  await client.putOauthClient(clientSettings(), asOperator);
  const { keyId } = await client.createMerchantKey({ id, key }, asOperator);
  const taken = { httpStatus: 409, reason: "conflict" };
  await expect(client.createMerchantKey({ id: other, key }, asOperator)).rejects.toMatchObject(taken);
  await expect(client.createBankKey({ id: "some-bank", key }, asOperator)).rejects.toMatchObject(taken);
  await expect(client.createOauthClientSecret({ id, secret: key }, asOperator)).rejects.toMatchObject(taken);
  await client.revokeMerchantKey({ id, keyId }, asOperator);
  await expect(client.createMerchantKey({ id, key }, asOperator)).rejects.toMatchObject(taken);
});

it("gives one value to one of two owners that ask for it at once", async () => {
  const other = `other-${id}`;
  for (const merchantId of [id, other]) await client.putMerchant({ merchantId, name: "Shop" }, asOperator);
  const results = await Promise.allSettled(
    [id, other].map((owner) => client.createMerchantKey({ id: owner, key: `raced-${id}` }, asOperator)),
  );
  expect(results.map((result) => result.status).sort()).toEqual(["fulfilled", "rejected"]);
});

it("does not revoke a key through another owner, and keeps live keys few", async () => {
  const other = `other-${id}`;
  for (const merchantId of [id, other]) await client.putMerchant({ merchantId, name: "Shop" }, asOperator);
  const { keyId } = await client.createMerchantKey({ id }, asOperator);
  const missing = { httpStatus: 404, reason: "not_found" };
  await expect(client.revokeMerchantKey({ id: other, keyId }, asOperator)).rejects.toMatchObject(missing);
  await expect(client.revokeMerchantKey({ id, keyId: "no-uuid" }, asOperator)).rejects.toMatchObject(missing);
  await expect(client.createMerchantKey({ id: "nobody" }, asOperator)).rejects.toMatchObject(missing);
  const more = await Promise.allSettled(
    Array.from({ length: liveKeysMax + 2 }, () => client.createMerchantKey({ id }, asOperator)),
  );
  expect(more.filter((result) => result.status === "fulfilled")).toHaveLength(liveKeysMax - 1);
});

it("stores a client's settings as given and replaces them as a whole", async () => {
  const stored = await client.putOauthClient(clientSettings(), asOperator);
  expect(stored).toMatchObject({ ...clientSettings(), merchantId: id, status: "active", secrets: [] });
  const changed = await client.putOauthClient(
    clientSettings({ merchantId: "ssim-merchant", redirectUris: ["http://shop.example/cb?x=1"] }),
    asOperator,
  );
  expect(changed).toMatchObject({ merchantId: "ssim-merchant", redirectUris: ["http://shop.example/cb?x=1"] });
  const { secret, keyId } = await client.createOauthClientSecret({ id }, asOperator);
  expect(secret.length).toBeGreaterThanOrEqual(32);
  expect((await client.putOauthClient(clientSettings(), asOperator)).secrets).toMatchObject([{ keyId }]);
});

it.each([
  ["redirectUris", ["javascript:alert(1)"]],
  ["redirectUris", ["/relative"]],
  ["redirectUris", ["https://shop.example/#fragment"]],
  ["redirectUris", Array.from({ length: 21 }, (_, index) => `https://shop.example/${index}`)],
  ["scopes", ["openid", "admin"]],
  ["scopes", ["profile"]],
  ["clientId", "has space"],
  ["merchantId", "a/b"],
  ["status", "maintenance"],
])("refuses a client with %s = %j", async (field, value) => {
  const attempt = client.putOauthClient(clientSettings({ [field]: value }), asOperator);
  await expect(attempt).rejects.toMatchObject({ httpStatus: 400, reason: "bad_request" });
});

it("names the required members that are missing", async () => {
  const error = await client.putOauthClient({ clientId: id }, asOperator).catch((reason: Error) => reason);
  expect(error).toMatchObject({ httpStatus: 400 });
  expect((error as Error).message).toContain("redirectUris");
});

it("pages merchants and clients by id", async () => {
  for (const suffix of ["a", "b", "c"]) {
    await client.putMerchant({ merchantId: `${id}-${suffix}`, name: "Shop" }, asOperator);
    await client.putOauthClient(clientSettings({ clientId: `${id}-${suffix}` }), asOperator);
  }
  const seen: string[] = [];
  let pageToken = "";
  do {
    const page = await client.listMerchants({ pageSize: 2, pageToken }, asOperator);
    seen.push(...page.merchants.map((merchant) => merchant.merchantId));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(seen.filter((merchant) => merchant.startsWith(id))).toEqual([`${id}-a`, `${id}-b`, `${id}-c`]);
  expect((await client.listOauthClients({ pageSize: 1000 }, asOperator)).clients.length).toBeGreaterThanOrEqual(3);
  await expect(client.listMerchants({ pageSize: -1 }, asOperator)).rejects.toMatchObject({ httpStatus: 400 });
});

it("keeps merchants' methods from banks and merchants", async () => {
  await client.putMerchant({ merchantId: id, name: "Shop" }, asOperator);
  const { key } = await client.createMerchantKey({ id }, asOperator);
  await expect(client.listMerchants({}, withKey(key))).rejects.toMatchObject({ httpStatus: 401 });
  await expect(client.createMerchantKey({ id }, withKey(key))).rejects.toMatchObject({ httpStatus: 401 });
});
