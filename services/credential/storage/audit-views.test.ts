import { randomUUID } from "node:crypto";
import pg from "pg";
import { expect, it } from "vitest";
import { inTransaction } from "../../platform/db/transaction.ts";
import { setUp } from "../../platform/testing/set-up.ts";
import { jobActor } from "../domain/audit.ts";
import {
  asOperator,
  type CredentialWorld,
  connectUser,
  createCredentialWorld,
  ownerNamed,
  type Replica,
} from "../testing/credential-world.ts";
import { appendAudit } from "./audit-store.ts";
import { verifyAudit } from "./audit-verify.ts";

let world: CredentialWorld;
let replica: Replica;
let client: pg.Client;

setUp(async () => {
  world = await createCredentialWorld();
  replica = await world.startReplica();
  // With the service's own role: what operators are given has no more rights.
  client = new pg.Client({ connectionString: world.database.url });
  await client.connect();
  await client.query("set search_path to credential");
  return async () => {
    await client.end();
    await world.close();
  };
});

it("show who did what to which connection, and how connections stand", async () => {
  const connectionId = await connectUser(replica.wallet, "anna");
  await replica.wallet.refreshConnection({ owner: ownerNamed("anna"), connectionId });
  const logs = await client.query(
    "select user_id, action, timestamp, outcome from connector_audit_logs where user_id = 'anna' order by chain, sequence",
  );
  expect(logs.rows.map((row) => row.action)).toEqual(
    expect.arrayContaining(["connect", "token_exchange", "credential_store", "credential_access", "token_refresh"]),
  );
  expect(logs.rows[0]).toMatchObject({ user_id: "anna", action: "connect", outcome: "started" });
  expect(logs.rows[0].timestamp).toBeInstanceOf(Date);
  const connections = await client.query(
    "select id, user_id, connector_id, accounts, status, last_sync, settings from connector_connections where user_id = 'anna'",
  );
  expect(connections.rows).toEqual([
    {
      id: connectionId,
      user_id: "anna",
      connector_id: "bsim",
      accounts: expect.any(Array),
      status: "connected",
      last_sync: null,
      settings: expect.anything(),
    },
  ]);
});

it("show TrueLayer's acts and connections under their own names, older entries by their connection", async () => {
  const { storage } = replica.deps;
  const user = `tina-${randomUUID()}`;
  const connectionId = await connectUser(replica.wallet, user);
  // As entries were before they named their connector.
  const act = {
    action: "token_refresh",
    outcome: "ok",
    connectionId,
    connector: "",
    institutionId: "",
    durationMs: 1,
  } as const;
  const subject = { owner: ownerNamed(user), actor: jobActor("refresh"), now: world.clock.now() };
  await inTransaction(storage.db, (tx) => appendAudit(storage, tx, subject, [act]));
  const admin = await world.database.openAdmin();
  await admin.query("update credential.connections set connector = 'truelayer' where connection_id = $1", [
    connectionId,
  ]);
  const acts = "select action, created_at from truelayer_audit_logs where action = 'TOKEN_REFRESH' and user_id = $1";
  expect((await client.query(acts, [user])).rows).toEqual([{ action: "TOKEN_REFRESH", created_at: expect.any(Date) }]);
  const connections = await client.query("select status, expires_at from truelayer_connections where id = $1", [
    connectionId,
  ]);
  expect(connections.rows).toEqual([{ status: "ACTIVE", expires_at: expect.any(Date) }]);
});

it("show where a user acted from until he is erased, and the chain verifies before and after", async () => {
  const { storage } = replica.deps;
  const actor = { name: "user:uma", clientAddress: "203.0.113.9", userAgent: "Uma's phone" };
  const subject = { owner: ownerNamed("uma"), actor, now: world.clock.now() };
  const act = { action: "sync", outcome: "ok", connector: "bsim", institutionId: "north-bank", durationMs: 1 } as const;
  await inTransaction(storage.db, (tx) => appendAudit(storage, tx, subject, [act, act]));
  const seen = "select user_id, actor, ip_address, user_agent from connector_audit_logs where actor = 'user'";
  const row = { user_id: "uma", actor: "user", ip_address: "203.0.113.9", user_agent: "Uma's phone" };
  expect((await client.query(seen)).rows).toEqual([row, row]);
  expect((await verifyAudit(storage)).problems).toEqual([]);
  await replica.gateway.eraseUser({ userId: "uma" }, asOperator);
  const hashed = {
    user_id: null,
    actor: "user",
    ip_address: expect.stringMatching(/^#[0-9a-f]{64}$/),
    user_agent: expect.stringMatching(/^#/),
  };
  expect((await client.query(seen)).rows).toEqual([hashed, hashed]);
  expect((await verifyAudit(storage)).problems).toEqual([]);
});
