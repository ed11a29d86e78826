import { randomUUID } from "node:crypto";
import type pg from "pg";
import { describe, expect, it } from "vitest";
import { inTransaction } from "../../platform/db/transaction.ts";
import { setUp } from "../../platform/testing/set-up.ts";
import { jobActor } from "../domain/audit.ts";
import type { Owner } from "../domain/connection.ts";
import {
  asOperator,
  type CredentialWorld,
  connectUser,
  consentAtBank,
  createCredentialWorld,
  ownerNamed,
  type Replica,
} from "../testing/credential-world.ts";
import { chainOf, ownerHash } from "./audit-chain.ts";
import { appendAudit } from "./audit-store.ts";
import { verifyAudit } from "./audit-verify.ts";
import type { SignedHeads } from "./head-signature.ts";
import { signedHeadsAfter, signMovedHeads } from "./signed-head-store.ts";
import type { Storage } from "./storage.ts";

const anAct = [{ action: "sync", outcome: "ok", connector: "", institutionId: "", durationMs: 0 }] as const;
let world: CredentialWorld;
let replica: Replica;
let admin: pg.Client;

setUp(async () => {
  world = await createCredentialWorld();
  replica = await world.startReplica();
  admin = await world.database.openAdmin();
  return () => world.close();
});

const problems = async () => (await verifyAudit(replica.deps.storage)).problems.map((problem) => problem.kind);

/** Does something to the tables, looks what the check says, and puts things right again. */
async function whileTampered(change: string): Promise<string[]> {
  await admin.query("begin");
  await admin.query(change);
  await admin.query("commit");
  return await problems();
}

