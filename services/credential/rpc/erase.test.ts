import { setTimeout as pause } from "node:timers/promises";
import type pg from "pg";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { setUp } from "../../platform/testing/set-up.ts";
import { sweepErasures } from "../flows/erase-user.ts";
import { sweepRevocations } from "../flows/revoke-secrets.ts";
import { sweepAttempts } from "../jobs/sweep-attempts.ts";
import { sweepRefreshes } from "../jobs/sweep-refreshes.ts";
import { verifyAudit } from "../storage/audit-verify.ts";
import {
  asOperator,
  asPhoneOf,
  type CredentialWorld,
  connectUser,
  consentAtBank,
  createCredentialWorld,
  ownerNamed,
  type Replica,
} from "../testing/credential-world.ts";

let world: CredentialWorld;
let replica: Replica;
let other: Replica;
let admin: pg.Client;
let user: string;
let bystander: string;
const live = new AbortController().signal;

setUp(async () => {
  world = await createCredentialWorld();
  replica = await world.startReplica();
  other = await world.startReplica();
  admin = await world.database.openAdmin();
  bystander = await connectUser(replica.wallet, "bystander");
  return () => world.close();
});
beforeEach(() => {
  user = `person-${crypto.randomUUID()}`;
});
afterEach(async () => {
  Object.assign(world.bank.behaviour, { isDown: false, renewsCredential: false });
  const call = { owner: ownerNamed("bystander"), connectionId: bystander };
  expect((await replica.wallet.listAccounts(call)).accounts).toHaveLength(1);
  expect((await verifyAudit(replica.deps.storage)).problems).toEqual([]);
});

const erase = (by: Replica = replica) => by.gateway.eraseUser({ userId: user }, asOperator);

/** A user with a connection, synced data, a waiting revocation and a consent under way. */
async function givenUser(): Promise<string> {
  const connectionId = await connectUser(replica.wallet, user);
  await replica.wallet.listAccounts({ owner: ownerNamed(user), connectionId });
  await admin.query(
    `insert into provider_transactions select 'wallet', $1, $2, 't' || n, 'a', -1, 'CAD', 'shop', 'posted', now(), null, null,
      null, now(), now() from generate_series(1, 6000) n`,
    [user, connectionId],
  );
  await admin.query(`insert into sync_states values ('wallet', $1, $2, 'c', 1, now(), now()) on conflict do nothing`, [
    user,
    connectionId,
  ]);
  await replica.wallet.beginConnect({
    owner: ownerNamed(user),
    connector: "bsim",
    institutionId: "north-bank",
    redirectUri: "http://127.0.0.1:8080/api/mobile/enrollment/callback/north-bank",
  });
  return connectionId;
}

/** Everything stored, as text. */
async function everything(): Promise<string> {
  const tables = await admin.query("select tablename from pg_tables where schemaname = 'credential'");
  let stored = "";
  for (const { tablename } of tables.rows) {
    const { rows } = await admin.query(`select t::text as row from ${tablename} t`);
    stored += rows.map((row) => `${tablename} ${row.row}\n`).join("");
  }
  return stored;
}

async function revokeAll(): Promise<void> {
  await sweepRevocations(replica.deps, live);
  await sweepErasures(replica.deps, live);
}

