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