describe("the audit", () => {
  it("has a row for every act, with actor, outcome and duration, and its chains verify", async () => {
    const call = { owner: ownerNamed("anna"), connectionId: await connectUser(replica.wallet, "anna") };
    await replica.wallet.listCards(call);
    await replica.wallet.listAccounts(call);
    await replica.wallet.refreshConnection(call);
    await replica.wallet.disconnect(call);
    const { rows } = await admin.query("select action, outcome, actor from audit_entries where tenant = 'wallet'");
    const acts = rows.map((row) => `${row.action} ${row.outcome} ${row.actor}`);
    for (const act of [
      "connect started service:wallet",
      "token_exchange ok service:wallet",
      "connect ok service:wallet",
      "credential_store ok service:wallet",
      "credential_access ok service:wallet",
      "account_list ok service:wallet",
      "token_refresh ok service:wallet",
      "disconnect ok service:wallet",
      "credential_delete ok service:wallet",
      "credential_delete revoked_at_provider service:wallet",
    ]) {
      expect(acts).toContain(act);
    }
    expect(await problems()).toEqual([]);
  });

  it("stays one chain each under parallel acts", async () => {
    const users = ["u1", "u2", "u3", "u4"];
    await Promise.all(users.map((user) => connectUser(replica.wallet, user)));
    const call = { owner: ownerNamed("u1"), connectionId: await connectUser(replica.wallet, "u1") };
    await Promise.all(Array.from({ length: 12 }, () => replica.wallet.listCards(call)));
    expect(await problems()).toEqual([]);
  });

  it("stays one chain when replicas and transactions append to it by turns and at once, and loses no act", async () => {
    const other = await world.startReplica();
    const subject = { owner: ownerNamed("turns"), actor: jobActor(`turns-${randomUUID()}`), now: world.clock.now() };
    const storages = [replica.deps.storage, other.deps.storage];
    const append = (storage: Storage) => storage.auditLog.append({ subject, acts: anAct });
    const appendWithin = (storage: Storage) =>
      inTransaction(storage.db, (tx) => appendAudit(storage, tx, subject, anAct));
    for (const storage of storages) await append(storage);
    for (const storage of storages) await appendWithin(storage);
    for (const storage of storages) await append(storage);
    await Promise.all(
      Array.from({ length: 10 }, () => storages.flatMap((one) => [append(one), appendWithin(one)])).flat(),
    );
    const { rows } = await admin.query("select count(*)::int as count from audit_entries where actor = $1", [
      subject.actor.name,
    ]);
    expect(rows[0].count).toBe(46);
    expect(await problems()).toEqual([]);
  });

  it("has 64 chains a tenant, over which owners spread evenly", async () => {
    const { storage } = replica.deps;
    const tenant = `spread-${randomUUID()}`;
    const owners = Array.from({ length: 3_200 }, (_, index) => ({ tenant, userId: `user-${index}` }));
    const sizes = Map.groupBy(owners, (owner) => chainOf(ownerHash(storage.auditKey, owner)));
    expect([...sizes.keys()].toSorted((one, other) => one - other)).toEqual(
      Array.from({ length: 64 }, (_, chain) => chain),
    );
    // Fifty each, give or take what chance allows.
    expect(Math.min(...[...sizes.values()].map((each) => each.length))).toBeGreaterThan(20);
    expect(Math.max(...[...sizes.values()].map((each) => each.length))).toBeLessThan(100);
    const actor = jobActor("spread");
    const five = [...sizes.values()].flatMap((each) => each.slice(0, 5));
    const subjectOf = (owner: Owner) => ({ owner, actor, now: world.clock.now() });
    await Promise.all(five.map((owner) => storage.auditLog.append({ subject: subjectOf(owner), acts: anAct })));
    const { rows } = await admin.query(
      "select count(*)::int as chains, sum(head_sequence)::int as acts from audit_chains where tenant = $1",
      [tenant],
    );
    expect(rows).toEqual([{ chains: 64, acts: 320 }]);
    expect(await problems()).toEqual([]);
  });

  it("holds up nobody of another chain while a transaction has one chain, and only those of that one", async () => {
    const { storage } = replica.deps;
    const tenant = `locks-${randomUUID()}`;
    const chainOfUser = (userId: string) => chainOf(ownerHash(storage.auditKey, { tenant, userId }));
    const users = Array.from({ length: 2_000 }, (_, index) => `user-${index}`);
    const [holder = ""] = users;
    const beside = users.find((user) => user !== holder && chainOfUser(user) === chainOfUser(holder)) ?? "";
    // One of the same lane of the log, and one of the other.
    const others = [2, 1].map(
      (step) => users.find((user) => chainOfUser(user) === (chainOfUser(holder) + step) % 64) ?? "",
    );
    const subjectOf = (userId: string) => ({
      owner: { tenant, userId },
      actor: jobActor("locks"),
      now: world.clock.now(),
    });
    const append = (userId: string) =>
      inTransaction(storage.db, (tx) => appendAudit(storage, tx, subjectOf(userId), anAct));
    await Promise.all([holder, ...others].map(append));
    const held = Promise.withResolvers<void>();
    const hasIt = Promise.withResolvers<void>();
    const holding = inTransaction(storage.db, async (tx) => {
      await appendAudit(storage, tx, subjectOf(holder), anAct);
      hasIt.resolve();
      await held.promise;
    });
    let isBesideDone = false;
    let waiting: Promise<unknown> | undefined;
    try {
      await hasIt.promise;
      waiting = append(beside).then(() => (isBesideDone = true));
      await Promise.all(others.map(append));
      await Promise.all(others.map((userId) => storage.auditLog.append({ subject: subjectOf(userId), acts: anAct })));
      expect(isBesideDone).toBe(false);
    } finally {
      held.resolve();
      await holding;
      await waiting;
    }
    expect(isBesideDone).toBe(true);
  });

  it("verifies while acts go on, and takes none of them for tampering", async () => {
    const call = { owner: ownerNamed("busy"), connectionId: await connectUser(replica.wallet, "busy") };
    let isOver = false;
    const acts = (async () => {
      while (!isOver) await replica.wallet.refreshConnection(call);
    })();
    try {
      for (let count = 0; count < 12; count += 1) expect(await problems()).toEqual([]);
    } finally {
      isOver = true;
      await acts;
    }
  });

  it("counts an attack on a state as a security alert", async () => {
    const answer = await consentAtBank(replica.wallet, "victim");
    await replica.wallet.completeConnect({ owner: ownerNamed("mallory"), ...answer }).catch(() => undefined);
    const { rows } = await admin.query("select outcome from audit_entries where action = 'security_alert'");
    expect(rows).toEqual([{ outcome: "invalid_state" }]);
  });

  it("shows an edited, a removed and a reordered entry", async () => {
    await connectUser(replica.wallet, "eve");
    const target =
      "(tenant, chain, sequence) = (select tenant, chain, 1::bigint from audit_chains where head_sequence > 3 limit 1)";
    expect(await whileTampered(`update audit_entries set outcome = 'edited' where ${target}`)).toContain(
      "entry_altered",
    );
    const { rows } = await admin.query("select action from audit_entries where outcome = 'edited'");
    const outcome = rows[0].action === "connect" ? "started" : "ok";
    expect(await whileTampered(`update audit_entries set outcome = '${outcome}' where outcome = 'edited'`)).toEqual([]);
    const swapped =
      await whileTampered(`with pair as (select tenant, chain from audit_chains where head_sequence > 3 limit 1)
      update audit_entries set sequence = sequence + 1000000 from pair
      where audit_entries.tenant = pair.tenant and audit_entries.chain = pair.chain and sequence = 2`);
    expect(swapped).toContain("entry_missing");
    await admin.query("update audit_entries set sequence = sequence - 1000000 where sequence > 1000000");
    expect(await problems()).toEqual([]);
    await admin.query("create table kept as select * from audit_entries where false");
    const last =
      "(tenant, chain, sequence) in (select tenant, chain, head_sequence from audit_chains where head_sequence > 3 limit 1)";
    await admin.query(`insert into kept select * from audit_entries where ${last}`);
    // Where the entry told of a stored secret, that one is found as well.
    expect(await whileTampered(`delete from audit_entries where ${last}`)).toContain("chain_cut");
    await admin.query("insert into audit_entries select * from kept");
    expect(await problems()).toEqual([]);
  });

  it("shows an entry that was appended, with its head made to fit", async () => {
    await connectUser(replica.wallet, "eve");
    const chain = "(tenant, chain) = (select tenant, chain from audit_chains where tenant = 'wallet' limit 1)";
    await admin.query(`create table head_before as select * from audit_chains where ${chain}`);
    const appended = await whileTampered(`with forged as (insert into audit_entries
        select tenant, chain, sequence + 1, at, action, 'forged', actor, client_address, user_agent, owner_hash,
          connection_id, institution_id, duration_ms, details, sha256('forged')
        from audit_entries where (tenant, chain, sequence) in (select tenant, chain, head_sequence from head_before)
        returning tenant, chain, sequence, hash)
      update audit_chains c set head_sequence = f.sequence, head_hash = f.hash from forged f
      where c.tenant = f.tenant and c.chain = f.chain`);
    expect(appended).toEqual(["entry_altered"]);
    await admin.query("delete from audit_entries where outcome = 'forged'");
    await admin.query(`update audit_chains c set head_sequence = h.head_sequence, head_hash = h.head_hash
      from head_before h where c.tenant = h.tenant and c.chain = h.chain`);
    expect(await problems()).toEqual([]);
  });

  it("shows a chain cut at its end together with its head, once its head was signed", async () => {
    const call = { owner: ownerNamed("cut"), connectionId: await connectUser(replica.wallet, "cut") };
    await replica.wallet.listCards(call);
    const { storage } = replica.deps;
    expect(await signMovedHeads(storage, world.clock.now())).toBeGreaterThan(0);
    expect(await signMovedHeads(storage, world.clock.now())).toBe(0);
    const kept: SignedHeads[] = [];
    for await (const record of signedHeadsAfter(storage.db.query, 0n)) kept.push(record);
    await admin.query(`create table cut_chains as select * from audit_chains;
      create table cut_entries as select * from audit_entries;
      create table cut_heads as select * from audit_signed_heads`);
    const chain = `(select tenant, chain from audit_entries where connection_id = '${call.connectionId}' limit 1)`;
    const cut = await whileTampered(`
      create table cut_chain as ${chain};
      delete from audit_entries e using cut_chain, audit_chains c
        where (e.tenant, e.chain) = (cut_chain.tenant, cut_chain.chain) and (c.tenant, c.chain) = (e.tenant, e.chain)
          and e.sequence = c.head_sequence;
      update audit_chains c set head_sequence = e.sequence, head_hash = e.hash from audit_entries e, cut_chain
        where (c.tenant, c.chain) = (cut_chain.tenant, cut_chain.chain) and (e.tenant, e.chain) = (c.tenant, c.chain)
          and e.sequence = c.head_sequence - 1`);
    expect(cut).toEqual(["chain_cut"]);
    // Whoever removes the signed heads as well is found by those that were kept elsewhere.
    await admin.query("delete from audit_signed_heads where number = (select max(number) from audit_signed_heads)");
    expect((await verifyAudit(storage, kept)).problems.map(({ kind }) => kind)).toEqual(["chain_cut"]);
    await admin.query(`delete from audit_entries; insert into audit_entries select * from cut_entries;
      delete from audit_chains; insert into audit_chains select * from cut_chains;
      delete from audit_signed_heads; insert into audit_signed_heads select * from cut_heads`);
    expect((await verifyAudit(storage, kept)).problems).toEqual([]);
  });

  it("shows signed heads that were edited, forged or removed in between", async () => {
    const { storage } = replica.deps;
    for (const user of ["h1", "h2", "h3"]) {
      await connectUser(replica.wallet, user);
      await signMovedHeads(storage, world.clock.now());
    }
    await admin.query("create table all_heads as select * from audit_signed_heads");
    const restore = "delete from audit_signed_heads; insert into audit_signed_heads select * from all_heads";
    const middle = "number = (select max(number) - 1 from all_heads)";
    expect(await whileTampered(`update audit_signed_heads set heads = '[]' where ${middle}`)).toContain("head_altered");
    await admin.query(restore);
    expect(await whileTampered(`delete from audit_signed_heads where ${middle}`)).toContain("head_missing");
    await admin.query(restore);
    expect(await problems()).toEqual([]);
  });

  it("shows a whole secret row put back, which opens because it is authentic", async () => {
    const call = { owner: ownerNamed("berta"), connectionId: await connectUser(replica.wallet, "berta") };
    await admin.query(
      `create table old as select * from connection_secrets where user_id = 'berta' and purpose = 'access_token'`,
    );
    await replica.wallet.refreshConnection(call);
    expect(await problems()).toEqual([]);
    const putBack = await whileTampered(`update connection_secrets s set record_version = old.record_version,
      ciphertext = old.ciphertext, data_key_id = old.data_key_id from old
      where s.connection_id = old.connection_id and s.purpose = old.purpose`);
    expect(putBack).toEqual(["secret_put_back"]);
    await replica.wallet.refreshConnection(call);
    expect(await problems()).toEqual([]);
  });

  it("shows an older OAuth client of a bank put back", async () => {
    const put = (clientSecret: string) =>
      replica.gateway.putProviderClient({ id: "other-bank", clientId: "wsim-wallet", clientSecret }, asOperator);
    await put("the first secret");
    await admin.query("create table old_client as select * from provider_clients where bsim_id = 'other-bank'");
    await put("the second secret");
    expect(await problems()).toEqual([]);
    const putBack = await whileTampered(`update provider_clients c set record_version = o.record_version,
      sealed_secret = o.sealed_secret, data_key_id = o.data_key_id from old_client o where c.bsim_id = o.bsim_id`);
    expect(putBack).toEqual(["secret_put_back"]);
    await put("the third secret");
    expect(await problems()).toEqual([]);
  });
});

