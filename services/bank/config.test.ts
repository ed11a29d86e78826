import { expect, it } from "vitest";
import { ConfigError } from "../platform/config/config-error.ts";
import { readBankConfig } from "./config.ts";

const local = {
  PAYMESH_ENV: "local",
  PORT: "9101",
  DATABASE_URL: "postgres://bank:secret@127.0.0.1/paymesh",
  DATABASE_SCHEMA: "north_bank",
  BSIM_ID: "north-bank",
  BSIM_NAME: "North Bank",
  BSIM_API_URL: "http://127.0.0.1:9101",
  BSIM_AUTH_URL: "http://127.0.0.1:9101/oidc",
  NSIM_REGISTRY_URL: "http://127.0.0.1:8080/api/v1/registry",
  BSIM_REGISTRATION_KEY: "r".repeat(32),
  BSIM_PAYMENT_API_KEY: "p".repeat(32),
  BSIM_ADMIN_KEY: "demo-operator-key",
  BSIM_ENCRYPTION_KEY: "e".repeat(32),
  WALLET_CREDENTIAL_SECRET: "w".repeat(32),
  BSIM_DEMO_DATA: "1",
};
const production = {
  ...local,
  PAYMESH_ENV: undefined,
  BSIM_API_URL: "https://bank.example",
  BSIM_AUTH_URL: "https://auth.bank.example",
  NSIM_REGISTRY_URL: "https://mesh.example/api/v1/registry",
  BSIM_ADMIN_KEY: "a".repeat(32),
  BSIM_DEMO_DATA: undefined,
};

function problemsOf(env: Record<string, string | undefined>): string[] {
  try {
    readBankConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split("\n");
    throw error;
  }
}

it("reads the local bank and derives the Open Banking address", () => {
  const config = readBankConfig(local);
  expect(config.BSIM_OPENBANKING_URL).toBe("http://127.0.0.1:9101/open-banking");
  expect(config.WALLET_CREDENTIAL_EXPIRY_DAYS).toBe(90);
  expect(config.BSIM_DEMO_DATA).toBe(true);
  expect(problemsOf(production)).toEqual([]);
});

it("refuses to start in production with demo data, demo keys, plain http or shared secrets", () => {
  expect(problemsOf({ ...production, BSIM_DEMO_DATA: "1" })[0]).toContain("BSIM_DEMO_DATA");
  expect(problemsOf({ ...production, BSIM_ADMIN_KEY: "demo-operator-key" })[0]).toContain("BSIM_ADMIN_KEY: holds");
  expect(problemsOf({ ...production, BSIM_AUTH_URL: "http://auth.bank.example" })[0]).toContain("BSIM_AUTH_URL");
  expect(problemsOf({ ...production, BSIM_ADMIN_KEY: "p".repeat(32) })[0]).toContain("same");
});

it("names every missing secret", () => {
  for (const name of ["BSIM_PAYMENT_API_KEY", "BSIM_ADMIN_KEY", "BSIM_ENCRYPTION_KEY", "BSIM_REGISTRATION_KEY"]) {
    expect(problemsOf({ ...production, [name]: undefined }).join()).toContain(name);
  }
  expect(problemsOf({ ...production, WALLET_CREDENTIAL_SECRET: undefined }).join()).toContain("WALLET_CREDENTIAL");
});

it("refuses a base address that would double /api", () => {
  expect(problemsOf({ ...local, BSIM_API_URL: "http://127.0.0.1:9101/api" })[0]).toContain("/api");
});

it("says every problem at once", () => {
  const problems = problemsOf({ ...production, BSIM_DEMO_DATA: "1", BSIM_ENCRYPTION_KEY: "", BSIM_ID: "North Bank" });
  expect(problems.map((line) => line.split(/[: ]/)[0]).sort()).toEqual([
    "BSIM_DEMO_DATA",
    "BSIM_ENCRYPTION_KEY",
    "BSIM_ID",
  ]);
});
