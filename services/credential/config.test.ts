import { expect, it } from "vitest";
import { readCredentialConfig } from "./config.ts";

it("refuses a request time of which two do not fit into the lease of a refresh", () => {
  const problemsWith = (PROVIDER_TIMEOUT_MS: string): string => {
    try {
      readCredentialConfig({ PROVIDER_TIMEOUT_MS });
      return "";
    } catch (error) {
      return String(error);
    }
  };
  expect(problemsWith("9000")).not.toContain("PROVIDER_TIMEOUT_MS");
  expect(problemsWith("10000")).toContain("PROVIDER_TIMEOUT_MS");
});

it("needs a master key in one of three places, and repeats none of it", () => {
  const problemsWith = (env: Record<string, string>): string => {
    try {
      readCredentialConfig(env);
      return "";
    } catch (error) {
      return String(error);
    }
  };
  const secret = "k".repeat(32);
  expect(problemsWith({})).toContain("CREDENTIAL_ENCRYPTION_KEY: Encryption key required");
  expect(problemsWith({ CREDENTIAL_ENCRYPTION_KEY: "hunter2" })).toContain("Encryption key required");
  expect(problemsWith({ CREDENTIAL_ENCRYPTION_KEYS: "2:hunter2" })).toMatch(/Encryption key required: .* version 2/);
  const good = [
    { CREDENTIAL_ENCRYPTION_KEY: secret },
    { CREDENTIAL_ENCRYPTION_KEYS: `1:${secret},2:aws-kms:alias/paymesh` },
    { CREDENTIAL_ENCRYPTION_KEYS_FILE: "/run/secrets/master-keys" },
  ];
  for (const env of good) expect(problemsWith(env)).not.toContain("ENCRYPTION_KEY");
  expect(problemsWith({ CREDENTIAL_ENCRYPTION_KEYS: "2:hunter2" })).not.toContain("hunter2");
});