describe("a stored secret", () => {
  it("that was truncated, altered or moved to another row is shown", async () => {
    for (const user of ["t1", "t2"]) await connectUser(replica.wallet, user);
    await admin.query("create table secrets_before as select * from connection_secrets");
    const of = (user: string) => `user_id = '${user}' and purpose = 'access_token'`;
    const changes = [
      `update connection_secrets set ciphertext = substring(ciphertext for length(ciphertext) - 1) where ${of("t1")}`,
      `update connection_secrets set ciphertext = set_byte(ciphertext, 60, get_byte(ciphertext, 60) # 1) where ${of("t1")}`,
      `update connection_secrets set record_version = record_version + 1 where ${of("t1")}`,
      `update connection_secrets s set ciphertext = o.ciphertext, data_key_id = o.data_key_id,
         record_version = o.record_version from connection_secrets o
         where s.user_id = 't1' and o.user_id = 't2' and s.purpose = o.purpose and s.purpose = 'access_token'`,
    ];
    for (const change of changes) {
      expect(await whileTampered(change), change).toEqual(["secret_put_back"]);
      await admin.query(`update connection_secrets s set ciphertext = b.ciphertext, data_key_id = b.data_key_id,
        record_version = b.record_version from secrets_before b
        where (s.connection_id, s.purpose) = (b.connection_id, b.purpose)`);
      expect(await problems()).toEqual([]);
    }
  });

  it("that was destroyed and put back is shown", async () => {
    const call = { owner: ownerNamed("back"), connectionId: await connectUser(replica.wallet, "back") };
    await admin.query("create table gone as select * from connection_secrets where user_id = 'back'");
    await replica.wallet.disconnect(call);
    expect(await problems()).toEqual([]);
    expect(await whileTampered("insert into connection_secrets select * from gone")).toContain("secret_put_back");
    await admin.query("delete from connection_secrets where user_id = 'back'");
    expect(await problems()).toEqual([]);
  });
});

