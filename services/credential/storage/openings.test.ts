import type pg from "pg";
import { describe, expect, it } from "vitest";
import { setUp } from "../../platform/testing/set-up.ts";
import { SealedRecordError } from "../../platform/vault/sealed-box.ts";
import { jobActor } from "../domain/audit.ts";
import {
  type CredentialWorld,
  connectUser,
  createCredentialWorld,
  ownerNamed,
  type Replica,
} from "../testing/credential-world.ts";
import { openAccess } from "./access-reads.ts";
import { verifyAudit } from "./audit-verify.ts";
import { findConnection } from "./connection-store.ts";
import { readFlights } from "./read-flights.ts";
import { findSecret, openSecret } from "./secret-store.ts";

let world: CredentialWorld;
let replica: Replica;
let admin: pg.Client;

setUp(async () => {
  world = await createCredentialWorld();
  replica = await world.startReplica();
  admin = await world.database.openAdmin();
  return () => world.close();
});

const reader = () => ({ actor: jobActor("test"), now: world.clock.now(), operation: "try" });

async function connected(userId: string) {
  const key = { owner: ownerNamed(userId), connectionId: await connectUser(replica.wallet, userId) };
  const connection = await findConnection(replica.deps.storage.db.query, key);
  if (connection === undefined) throw new Error("no connection");
  return connection;
}

async function rowsOf(connectionId: string, action: string): Promise<{ outcome: string; details: unknown }[]> {
  const text = "select outcome, details from audit_entries where connection_id = $1 and action = $2 order by sequence";
  const { rows } = await admin.query(text, [connectionId, action]);
  return rows.map((row) => ({ outcome: row.outcome, details: JSON.parse(row.details) }));
}

describe("opening a secret", () => {
  it("has its audit row before its plaintext: when the row cannot be written, nothing is opened", async () => {
    const connection = await connected("anna");
    const before = await rowsOf(connection.connectionId, "credential_access");
    await admin.query("alter table audit_entries add constraint closed check (outcome <> 'opened') not valid");
    const refused = openSecret(replica.deps.storage, connection, "access_token", reader());
    await expect(refused).rejects.toThrow("closed");
    await admin.query("alter table audit_entries drop constraint closed");
    expect(await rowsOf(connection.connectionId, "credential_access")).toEqual(before);
    expect((await openSecret(replica.deps.storage, connection, "access_token", reader()))?.plaintext).not.toBe("");
    const rows = await rowsOf(connection.connectionId, "credential_access");
    expect(rows.at(-1)).toEqual({
      outcome: "opened",
      details: { connector: "bsim", operation: "try", purpose: "access_token" },
    });
  });

  it("is possible through the openings alone: what stores and flows hold has no way to a plaintext", () => {
    const { vault } = replica.deps.storage;
    expect(Object.keys(vault).sort()).toEqual(["failureOf", "gather", "holds", "move", "seal", "sealAll"]);
  });

  it("leaves a row for the attempt and an alert when the secret was tampered with", async () => {
    const connection = await connected("berta");
    const damage = "update connection_secrets set ciphertext = ciphertext || '\\x00' where connection_id = $1";
    await admin.query(damage, [connection.connectionId]);
    const opened = openSecret(replica.deps.storage, connection, "refresh_token", reader());
    await expect(opened).rejects.toThrow(SealedRecordError);
    const accesses = await rowsOf(connection.connectionId, "credential_access");
    expect(accesses.at(-1)?.details).toMatchObject({ purpose: "refresh_token" });
    expect(await rowsOf(connection.connectionId, "security_alert")).toEqual([
      {
        outcome: "secret_rejected",
        details: { connector: "bsim", operation: "try", purpose: "refresh_token", failure: "rejected" },
      },
    ]);
    const repair =
      "update connection_secrets set ciphertext = substring(ciphertext for length(ciphertext) - 1) where connection_id = $1";
    await admin.query(repair, [connection.connectionId]);
  });

  it("finds connection and token together for their owner alone, whoever asks at the same time", async () => {
    const { storage } = replica.deps;
    const { owner, connectionId } = await connected("dora");
    const keys = [
      { owner: ownerNamed("mallory"), connectionId },
      { owner, connectionId: "no-uuid" },
      { owner: ownerNamed("nul\0"), connectionId },
      { owner, connectionId },
    ];
    const [found, ...others] = (await Promise.allSettled(keys.map(storage.accessReads.find))).reverse();
    expect(others.map((one) => (one.status === "fulfilled" ? one.value : "refused"))).toEqual([
      "refused",
      undefined,
      undefined,
    ]);
    if (found?.status !== "fulfilled" || found.value === undefined) throw new Error("not found");
    const expected = await openSecret(storage, found.value.connection, "access_token", reader());
    expect(await openAccess(storage, found.value, reader())).toEqual(expected);
    // As when its owner is erased between the reading and the opening: his key is gone, here for as long as that takes.
    const rename = "update data_keys set user_id = $2 where user_id = $1";
    await admin.query(rename, [owner.userId, "nobody"]);
    await expect(openAccess(storage, found.value, reader())).rejects.toMatchObject({ failure: "unknown_key" });
    await admin.query(rename, ["nobody", owner.userId]);
  });

  it("looks its data key up only once the audit has its row, for a refresh as well", async () => {
    const { storage } = replica.deps;
    const flight = await connected("emil");
    const { actor, now } = reader();
    const [start] = await readFlights(storage, [{ flight, actor, now, purpose: "refresh_token" }]);
    expect(await start?.openToken()).toBe((await openSecret(storage, flight, "refresh_token", reader()))?.plaintext);
    // As when its owner is erased while the flight begins.
    const rename = "update data_keys set user_id = $2 where user_id = $1";
    await admin.query(rename, [flight.owner.userId, "nobody"]);
    await expect(start?.openToken()).rejects.toMatchObject({ failure: "unknown_key" });
    await admin.query(rename, ["nobody", flight.owner.userId]);
  });

  it("shares transactions among readings begun together, with a row for each", async () => {
    const connections = await Promise.all(["c1", "c2", "c3", "c4"].map(connected));
    const secrets = await Promise.all(
      connections.map((one) => findSecret(replica.deps.storage.db.query, one, "access_token")),
    );
    const transactions = async (): Promise<bigint> => {
      const text =
        "select count(distinct xmin::text)::text as count from audit_entries where details like '%\"burst\"%'";
      return BigInt((await admin.query(text)).rows[0].count);
    };
    const readings = Array.from({ length: 200 }, (_, at) => secrets[at % secrets.length]);
    const texts = await Promise.all(
      readings.map((secret) => {
        if (secret === undefined) throw new Error("no secret");
        return replica.deps.storage.openings.open({ ...secret, ...reader(), connector: "bsim", operation: "burst" });
      }),
    );
    expect(new Set(texts).size).toBe(4);
    const text = "select count(*)::int as count from audit_entries where details like '%\"burst\"%'";
    expect((await admin.query(text)).rows[0].count).toBe(200);
    expect(await transactions()).toBeLessThan(10n);
    expect((await verifyAudit(replica.deps.storage)).problems).toEqual([]);
  });
});
