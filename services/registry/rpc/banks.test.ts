import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import {
  asOperator,
  createRegistryWorld,
  type RegistryClient,
  type RegistryWorld,
  type Replica,
  withKey,
} from "../testing/registry-world.ts";

let world: RegistryWorld;
let replica: Replica;
let client: RegistryClient;
let bankId: string;
let key: string;

beforeAll(async () => {
  world = await createRegistryWorld();
  replica = await world.startReplica();
  client = replica.as("gateway");
});
afterAll(() => world.close());

beforeEach(async () => {
  bankId = `bank-${randomUUID().slice(0, 8)}`;
  key = (await client.createBankKey({ id: bankId }, asOperator)).key;
});

function facts(change: Record<string, unknown> = {}) {
  return {
    bsimId: bankId,
    name: "North Bank",
    apiBaseUrl: "http://127.0.0.1:9101/",
    authServerUrl: "http://127.0.0.1:9101/oidc",
    supportedCardTypes: ["VISA", "MC"],
    walletEnrollmentSupported: true,
    apiKey: "secret-payment-key",
    capabilities: ["idempotency", "void_by_key"],
    ...change,
  };
}

/** The HTTP status of a successful call is told by the handler alone; the stored row shows which it was. */
async function revision(): Promise<bigint> {
  return replica.deps.reader.revision();
}

it("registers a bank with the key issued for its id and emits both spellings, without the payment key", async () => {
  const bank = await client.registerBank(facts(), withKey(key));
  expect(bank).toMatchObject({
    bsimId: bankId,
    bankId,
    apiBaseUrl: "http://127.0.0.1:9101",
    supportedCardTypes: ["VISA", "MC"],
    supportedNetworks: ["VISA", "MC"],
    status: "active",
    health: "unknown",
  });
  expect(JSON.stringify(bank, (_, value) => (typeof value === "bigint" ? `${value}` : value))).not.toContain("secret");
  const { rows } = await replica.db.pool.query("select * from banks where id = $1", [bankId]);
  expect(rows[0].api_key_sealed.toString("latin1")).not.toContain("secret-payment-key");
});

it("accepts the other spelling of a pair and refuses two that differ", async () => {
  const bank = await client.registerBank(
    facts({ bsimId: "", bankId, supportedCardTypes: [], supportedNetworks: ["AMEX"] }),
    withKey(key),
  );
  expect(bank.supportedCardTypes).toEqual(["AMEX"]);
  await expect(client.registerBank(facts({ bankId: "other" }), withKey(key))).rejects.toMatchObject({
    reason: "invalid_bank_id",
    httpStatus: 400,
  });
});

it("changes nothing when a bank registers the same facts again", async () => {
  const first = await client.registerBank(facts(), withKey(key));
  const before = await revision();
  expect(await client.registerBank(facts(), withKey(key))).toEqual(first);
  expect(await revision()).toBe(before);
  await client.registerBank(facts({ apiKey: "another-payment-key" }), withKey(key));
  expect(await revision()).toBe(before + 1n);
});

it("creates one row when a new bank registers several times at once", async () => {
  const banks = await Promise.all(Array.from({ length: 8 }, () => client.registerBank(facts(), withKey(key))));
  expect(new Set(banks.map((bank) => bank.createdAt?.seconds)).size).toBe(1);
  const { rows } = await replica.db.pool.query("select count(*)::int as n from banks where id = $1", [bankId]);
  expect(rows[0].n).toBe(1);
});

it("lets nobody take another bank's id: 409 for a taken one, 403 for any other, and the row stays", async () => {
  await client.registerBank(facts(), withKey(key));
  const other = await client.createBankKey({ id: `thief-${bankId}` }, asOperator);
  const theft = client.registerBank(facts({ name: "Thief" }), withKey(other.key));
  await expect(theft).rejects.toMatchObject({ reason: "conflict", httpStatus: 409 });
  const stray = client.registerBank(facts({ bsimId: `free-${bankId}` }), withKey(other.key));
  await expect(stray).rejects.toMatchObject({ reason: "forbidden", httpStatus: 403 });
  for (const call of [
    () => client.updateBank({ id: bankId, name: "Thief" }, withKey(other.key)),
    () => client.removeBank({ id: bankId }, withKey(other.key)),
    () => client.sendHeartbeat({ id: bankId }, withKey(other.key)),
  ]) {
    await expect(call()).rejects.toMatchObject({ reason: "forbidden", httpStatus: 403 });
  }
  expect(await client.getBank({ id: bankId }, withKey(other.key))).toMatchObject({
    name: "North Bank",
    status: "active",
  });
});

it.each(["", "UPPER", "a b", "x".repeat(65), "straße", "a/b"])("refuses the id %j", async (id) => {
  const error = await client.registerBank(facts({ bsimId: id }), asOperator).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ httpStatus: 400, reason: id === "" ? "bad_request" : "invalid_bank_id" });
});

it("refuses a call without a key, with a wrong one, and with one that was revoked", async () => {
  await expect(client.registerBank(facts())).rejects.toMatchObject({ httpStatus: 401 });
  await expect(client.registerBank(facts(), withKey("wrong"))).rejects.toMatchObject({ httpStatus: 401 });
  const { keyId, key: second } = await client.createBankKey({ id: bankId }, asOperator);
  await client.revokeBankKey({ id: bankId, keyId }, asOperator);
  await client.revokeBankKey({ id: bankId, keyId }, asOperator);
  await expect(client.registerBank(facts(), withKey(second))).rejects.toMatchObject({ httpStatus: 401 });
  await expect(client.registerBank(facts(), withKey(key))).resolves.toMatchObject({ bsimId: bankId });
});