describe("a stored secret that was tampered with", () => {
  it("does not open in another row, leaves a security alert, and tells the caller nothing", async () => {
    const mine = { owner: ownerNamed("dora"), connectionId: await connectUser(replica.wallet, "dora") };
    const other = { owner: ownerNamed("emil"), connectionId: await connectUser(replica.wallet, "emil") };
    await admin.query(`update connection_secrets s set ciphertext = o.ciphertext, data_key_id = o.data_key_id,
      record_version = o.record_version from connection_secrets o
      where s.user_id = 'dora' and o.user_id = 'emil' and s.purpose = o.purpose`);
    // One after the other: a call that fails while another is waited for would be nobody's.
    for (const read of [() => replica.wallet.listAccounts(mine), () => replica.wallet.listCards(mine)]) {
      await expect(read()).rejects.toMatchObject({ reason: "server_error", code: 13 });
    }
    const { rows } = await admin.query("select details from audit_entries where outcome = 'secret_rejected'");
    expect(rows.map((row) => JSON.parse(row.details).purpose).sort()).toEqual(["access_token", "wallet_credential"]);
    expect((await replica.wallet.listAccounts(other)).accounts).toHaveLength(1);
  });
});

describe("a stored secret that does not open", () => {
  const damage = (user: string) =>
    admin.query("update connection_secrets set ciphertext = ciphertext || '\\x00' where user_id = $1", [user]);
  const alerts = async (connectionId: string): Promise<string[]> => {
    const found = "select details from audit_entries where outcome = 'secret_rejected' and connection_id = $1";
    const { rows } = await admin.query(found, [connectionId]);
    return rows.map((row) => String(JSON.parse(row.details).purpose)).sort();
  };

  it("is replaced by a new consent, under the same connection", async () => {
    const connectionId = await connectUser(replica.wallet, "fritz");
    await damage("fritz");
    expect(await connectUser(replica.wallet, "fritz")).toBe(connectionId);
    const call = { owner: ownerNamed("fritz"), connectionId };
    expect((await replica.wallet.listCards(call)).cards).not.toEqual([]);
    expect(await alerts(connectionId)).toEqual(["wallet_credential"]);
  });

  it("does not keep its user from leaving", async () => {
    const connectionId = await connectUser(replica.wallet, "gerda");
    await damage("gerda");
    await replica.wallet.disconnect({ owner: ownerNamed("gerda"), connectionId });
    expect((await replica.wallet.listConnections({ owner: ownerNamed("gerda") })).connections).toEqual([]);
    expect(await alerts(connectionId)).toEqual(["access_token", "refresh_token", "wallet_credential"]);
  });
});