describe("erasing a user", () => {
  it("removes all of his, revokes at the bank, reports it, and leaves an audit that verifies and names nobody", async () => {
    await givenUser();
    const credentials = new Set(world.bank.liveCredentials);
    expect(await everything()).toContain(user);
    const report = await erase();
    expect(report).toMatchObject({
      status: "completed",
      connections: 1,
      transactions: 6000,
      connectAttempts: 2,
      revocations: 1,
      dataKeys: 1,
    });
    expect(await everything()).not.toContain(user);
    await revokeAll();
    expect(world.bank.liveCredentials.size).toBe(credentials.size - 1);
    const { rows } = await admin.query("select 1 from data_keys where user_id like 'erased:%'");
    expect(rows).toEqual([]);
    const kept = await admin.query("select action, user_id from connector_audit_logs where outcome = 'erased'");
    expect(kept.rows).toContainEqual({ action: "credential_delete", user_id: null });
    expect((await replica.wallet.listConnections({ owner: ownerNamed(user) })).connections).toEqual([]);
  });

  it("makes what a copy of the tables holds of him unreadable, together with the row put back", async () => {
    const connectionId = await givenUser();
    for (const table of ["connections", "connection_secrets"]) {
      await admin.query(`create table copy_of_${table} as select * from ${table} where user_id = $1`, [user]);
    }
    await erase();
    for (const table of ["connections", "connection_secrets"]) {
      await admin.query(`insert into ${table} select * from copy_of_${table}`);
      await admin.query(`drop table copy_of_${table}`);
    }
    const read = replica.wallet.listAccounts({ owner: ownerNamed(user), connectionId });
    await expect(read).rejects.toMatchObject({ reason: "server_error" });
    await erase();
    expect(await everything()).not.toContain(user);
  });

  it("revokes later what a bank that is down cannot confirm now, also what waited before", async () => {
    const connectionId = await connectUser(replica.wallet, user);
    world.bank.behaviour.isDown = true;
    await replica.wallet.disconnect({ owner: ownerNamed(user), connectionId });
    world.bank.behaviour.isDown = false;
    await connectUser(replica.wallet, user);
    world.bank.behaviour.isDown = true;
    const before = world.bank.liveCredentials.size;
    expect(await erase()).toMatchObject({ status: "completed", connections: 2, revocations: 2 });
    expect(await everything()).not.toContain(user);
    await revokeAll();
    expect(world.bank.liveCredentials.size).toBe(before);
    world.bank.behaviour.isDown = false;
    world.clock.advance(3_600_000);
    await revokeAll();
    expect(world.bank.liveCredentials.size).toBeLessThan(before);
    expect((await admin.query("select 1 from revocations")).rows).toEqual([]);
    expect((await admin.query("select 1 from data_keys where user_id like 'erased:%'")).rows).toEqual([]);
  });

  it("is not held up by a waiting revocation that does not open: it goes with an alert, the others wait on", async () => {
    const waiting = [];
    for (const _each of [1, 2]) {
      const connectionId = await connectUser(replica.wallet, user);
      world.bank.behaviour.isDown = true;
      await replica.wallet.disconnect({ owner: ownerNamed(user), connectionId });
      world.bank.behaviour.isDown = false;
      waiting.push(connectionId);
    }
    const [damaged] = waiting;
    await admin.query(
      `update revocations set sealed_secrets = set_byte(sealed_secrets, 30, 255 - get_byte(sealed_secrets, 30))
        where connection_id = $1`,
      [damaged],
    );
    expect(await erase()).toMatchObject({ status: "completed", connections: 2, revocations: 1 });
    expect(await everything()).not.toContain(user);
    const alerts = await admin.query(
      "select details from connector_audit_logs where outcome = 'secret_rejected' and connection_id = $1",
      [damaged],
    );
    expect(alerts.rows).toMatchObject([{ details: { purpose: "revocation" } }]);
    world.clock.advance(3_600_000);
    await revokeAll();
    const left = await admin.query("select 1 from revocations where connection_id = any($1::uuid[])", [waiting]);
    expect(left.rows).toEqual([]);
  });

  it("is one erasure when two replicas are asked at once, and a repeat finds nothing more", async () => {
    await givenUser();
    const reports = await Promise.all([erase(), erase(other)]);
    expect(new Set(reports.map((report) => report.status))).toEqual(new Set(["completed"]));
    expect(reports.reduce((sum, report) => Math.max(sum, report.connections), 0)).toBe(1);
    expect(await erase()).toMatchObject({ status: "completed", connections: 0, dataKeys: 0 });
  });

  it("lets the user come back afterwards, as somebody new", async () => {
    await givenUser();
    await erase();
    const connectionId = await connectUser(replica.wallet, user);
    expect((await replica.wallet.listAccounts({ owner: ownerNamed(user), connectionId })).accounts).toHaveLength(1);
  });

  it("is a person's own right, and his alone", async () => {
    await givenUser();
    const phone = asPhoneOf(user);
    await expect(replica.gateway.eraseUser({ userId: "bystander" }, phone)).rejects.toMatchObject({ code: 7 });
    await expect(replica.gateway.eraseUser({ userId: user, tenant: "firm" }, phone)).rejects.toMatchObject({ code: 7 });
    expect(await replica.gateway.eraseUser({ userId: "me" }, phone)).toMatchObject({
      status: "completed",
      connections: 1,
    });
    expect(await everything()).not.toContain(user);
  });

  it("refuses everyone but operators and the wallet", async () => {
    await expect(replica.gateway.eraseUser({ userId: user })).rejects.toMatchObject({ code: 16 });
    await expect(replica.wallet.eraseUser({ userId: user })).resolves.toMatchObject({ status: "completed" });
    await expect(replica.gateway.eraseUser({ userId: "" }, asOperator)).rejects.toMatchObject({ code: 3 });
  });
});

/** Tables and what is done to them, in each step of an erasure. */
const steps = [
  ["delete", "connect_attempts"],
  ["insert", "revocations"],
  ["delete", "connection_secrets"],
  ["delete", "provider_transactions"],
  ["delete", "sync_states"],
  ["delete", "connections"],
  ["update", "revocations"],
  ["delete", "data_keys"],
  ["delete", "audit_owners"],
] as const;

