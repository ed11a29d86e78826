import { randomBytes } from "node:crypto";
import { createLocalJWKSet, importJWK, jwtVerify, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Database } from "../db/open-database.ts";
import { createTestDatabase, type TestDatabase } from "../testing/postgres.ts";
import { createSealedBox } from "../vault/sealed-box.ts";
import { loadSigningKeys, publicKeys } from "./signing-keys.ts";
import type { OidcTables } from "./storage/oidc-record-store.ts";

let test: TestDatabase;
let db: Database<OidcTables>;
const boxWith = (key: Buffer) => createSealedBox({ keys: new Map([["k1", key]]), currentKeyId: "k1" });
const box = boxWith(randomBytes(32));

beforeAll(async () => {
  test = await createTestDatabase({ schema: "oidc", directory: new URL("./test-migrations/", import.meta.url) });
  db = test.open<OidcTables>();
});
afterAll(() => test.drop());

describe("loadSigningKeys", () => {
  it("gives replicas that start together the same key, and keeps it over a restart", async () => {
    const started = await Promise.all(
      Array.from({ length: 4 }, () => loadSigningKeys({ db, box, algs: ["ES256", "RS256"] })),
    );
    const ids = new Set(started.map((jwks) => jwks.keys.map((key) => key.kid).join()));
    expect(ids.size).toBe(1);
    const again = await loadSigningKeys({ db, box, algs: ["ES256", "RS256"] });
    expect(ids).toContain(again.keys.map((key) => key.kid).join());
  });

  it("signs what its public half verifies, and shows no private member", async () => {
    const jwks = await loadSigningKeys({ db, box, algs: ["RS256"] });
    const signing = jwks.keys.find((key) => key.alg === "RS256");
    const token = await new SignJWT({ sub: "a" })
      .setProtectedHeader({ alg: "RS256", kid: signing?.kid ?? "" })
      .sign(await importJWK(signing ?? {}, "RS256"));
    const shown = publicKeys(jwks);
    await expect(jwtVerify(token, createLocalJWKSet(shown))).resolves.toBeDefined();
    for (const key of shown.keys)
      for (const name of ["d", "p", "q", "dp", "dq", "qi"]) expect(key).not.toHaveProperty(name);
  });

  it("keeps the private half sealed, and refuses to start with another sealing key", async () => {
    await loadSigningKeys({ db, box, algs: ["RS256"] });
    const { rows } = await db.pool.query("select encode(sealed_key, 'escape') as text from oidc_signing_keys");
    expect(JSON.stringify(rows)).not.toContain("PRIVATE KEY");
    await expect(loadSigningKeys({ db, box: boxWith(randomBytes(32)), algs: ["RS256"] })).rejects.toThrow();
  });

  it("signs nothing new with a retired key but still shows it", async () => {
    const before = await loadSigningKeys({ db, box, algs: ["RS256"] });
    await test
      .open<OidcTables>()
      .query.updateTable("oidc_signing_keys")
      .set({ retired_at: new Date() })
      .where("alg", "=", "RS256")
      .execute();
    const after = await loadSigningKeys({ db, box, algs: ["RS256"] });
    const retired = before.keys.find((key) => key.alg === "RS256")?.kid;
    const signing = after.keys.find((key) => key.alg === "RS256");
    expect(signing?.kid).not.toBe(retired);
    expect(publicKeys(after).keys.map((key) => key.kid)).toContain(retired);
  });
});
