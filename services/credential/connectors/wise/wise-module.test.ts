import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openProviderHttp, type ProviderHttp } from "../provider-http.ts";
import { type ConnectorOptions, makeConnector, must, start } from "./testing/wise-world.ts";

const complete = { WISE_CLIENT_ID: "app", WISE_CLIENT_SECRET: "secret-of-the-app" };
let http: ProviderHttp;
let directory: string;
beforeAll(async () => {
  http = openProviderHttp();
  directory = await mkdtemp(join(tmpdir(), "paymesh-wise-module-test-"));
});
afterAll(async () => {
  await http?.close();
  await rm(directory, { recursive: true });
});

const make = (env: Readonly<Record<string, string>>, options: Omit<ConnectorOptions, "env"> = {}) =>
  makeConnector(http, { env, ...options });

/** What the start says is wrong, a line each. */
function problemsOf(env: Readonly<Record<string, string>>, options: Omit<ConnectorOptions, "env"> = {}): string[] {
  try {
    make(env, options);
  } catch (error) {
    return String(error instanceof Error ? error.message : error).split("\n");
  }
  return [];
}

async function fileOf(name: string, text: string | Buffer): Promise<string> {
  const file = join(directory, name);
  await writeFile(file, text);
  return file;
}

describe("Wise's settings", () => {
  it("are absent: then it is simply not there", () => {
    expect(make({})).toBeUndefined();
    expect(make({ WISE_ENV: "sandbox", WISE_BALANCE_TYPES: "STANDARD" })).toBeUndefined();
  });

  it.each([
    [{ WISE_CLIENT_ID: "app" }, ["WISE_CLIENT_SECRET is not set"]],
    [{ WISE_WEBHOOK_URL: "https://bank.example/hook" }, ["WISE_CLIENT_ID is not set", "WISE_CLIENT_SECRET is not set"]],
    [{ ...complete, WISE_SCA_KEY_FILE: "/nowhere/sca.pem" }, ["WISE_SCA_KEY_FILE: cannot be read"]],
    [
      { ...complete, WISE_WEBHOOK_PUBLIC_KEY_FILE: "/nowhere/key.pem" },
      ["WISE_WEBHOOK_PUBLIC_KEY_FILE: cannot be read"],
    ],
  ])("that are half there, as in %j, name every problem", (env, problems) => {
    expect(problemsOf(env)).toEqual(problems);
  });

  it("take an RSA key of 2048 bits and no other, and tell nothing of what a file holds", async () => {
    const pem = (key: ReturnType<typeof generateKeyPairSync>["privateKey"]) =>
      key.export({ format: "pem", type: "pkcs8" });
    const good = await fileOf("good.pem", pem(generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey));
    expect(make({ ...complete, WISE_SCA_KEY_FILE: good })).toBeDefined();
    const texts = [
      pem(generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey),
      pem(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey),
      "not-a-key-but-secret",
    ];
    for (const [index, text] of texts.entries()) {
      const file = await fileOf(`bad-${index}.pem`, text);
      for (const name of ["WISE_SCA_KEY_FILE", "WISE_WEBHOOK_PUBLIC_KEY_FILE"]) {
        expect(problemsOf({ ...complete, [name]: file })).toEqual([
          expect.stringMatching(`^${name}: (is|holds) no RSA [a-z ]+`),
        ]);
      }
    }
  });

  it.each([
    [{}, "https://wise.com/oauth/authorize/"],
    [{ WISE_ENV: "sandbox" }, "https://wise-sandbox.com/oauth/authorize/"],
    [
      { WISE_AUTHORIZE_URL: "https://sandbox.transferwise.tech/oauth/authorize" },
      "https://sandbox.transferwise.tech/oauth/authorize",
    ],
  ])("of %j send people to %s", async (env, page) => {
    const connector = must(make({ ...complete, ...env }, { insecureAllowed: false }));
    const begun = await connector.begin(start, { now: new Date(), timeoutMs: 1_000 });
    expect(must(begun.authUrl).split("?")[0]).toBe(page);
  });

  it("need https everywhere but in the local world", () => {
    const env = { ...complete, WISE_BASE_URL: "http://127.0.0.1:9206", WISE_WEBHOOK_URL: "http://127.0.0.1/hook" };
    expect(make(env)).toBeDefined();
    const problems = ["WISE_BASE_URL: needs https", "WISE_AUTHORIZE_URL: needs https", "WISE_WEBHOOK_URL: needs https"];
    expect(problemsOf(env, { insecureAllowed: false })).toEqual(problems);
  });

  it("are told at the start by their mode, without a secret", () => {
    const logLines: string[] = [];
    make(complete, { logLines });
    expect(logLines.join("")).toContain("Wise runs in production mode");
    expect(logLines.join("")).not.toContain("secret-of-the-app");
  });
});