describe("an erasure whose process dies", () => {
  it.each(steps)("at the %s of %s is finished by the job, and its report is whole", async (act, table) => {
    const earlier = { owner: ownerNamed(user), connectionId: await connectUser(replica.wallet, user) };
    world.bank.behaviour.isDown = true;
    await replica.wallet.disconnect(earlier);
    world.bank.behaviour.isDown = false;
    await givenUser();
    await admin.query(`create function die() returns trigger language plpgsql as $$ begin raise 'died'; end $$`);
    await admin.query(`create trigger die before ${act} on ${table} for each row execute function die()`);
    let erasureId = "";
    try {
      const report = await erase();
      expect(report).toMatchObject({ status: "running" });
      ({ erasureId } = report);
      expect(await sweepErasures(other.deps, live)).toBe(0);
    } finally {
      await admin.query("drop function die() cascade");
    }
    world.clock.advance(61_000);
    expect(await sweepErasures(other.deps, live)).toBe(1);
    const { rows } = await admin.query("select * from erasures where erasure_id = $1", [erasureId]);
    expect(rows[0]).toMatchObject({
      state: "completed",
      connections: 2,
      transactions: 6000,
      revocations: 2,
      user_id: null,
    });
    expect(await everything()).not.toContain(user);
    await revokeAll();
  });
});

it("an erasure that cannot go on holds up no other, and is finished once it can", async () => {
  const stuck = user;
  const next = `next-${user}`;
  await admin.query(`create function die() returns trigger language plpgsql as $$ begin
    if old.user_id = any(string_to_array(tg_argv[0], ' ')) then raise 'died'; end if; return old; end $$`);
  const dieFor = (users: readonly string[]) =>
    admin.query(`create or replace trigger die before delete on connections for each row execute function
      die('${users.join(" ")}')`);
  try {
    await dieFor([stuck, next]);
    for (const each of [stuck, next]) {
      await connectUser(replica.wallet, each);
      const report = await replica.gateway.eraseUser({ userId: each }, asOperator);
      expect(report.status).toBe("running");
      world.clock.advance(1);
    }
    await dieFor([stuck]);
    world.clock.advance(61_000);
    await sweepErasures(replica.deps, live);
    expect(await everything()).not.toContain(next);
  } finally {
    await admin.query("drop function die() cascade");
  }
  world.clock.advance(61_000);
  await sweepErasures(replica.deps, live);
  expect(await everything()).not.toContain(stuck);
  await revokeAll();
});

describe("a user erased meanwhile", () => {
  it("during a refresh, is not brought back by the bank's answer, which is revoked there", async () => {
    const liveBefore = world.bank.liveCredentials.size;
    const call = { owner: ownerNamed(user), connectionId: await connectUser(replica.wallet, user) };
    world.bank.behaviour.renewsCredential = true;
    const held = world.bank.holdNextToken();
    const refreshed = replica.wallet.refreshConnection(call).catch((error: unknown) => error);
    await held.arrived;
    expect(await erase(other)).toMatchObject({ status: "completed" });
    void held.letIn();
    expect(await refreshed).toMatchObject({ reason: "connection_not_found" });
    await replica.refresher.idle();
    await sweepRefreshes(replica, live);
    await sweepErasures(replica.deps, live);
    expect(await everything()).not.toContain(user);
    await revokeAll();
    expect(world.bank.liveCredentials.size).toBe(liveBefore);
    expect((await admin.query("select 1 from data_keys where user_id like 'erased:%'")).rows).toEqual([]);
  });

  it("during a consent, is not brought back by the grant, which is revoked at the bank", async () => {
    const liveBefore = world.bank.liveCredentials.size;
    const answer = await consentAtBank(replica.wallet, user);
    const held = world.bank.holdNextToken();
    const completed = replica.wallet
      .completeConnect({ owner: ownerNamed(user), ...answer })
      .catch((error: unknown) => error);
    await held.arrived;
    expect(await erase(other)).toMatchObject({ status: "completed", connectAttempts: 1 });
    // Its keys are gone by now; what comes later is kept under new ones.
    await sweepErasures(other.deps, live);
    void held.letIn();
    expect(await completed).toMatchObject({ reason: "provider_unavailable" });
    expect(world.bank.liveCredentials.size).toBe(liveBefore + 1);
    await sweepAttempts(replica.deps, live);
    await sweepErasures(replica.deps, live);
    expect(await everything()).not.toContain(user);
    await revokeAll();
    expect(world.bank.liveCredentials.size).toBe(liveBefore);
    expect((await admin.query("select 1 from data_keys where user_id like 'erased:%'")).rows).toEqual([]);
  });

  it("during a reading of his accounts, is not named again by its audit", async () => {
    const call = { owner: ownerNamed(user), connectionId: await connectUser(replica.wallet, user) };
    await admin.query("begin");
    await admin.query("lock table audit_chains in access exclusive mode");
    const read = replica.wallet.listAccounts(call).catch((error: unknown) => error);
    await pause(200);
    await admin.query("commit");
    await Promise.all([read, erase(other)]);
    await sweepErasures(replica.deps, live);
    expect(await everything()).not.toContain(user);
    await revokeAll();
  });
});
