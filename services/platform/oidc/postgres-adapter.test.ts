import { errors } from "oidc-provider";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Database } from "../db/open-database.ts";
import { randomToken } from "../secrets/random-token.ts";
import { createTestDatabase, type TestDatabase } from "../testing/postgres.ts";
import { ManualClock } from "../time/manual-clock.ts";
import { createOidcAdapter } from "./postgres-adapter.ts";
import { createOidcRecordStore, type OidcTables } from "./storage/oidc-record-store.ts";

let test: TestDatabase;
let db: Database<OidcTables>;
const clock = new ManualClock(new Date("2026-03-01T12:00:00Z"));
const ended: string[] = [];

beforeAll(async () => {
  test = await createTestDatabase({ schema: "oidc", directory: new URL("./test-migrations/", import.meta.url) });
  db = test.open<OidcTables>();
});
afterAll(() => test.drop());

function adapterOf(model: string) {
  return createOidcAdapter({
    db,
    clock,
    findClient: async (clientId) => (clientId === "wallet" ? { client_id: "wallet" } : undefined),
    onGrantEnd: async (_tx, grantId) => void ended.push(grantId),
  })(model);
}

async function grantWith(model: string) {
  const grantId = randomToken();
  const id = randomToken();
  await adapterOf("Grant").upsert(grantId, { accountId: "a1", clientId: "wallet" }, 3600);
  await adapterOf(model).upsert(id, { grantId, accountId: "a1", clientId: "wallet", scope: "openid" }, 600);
  return { grantId, id };
}

describe("createOidcAdapter", () => {
  it("gives back what was stored, under the id it was stored with, to every replica", async () => {
    const { grantId, id } = await grantWith("AuthorizationCode");
    expect(await adapterOf("AuthorizationCode").find(id)).toMatchObject({ jti: id, grantId, scope: "openid" });
    expect(await adapterOf("RefreshToken").find(id)).toBeUndefined();
  });

  it("keeps no code, token or session id in the database", async () => {
    const { id } = await grantWith("RefreshToken");
    const session = randomToken();
    await adapterOf("Session").upsert(session, { uid: "u-1", jti: session }, 600);
    const interaction = { session: { uid: "u-1", accountId: "a1", cookie: session }, jti: "i1" };
    await adapterOf("Interaction").upsert("i1", interaction, 600);
    const { rows } = await db.pool.query("select oidc_records::text as text from oidc_records");
    const everything = JSON.stringify(rows);
    for (const secret of [id, session]) {
      expect(everything).not.toContain(secret);
      // Binary columns print as hex.
      expect(everything).not.toContain(Buffer.from(secret).toString("hex"));
    }
  });

  it("lets exactly one of ten parallel uses of a code through and ends its grant", async () => {
    const { grantId, id } = await grantWith("AuthorizationCode");
    const codes = adapterOf("AuthorizationCode");
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => codes.consume(id)));
    const refused = outcomes.filter((outcome) => outcome.status === "rejected");
    expect(refused).toHaveLength(9);
    for (const outcome of refused) expect(outcome.reason).toBeInstanceOf(errors.InvalidGrant);
    expect(await adapterOf("Grant").find(grantId)).toBeUndefined();
    expect(ended).toContain(grantId);
  });

  it("writes nothing under a grant that has ended", async () => {
    const { grantId } = await grantWith("AuthorizationCode");
    await adapterOf("Grant").destroy(grantId);
    const late = adapterOf("RefreshToken").upsert(randomToken(), { grantId, clientId: "wallet" }, 600);
    await expect(late).rejects.toBeInstanceOf(errors.InvalidGrant);
    const { rows } = await db.pool.query("select 1 from oidc_records where grant_id = $1", [grantId]);
    expect(rows).toHaveLength(0);
  });

  it("leaves no token behind when tokens are written while their grant ends", async () => {
    for (let round = 0; round < 10; round += 1) {
      const { grantId } = await grantWith("AuthorizationCode");
      const writes = Array.from({ length: 5 }, () =>
        adapterOf("RefreshToken").upsert(randomToken(), { grantId, clientId: "wallet" }, 600),
      );
      await Promise.allSettled([...writes, adapterOf("Grant").destroy(grantId)]);
      const { rows } = await db.pool.query("select 1 from oidc_records where grant_id = $1", [grantId]);
      expect(rows).toHaveLength(0);
    }
  });

  it("hides the rotation of a refresh token for 30 seconds and shows it afterwards", async () => {
    const { grantId, id } = await grantWith("RefreshToken");
    const tokens = adapterOf("RefreshToken");
    await tokens.consume(id);
    clock.advance(29_000);
    expect(await tokens.find(id)).not.toHaveProperty("consumed");
    await tokens.consume(id);
    clock.advance(1_000);
    expect(await tokens.find(id)).toHaveProperty("consumed");
    await expect(tokens.consume(id)).rejects.toBeInstanceOf(errors.InvalidGrant);
    expect(await adapterOf("Grant").find(grantId)).toBeUndefined();
  });

  it("does not stretch the grace by using it", async () => {
    const { id } = await grantWith("RefreshToken");
    const tokens = adapterOf("RefreshToken");
    await tokens.consume(id);
    clock.advance(20_000);
    await tokens.consume(id);
    clock.advance(20_000);
    expect(await tokens.find(id)).toHaveProperty("consumed");
  });

  it("finds a session by uid, the newest where two requests renewed it at once", async () => {
    const sessions = adapterOf("Session");
    const uid = randomToken();
    await sessions.upsert(randomToken(), { uid, accountId: "old" }, 600);
    await sessions.upsert(randomToken(), { uid, accountId: "new" }, 600);
    expect(await sessions.findByUid(uid)).toMatchObject({ accountId: "new" });
  });

  it("finds a device code by its user code", async () => {
    await adapterOf("DeviceCode").upsert(randomToken(), { userCode: "ABCD-EFGH", clientId: "wallet" }, 600);
    expect(await adapterOf("DeviceCode").findByUserCode("ABCD-EFGH")).toMatchObject({ clientId: "wallet" });
  });

  it("asks the service for clients and lets nobody register one", async () => {
    const clients = adapterOf("Client");
    expect(await clients.find("wallet")).toEqual({ client_id: "wallet" });
    await expect(clients.upsert("evil", { client_id: "evil" })).rejects.toThrow();
  });

  it("sweeps what has expired in batches, once, however many replicas sweep", async () => {
    const store = createOidcRecordStore(db);
    const interactions = adapterOf("Interaction");
    const ids = Array.from({ length: 25 }, () => randomToken());
    for (const id of ids) await interactions.upsert(id, {}, 1);
    const later = new Date(clock.now().getTime() + 2_000);
    const first = await Promise.all([store.sweepExpired(later, 10), store.sweepExpired(later, 10)]);
    for (const count of first) expect(count).toBeLessThanOrEqual(10);
    let removed = first.reduce((sum, count) => sum + count, 0);
    for (let count = 1; count > 0; removed += count) count = await store.sweepExpired(later, 10);
    expect(removed).toBeGreaterThanOrEqual(25);
    expect(await interactions.find(ids[0] ?? "")).toBeUndefined();
  });
});
