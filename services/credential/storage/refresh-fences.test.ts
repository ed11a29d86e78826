import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inTransaction } from "../../platform/db/transaction.ts";
import { systemClock } from "../../platform/time/clock.ts";
import type { Connection } from "../domain/connection.ts";
import { openTestStorage } from "../testing/open-test-storage.ts";
import { connectTo } from "../webhooks/testing/webhook-world.ts";
import { abortFlight, journalAnswers, landFlights, releaseFlight } from "./refresh-store.ts";
import type { Storage } from "./storage.ts";

let storage: Storage;
let drop: (() => Promise<void>) | undefined;

beforeAll(async () => {
  ({ storage, drop } = await openTestStorage());
});
afterAll(() => drop?.());

/** A connection that is being refreshed: its third flight, of its second consent. */
async function inFlight(): Promise<Connection> {
  const [userId, reference] = [randomUUID(), randomUUID()];
  const connection = await connectTo({ storage, clock: systemClock }, { connector: "bsim", reference, userId });
  const now = { generation: 2, refreshEpoch: 3n, refreshHolder: "the newer one" };
  await sql`update connections set generation = ${now.generation}, refresh_epoch = ${now.refreshEpoch},
    refresh_holder = ${now.refreshHolder}, refresh_lease_until = now() + interval '1 hour'
    where connection_id = ${connection.connectionId}`.execute(storage.db.query);
  return { ...connection, ...now };
}

/** Ends it, and leaves everything by which a flight is known. */
const revoke = ({ connectionId }: Connection) =>
  sql`update connections set state = 'REVOKED', state_reason = 'disconnected'
    where connection_id = ${connectionId}`.execute(storage.db.query);

const rowOf = ({ connectionId }: Connection) =>
  storage.db.query.selectFrom("connections").selectAll().where("connection_id", "=", connectionId).executeTakeFirst();

const now = new Date();
const standing = { state: "ACTIVE", reason: "" } as const;
const secretColumns = { hasRefreshToken: true, hasCredential: false, accessTokenExpiresAt: undefined };
const columns = {
  ...secretColumns,
  standing,
  credentialExpiresAt: undefined,
  consentExpiresAt: undefined,
  refreshDueAt: undefined,
  now,
};
const failed = { outcome: "transient", standing, retryAt: now, failures: 1, isUnsettled: false, now } as const;

/** Each way a flight ends; whether it was let in. */
const ends = {
  "with new tokens": async (flight: Connection) =>
    await inTransaction(storage.db, async (tx) => (await landFlights(tx, [{ flight, columns, secrets: 2 }])).size > 0),
  "with a failure": async (flight: Connection) =>
    await inTransaction(storage.db, (tx) => abortFlight(tx, flight, failed)),
  "by being given back": async (flight: Connection) => {
    await inTransaction(storage.db, (tx) => releaseFlight(tx, flight));
    return (await rowOf(flight))?.refresh_holder === null;
  },
};

describe.each(Object.entries(ends))("a flight that ends %s", (_title, end) => {
  it("leaves its mark on the connection it holds", async () => {
    const flight = await inFlight();
    expect(await end(flight)).toBe(true);
    expect((await rowOf(flight))?.refresh_holder).toBe(null);
  });

  it.each([
    ["was overtaken by another flight", { refreshEpoch: 2n }],
    ["belongs to an older consent", { generation: 1 }],
  ])("and %s leaves none", async (_why, older) => {
    const flight = await inFlight();
    const before = await rowOf(flight);
    expect(await end({ ...flight, ...older })).toBe(false);
    expect(await rowOf(flight)).toEqual(before);
  });

  it("leaves none on a connection that has ended, whatever its numbers say", async () => {
    const flight = await inFlight();
    await revoke(flight);
    const before = await rowOf(flight);
    expect(await end(flight)).toBe(false);
    expect(await rowOf(flight)).toEqual(before);
  });
});

it("an answer for a connection that has ended is not kept, whatever its numbers say, and told to be one to take back", async () => {
  const flight = await inFlight();
  await revoke(flight);
  const answer = { flight, text: "tokens", now };
  const journaled = await inTransaction(storage.db, (tx) => journalAnswers(storage, tx, [answer]));
  expect(journaled).toEqual({ kept: new Set(), ended: [{ ...answer, isGone: false }] });
});
