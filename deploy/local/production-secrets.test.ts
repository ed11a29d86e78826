import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readBankConfig } from "../../services/bank/config.ts";
import { readCredentialConfig } from "../../services/credential/config.ts";
import { connectorSettingsShape } from "../../services/credential/connectors/registry.ts";
import { demoSecrets } from "../../services/platform/config/demo-secrets.ts";
import { readRegistryConfig } from "../../services/registry/config.ts";
import { readRouterConfig } from "../../services/router/config.ts";
import { readWalletConfig } from "../../services/wallet/config.ts";
import { openLocalSecrets } from "./local-secrets.ts";
import { defaultPorts } from "./ports.ts";
import { type ServiceName, servicePlans } from "./world.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const directory = mkdtempSync(path.join(tmpdir(), "production-secrets-"));
const secrets = openLocalSecrets(path.join(directory, "secrets.json"));
const facts = { ports: defaultPorts, secrets, directory, databaseUrl: () => "postgres://role:word@127.0.0.1/paymesh" };
/** What the local world has in the clear and production may not. */
const production = {
  PAYMESH_ENV: "production",
  OPERATOR_KEYS: `ops:${"o".repeat(32)}`,
  BSIM_ADMIN_KEY: "a".repeat(32),
  BSIM_DEMO_DATA: undefined,
  BSIM_API_URL: "https://bank.example",
  BSIM_AUTH_URL: "https://auth.bank.example",
  BSIM_OPENBANKING_URL: "https://openbanking.bank.example",
  NSIM_REGISTRY_URL: "https://mesh.example/api/v1/registry",
  WALLET_APP_URL: "https://wallet.example",
  WALLET_CONNECTIONS_URL: "https://wallet.example/connections",
  WALLET_OIDC_ISSUER: "https://pay.wallet.example",
  SMTP_URL: "smtps://user:word@mail.example",
};
const programs: readonly [ServiceName, (env: Environment) => unknown][] = [
  ["registry", readRegistryConfig],
  ["router", readRouterConfig],
  ["wallet", readWalletConfig],
  ["credential", readCredentialConfig],
  ["north-bank", readBankConfig],
];

afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe.each(programs)("%s in production", (name, read) => {
  const plan = servicePlans.find((each) => each.name === name);
  const env: Environment = { ...plan?.env(facts), ...production };
  const named = Object.keys({ ...plan?.env(facts) }).filter(
    // A data provider is set up or not; what is half there its connector refuses.
    (key) => /KEY|SECRET|PEPPER/.test(key) && !key.endsWith("_FILE") && !Object.hasOwn(connectorSettingsShape, key),
  );

  it("starts with secrets of its own", () => {
    expect(named.length).toBeGreaterThan(1);
    expect(() => read(env)).not.toThrow();
  });

  it.each(named)("does not start without %s, with a short one, or with one of the demo world", (secret) => {
    expect(() => read({ ...env, [secret]: undefined })).toThrow(secret);
    // The registration key is the operator's who issued it, and so is its length.
    if (secret !== "BSIM_REGISTRATION_KEY") expect(() => read({ ...env, [secret]: "short" })).toThrow(secret);
    if (secret === "OPERATOR_KEYS") {
      expect(() => read({ ...env, [secret]: `ops:${"o".repeat(15)}` })).toThrow(secret);
    }
    for (const demo of demoSecrets) {
      const value = secret === "OPERATOR_KEYS" ? `ops:${demo}` : `${demo}${"-".repeat(32)}`;
      expect(() => read({ ...env, [secret]: value })).toThrow(secret);
    }
  });
});