describe("what is stored", () => {
  it("holds no secret in clear in any table, and neither does the log", async () => {
    const call = { owner: ownerNamed("clara"), connectionId: await connectUser(replica.wallet, "clara") };
    await replica.wallet.listAccounts(call);
    await replica.wallet.requestCardToken({
      ...call,
      cardRef: "card-1",
      merchantId: "m",
      amount: { currency: "CAD", minorUnits: 100n },
    });
    world.bank.refuseAccessTokens();
    await replica.wallet.listAccounts(call);
    world.bank.liveCredentials.clear();
    const refused = await replica.wallet.listCards(call).catch((error: unknown) => error);
    world.bank.behaviour.isDown = true;
    const down = await replica.wallet.listAccounts(call).catch((error: unknown) => error);
    world.bank.behaviour.isDown = false;
    const { secrets } = world.bank.record;
    expect(secrets.size).toBeGreaterThan(5);
    const log = world.logLines.join("\n");
    expect(log.length).toBeGreaterThan(100);
    const tables = await admin.query("select tablename from pg_tables where schemaname = 'credential'");
    let stored = "";
    for (const { tablename } of tables.rows) {
      const { rows } = await admin.query(`select t::text as row from ${tablename} t`);
      stored += rows.map((row) => row.row).join("\n");
    }
    const told = JSON.stringify([visibleParts(refused), visibleParts(down)]);
    for (const secret of secrets) {
      expect(log.includes(secret)).toBe(false);
      expect(told.includes(secret)).toBe(false);
      expect(stored.includes(secret)).toBe(false);
      expect(stored.includes(Buffer.from(secret).toString("hex"))).toBe(false);
    }
    expect(log).not.toContain("ctok_");
  });
});

function visibleParts(error: unknown): unknown {
  return error instanceof Error ? { ...error, message: error.message, stack: error.stack } : error;
}
