import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createLogger } from "../../platform/telemetry/logger.ts";
import { secretsByVersion } from "../../platform/testing/memory-vault-store.ts";
import { createTestDatabase, type TestDatabase } from "../../platform/testing/postgres.ts";
import { setUp } from "../../platform/testing/set-up.ts";
import { systemClock } from "../../platform/time/clock.ts";
import type { ProviderCall } from "../connectors/connector.ts";
import { ProviderError } from "../connectors/provider-error.ts";
import { openProviderHttp, type ProviderHttp } from "../connectors/provider-http.ts";
import type { ProviderTokenPolicy, ProviderTokens } from "../connectors/provider-tokens.ts";
import { verifyAudit } from "../storage/audit-verify.ts";
import { openStorage } from "../storage/open-storage.ts";
import { readTokenState } from "../storage/provider-token-store.ts";
import type { Storage } from "../storage/storage.ts";
import type { Tables } from "../storage/tables.ts";
import { startTokenEndpoint, type TokenEndpoint } from "../testing/token-endpoint.ts";
import { createProviderTokens } from "./provider-tokens.ts";
import { resumeProviderToken } from "./resume-provider-token.ts";

const encryptionKey = "encryption-key-of-the-tests-0123456789";
const minuteMs = 60_000;
const operator = { name: "operator:anna", clientAddress: "", userAgent: "" };
const log = createLogger({ service: "credential", level: "silent", destination: { write: () => {} } });
let database: TestDatabase;
let endpoint: TokenEndpoint;
let http: ProviderHttp;
let name: string;
const replicas: { tokens: ProviderTokens; storage: Storage }[] = [];

setUp(async () => {
  database = await createTestDatabase({
    schema: "credential",
    directory: new URL("../storage/migrations/", import.meta.url),
  });
  http = openProviderHttp();
  replicas.length = 0;
  for (const holder of ["one", "two", "three"]) {
    const storage = await openStorage({
      db: database.open<Tables>(),
      masterKeys: secretsByVersion({ 1: encryptionKey }),
      log,
    });
    replicas.push({ storage, tokens: createProviderTokens({ storage, log, clock: systemClock, holder }) });
  }
  return async () => {
    await http.close();
    await database.drop();
  };
});
beforeEach(async () => {
  endpoint = await startTokenEndpoint();
  name = `provider-${crypto.randomUUID()}`;
});
afterEach(() => endpoint.close());

function call(timeoutMs = 10_000): ProviderCall {
  return { now: new Date(), timeoutMs };
}

function policy(password = "right"): ProviderTokenPolicy {
  return {
    renewAtAgeMs: 90 * minuteMs,
    neverPastAgeMs: 105 * minuteMs,
    failuresMax: 5,
    credentialsHash: password,
    mint: async (limits) => {
      const answer = await http.send({ url: endpoint.url, method: "POST", body: password }, limits);
      if (answer.status === 401) throw new ProviderError("client_refused");
      if (answer.status !== 200) throw new ProviderError("unavailable", { detail: `status ${answer.status}` });
      return { token: answer.text, expiresAt: new Date(limits.now.getTime() + 120 * minuteMs) };
    },
  };
}

function replica(index: number) {
  const found = replicas[index];
  if (found === undefined) throw new Error("no replica");
  return found;
}

const get = (index = 0, password = "right", limits = call()) =>
  replica(index).tokens.get(name, policy(password), limits);
const state = () => readTokenState(replica(0).storage.db.query, name);

/** Moves what the database remembers of the token into the past, which is all the time there is to it. */
async function age(minutes: number): Promise<void> {
  const shift = `interval '${minutes} minutes'`;
  await replica(0).storage.db.pool.query(
    `update provider_tokens set minted_at = minted_at - ${shift}, expires_at = expires_at - ${shift},
       mint_started_at = mint_started_at - ${shift}, mint_lease_until = mint_lease_until - ${shift},
       retry_at = retry_at - ${shift} where name = $1`,
    [name],
  );
}

/** Tries once, as soon as the back-off lets it. */
async function refusedOnce(index = 0, password = "wrong"): Promise<void> {
  await age(15);
  await expect(get(index, password)).rejects.toMatchObject({ failure: "client_refused" });
}