it("refuses an operator's method to a bank and a merchant", async () => {
  await expect(client.pauseBank({ id: bankId }, withKey(key))).rejects.toMatchObject({ httpStatus: 401 });
  await expect(client.createBankKey({ id: bankId }, withKey(key))).rejects.toMatchObject({ httpStatus: 401 });
});

it("keeps an operator's pause through registrations and wishes of the bank until it is resumed", async () => {
  await client.registerBank(facts(), withKey(key));
  expect((await client.pauseBank({ id: bankId }, asOperator)).status).toBe("maintenance");
  expect((await client.registerBank(facts({ name: "Restarted" }), withKey(key))).status).toBe("maintenance");
  const lift = client.updateBank({ id: bankId, status: "active" }, withKey(key));
  await expect(lift).rejects.toMatchObject({ httpStatus: 403 });
  expect((await client.updateBank({ id: bankId, status: "maintenance" }, withKey(key))).name).toBe("Restarted");
  expect((await client.resumeBank({ id: bankId }, asOperator)).status).toBe("active");
});

it("takes a removed bank off the list, keeps it known, and lets itself come back unless an operator removed it", async () => {
  await client.registerBank(facts(), withKey(key));
  await client.removeBank({ id: bankId }, withKey(key));
  const listed = await client.listBanks({}, withKey(key));
  expect(listed.banks.map((bank) => bank.bsimId)).not.toContain(bankId);
  const all = await client.listBanks({ includeInactive: true }, asOperator);
  expect(all.banks.map((bank) => bank.bsimId)).toContain(bankId);
  expect((await client.getBank({ id: bankId }, withKey(key))).status).toBe("inactive");
  expect((await client.registerBank(facts(), withKey(key))).status).toBe("active");
  await client.removeBank({ id: bankId }, asOperator);
  expect((await client.registerBank(facts(), withKey(key))).status).toBe("inactive");
});

it("changes the members given and leaves the others", async () => {
  await client.registerBank(facts({ logoUrl: "http://127.0.0.1:9101/logo.png" }), withKey(key));
  const changed = await client.updateBank({ id: bankId, name: "Renamed", logoUrl: "" }, withKey(key));
  expect(changed).toMatchObject({
    name: "Renamed",
    apiBaseUrl: "http://127.0.0.1:9101",
    capabilities: facts().capabilities,
  });
  expect(changed.logoUrl).toBeUndefined();
});

it("answers 404 bank_not_found for an id nobody has", async () => {
  const missing = { reason: "bank_not_found", httpStatus: 404 };
  await expect(client.getBank({ id: "nobody" }, asOperator)).rejects.toMatchObject(missing);
  await expect(client.updateBank({ id: "nobody", name: "x" }, asOperator)).rejects.toMatchObject(missing);
  await expect(client.pauseBank({ id: "nobody" }, asOperator)).rejects.toMatchObject(missing);
  await expect(client.sendHeartbeat({ id: bankId }, withKey(key))).rejects.toMatchObject(missing);
});

it.each([
  ["name", ""],
  ["apiBaseUrl", "not a url"],
  ["apiBaseUrl", "ftp://bank.example"],
  ["authServerUrl", "http://user:pass@bank.example"],
  ["openBankingUrl", "http://bank.example/#x"],
  ["binRanges", ["12x"]],
  ["capabilities", ["a b"]],
  ["apiKey", "line\nbreak"],
])("refuses a registration with %s = %j", async (field, value) => {
  const attempt = client.registerBank(facts({ [field]: value }), withKey(key));
  await expect(attempt).rejects.toMatchObject({ httpStatus: 400, reason: "bad_request" });
});

it("pages the list and writes the same rows under both names", async () => {
  await client.registerBank(facts(), withKey(key));
  const seen: string[] = [];
  let pageToken = "";
  do {
    const page = await client.listBanks({ pageSize: 2, pageToken, includeInactive: true }, asOperator);
    expect(page.bsims).toEqual(page.banks);
    expect(page.banks.length).toBeLessThanOrEqual(2);
    seen.push(...page.banks.map((bank) => bank.bsimId));
    pageToken = page.nextPageToken ?? "";
  } while (pageToken !== "");
  expect(seen).toEqual([...new Set(seen)].sort());
  expect(seen).toContain(bankId);
  await expect(client.listBanks({ pageToken: "broken" }, asOperator)).rejects.toMatchObject({ httpStatus: 400 });
});

it("refuses in production what only the local world may use", async () => {
  const strict = (await world.startReplica("production")).as("gateway");
  const good = {
    apiBaseUrl: "https://bank.example.com",
    authServerUrl: "https://bank.example.com/oidc",
    apiKey: "k".repeat(40),
  };
  for (const bad of [
    { apiBaseUrl: "http://bank.example.com" },
    { apiBaseUrl: "https://10.1.2.3" },
    { apiBaseUrl: "https://[::1]:9101" },
    { apiBaseUrl: "https://[::ffff:192.168.0.1]" },
    { authServerUrl: "https://localhost/oidc" },
    { openBankingUrl: "https://169.254.169.254/latest" },
    { apiKey: "demo-merchant-key" },
  ]) {
    const attempt = strict.registerBank(facts({ ...good, ...bad }), withKey(key));
    await expect(attempt).rejects.toMatchObject({ httpStatus: 400, reason: "bad_request" });
  }
  expect((await strict.registerBank(facts(good), withKey(key))).bsimId).toBe(bankId);
  const short = strict.createBankKey({ id: bankId, key: "short" }, asOperator);
  await expect(short).rejects.toMatchObject({ httpStatus: 400 });
  const demo = strict.createBankKey({ id: bankId, key: `demo-operator-key-${"x".repeat(20)}` }, asOperator);
  await expect(demo).rejects.toMatchObject({ httpStatus: 400 });
});
