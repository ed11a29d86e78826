import { expect, it } from "vitest";
import { z } from "zod";
import { ConfigError } from "./config-error.ts";
import { environmentName, flag, httpUrl, port, readConfig, secretText } from "./read-config.ts";

const schema = z.object({
  PAYMESH_ENV: environmentName,
  PORT: port,
  KEY: secretText(32),
  URL: httpUrl,
  VERBOSE: flag,
});
const good = { PORT: "80", KEY: "k".repeat(32), URL: "https://example.com/a/" };

function problemsOf(env: Record<string, string>): string[] {
  try {
    readConfig(schema, env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split("\n");
    throw error;
  }
}

it("reads, converts and freezes", () => {
  const config = readConfig(schema, { ...good, VERBOSE: "1", OTHER: "ignored" });
  expect(config).toEqual({
    PAYMESH_ENV: "production",
    PORT: 80,
    KEY: "k".repeat(32),
    URL: "https://example.com/a",
    VERBOSE: true,
  });
  expect(Object.isFrozen(config)).toBe(true);
});

it("names every problem at once and repeats no value", () => {
  const problems = problemsOf({ PORT: "hunter2", KEY: "hunter2", URL: "ftp://hunter2" });
  expect(problems.map((line) => line.split(":")[0])).toEqual(["PORT", "KEY", "URL"]);
  expect(problems.join()).not.toContain("hunter2");
  expect(problemsOf({})).toEqual(["PORT is not set", "KEY is not set", "URL is not set"]);
});

it("refuses a demo secret unless the environment is local", () => {
  const demo = { ...good, KEY: `demo-operator-key${"x".repeat(20)}` };
  expect(problemsOf(demo)).toHaveLength(1);
  expect(problemsOf({ ...demo, PAYMESH_ENV: "local" })).toEqual([]);
});