describe("one token for all replicas", () => {
  it("is minted once, however many ask at once", async () => {
    endpoint.delayMs = 100;
    const asked = Array.from({ length: 30 }, (_, index) => get(index % 3));
    expect(new Set(await Promise.all(asked))).toEqual(new Set(["token-1"]));
    expect(endpoint.logins()).toBe(1);
  });

  it("put back as a whole row, newer or after it was forgotten, is found by the audit check, which names it", async () => {
    const { storage, tokens } = replica(0);
    const found = async () => (await verifyAudit(storage)).problems;
    const older = await get();
    const { rows } = await storage.db.pool.query("select * from provider_tokens where name = $1", [name]);
    const putBack = () =>
      storage.db.pool.query(
        "update provider_tokens set data_key_id = $2, sealed_token = $3, token_epoch = $4 where name = $1",
        [name, rows[0].data_key_id, rows[0].sealed_token, rows[0].token_epoch],
      );
    await tokens.reject(name, older);
    expect(await found()).toEqual([]);
    const problem = { kind: "secret_put_back", tenant: "operator", chain: -1, where: `${name}/provider_token` };
    await putBack();
    expect(await found()).toEqual([problem]);
    await tokens.reject(name, older);
    await age(15);
    expect(await get()).not.toBe(older);
    expect(await found()).toEqual([]);
    await putBack();
    expect(await found()).toEqual([problem]);
    await storage.db.pool.query("delete from provider_tokens where name = $1", [name]);
  });

  it("is sealed where it is kept, and its mint is in the audit", async () => {
    const token = await get();
    const { rows } = await replica(0).storage.db.pool.query("select * from provider_tokens where name = $1", [name]);
    expect(Buffer.from(rows[0].sealed_token).toString("latin1")).not.toContain(token);
    const { rows: acts } = await replica(0).storage.db.pool.query(
      "select action, outcome from audit_entries where institution_id = $1 order by sequence",
      [name],
    );
    expect(acts).toEqual([
      { action: "token_refresh", outcome: "ok" },
      { action: "credential_store", outcome: "ok" },
    ]);
    expect((await verifyAudit(replica(0).storage)).problems).toEqual([]);
  });

  it("is renewed at 90 minutes of age while the old one serves, by one replica", async () => {
    expect(await get()).toBe("token-1");
    await age(89);
    expect(await get(1)).toBe("token-1");
    await age(2);
    const granted = Promise.withResolvers<void>();
    endpoint.until = granted.promise;
    const renewed = get(0);
    await expect.poll(() => endpoint.logins()).toBe(2);
    expect(await get(1)).toBe("token-1");
    granted.resolve();
    expect(await renewed).toBe("token-2");
    expect(await get(2)).toBe("token-2");
    expect(endpoint.logins()).toBe(2);
  });

  it("serves on while renewal fails, and is never used past 105 minutes", async () => {
    expect(await get()).toBe("token-1");
    await age(91);
    endpoint.script.push("unavailable");
    expect(await get()).toBe("token-1");
    await age(14);
    endpoint.script.push("unavailable", "unavailable", "unavailable", "unavailable");
    await expect(get()).rejects.toMatchObject({ failure: "unavailable" });
  });

  it("does not outlive what the provider gave it", async () => {
    const shortLived = {
      ...policy(),
      mint: async () => ({ token: "brief", expiresAt: new Date(Date.now() + 50_000) }),
    };
    expect(await replica(0).tokens.get(name, shortLived, call())).toBe("brief");
    await age(1);
    expect(await get()).toBe("token-1");
  });

  it("is minted anew when the provider refuses it, and only when it still is the one in force", async () => {
    expect(await get()).toBe("token-1");
    await replica(1).tokens.reject(name, "token-1");
    await age(1);
    expect(await get()).toBe("token-2");
    await replica(1).tokens.reject(name, "token-1");
    expect(await get()).toBe("token-2");
    expect(endpoint.logins()).toBe(2);
  });
});

describe("a process that dies", () => {
  it("between mint and store leaves no second mint under way, and the next one after its lease", async () => {
    endpoint.delayMs = 50;
    const dying = policy();
    const lost = replica(0).tokens.get(
      name,
      { ...dying, mint: async (limits) => dying.mint(limits).then(() => new Promise<never>(() => {})) },
      call(),
    );
    void lost.catch(() => {});
    await expect.poll(() => endpoint.logins()).toBe(1);
    await expect(get(1, "right", call(300))).rejects.toMatchObject({ failure: "unavailable" });
    expect(endpoint.logins()).toBe(1);
    await age(1);
    expect(await Promise.all([get(1), get(2)])).toEqual(["token-2", "token-2"]);
    expect(endpoint.atOnceMax()).toBe(1);
    expect(await state()).toMatchObject({ refusals: 0, refusalsInAll: 0 });
  });

  it("over and over at that point never spends the logins a provider locks after", async () => {
    endpoint.password = "changed";
    const dying = {
      ...policy(),
      mint: (limits: ProviderCall) =>
        policy()
          .mint(limits)
          .catch(() => new Promise<never>(() => {})),
    };
    for (let round = 0; round < 8; round += 1) {
      void replica(round % 3)
        .tokens.get(name, dying, call(100))
        .catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 60));
      await age(15);
    }
    expect(endpoint.refusedInARow()).toBe(3);
  });

  it("and comes back late does not replace a newer token", async () => {
    const held = Promise.withResolvers<void>();
    const slow = {
      ...policy(),
      mint: (limits: ProviderCall) =>
        policy()
          .mint(limits)
          .then(async (minted) => {
            await held.promise;
            return minted;
          }),
    };
    const late = replica(0).tokens.get(name, slow, call());
    await expect.poll(() => endpoint.logins()).toBe(1);
    await age(1);
    expect(await get(1)).toBe("token-2");
    held.resolve();
    expect(await late).toBe("token-1");
    expect(await get(2)).toBe("token-2");
  });
});

describe("refused logins", () => {
  it("stop two short of the lock, over all replicas", async () => {
    for (let round = 0; round < 8; round += 1) await refusedOnce(round % 3);
    expect(endpoint.refusedInARow()).toBe(3);
  });

  it("are not tried again before their time", async () => {
    await expect(get(0, "wrong")).rejects.toMatchObject({ failure: "client_refused" });
    await expect(get(1, "wrong", call(300))).rejects.toMatchObject({ failure: "unavailable" });
    expect(endpoint.logins()).toBe(1);
  });

  it("end with new credentials, at once", async () => {
    for (let round = 0; round < 4; round += 1) await refusedOnce();
    expect(await get(1)).toBe("token-4");
    expect(await state()).toMatchObject({ refusals: 0, refusalsInAll: 0, lastOutcome: "ok" });
  });

  it("with one wrong secret after another never reach the lock either", async () => {
    for (const password of ["a", "a", "a", "b", "b", "c", "d"]) await refusedOnce(0, password);
    expect(endpoint.refusedInARow()).toBe(4);
  });

  it("by a replica that still has the old secret do not stop the others", async () => {
    for (let round = 0; round < 4; round += 1) await refusedOnce(0, "old");
    expect(await get(1)).toBe("token-4");
    expect(await get(0, "old")).toBe("token-4");
  });

  it("go on when an operator resumes", async () => {
    for (let round = 0; round < 4; round += 1) await refusedOnce();
    endpoint.password = "wrong";
    await expect(get(0, "wrong")).rejects.toMatchObject({ failure: "client_refused" });
    const deps = { storage: replica(0).storage, clock: { now: () => new Date() } };
    await resumeProviderToken(deps, name, operator);
    expect(await get(0, "wrong")).toBe("token-4");
    await expect(resumeProviderToken(deps, "unknown", operator)).rejects.toThrow("PROVIDER_TOKEN_NOT_FOUND");
  });

  it("count a login whose answer was lost, but not one the provider did not look at", async () => {
    endpoint.script.push("lost", "unavailable", "unavailable", "unavailable", "unavailable");
    for (let round = 0; round < 5; round += 1) {
      await expect(get(0, "right", call(200))).rejects.toMatchObject({ failure: "unavailable" });
      await age(15);
    }
    expect(await state()).toMatchObject({ refusals: 1, refusalsInAll: 1 });
    expect(await get()).toBe("token-6");
  });
});
