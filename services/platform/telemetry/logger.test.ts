import { expect, it } from "vitest";
import { createLogger } from "./logger.ts";

function capture(): { lines: string[]; log: ReturnType<typeof createLogger> } {
  const lines: string[] = [];
  const log = createLogger({ service: "test", destination: { write: (line: string) => lines.push(line) } });
  return { lines, log };
}

it("writes allowed fields and names the ones it hid", () => {
  const { lines, log } = capture();
  log.info({ bankId: "north-bank", cardToken: "ctok_00112233445566778899" }, "asked");
  const line = JSON.parse(lines[0] ?? "");
  expect(line).toMatchObject({
    service: "test",
    level: "info",
    bankId: "north-bank",
    hidden: ["cardToken"],
    msg: "asked",
  });
  expect(lines[0]).not.toContain("ctok_");
});

it("hides what looks like a secret in an error and its causes", () => {
  const { lines, log } = capture();
  const cause = new Error("GET https://bank.example/cb?code=abc123 failed with Bearer abcdef123456");
  log.error({ err: new Error("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln refused", { cause }) }, "failed");
  expect(lines[0]).not.toMatch(/eyJ|abc123|abcdef123456/);
  expect(JSON.parse(lines[0] ?? "").err.cause.message).toContain("bank.example");
});

it("hides fields bound to a child logger as well", () => {
  const { lines, log } = capture();
  log.child({ requestId: "r1", authorization: "Bearer verysecretvalue" }).warn("x");
  expect(lines[0]).toContain("r1");
  expect(lines[0]).not.toContain("verysecretvalue");
});

it("does not write nested objects, where anything may hide", () => {
  const { lines, log } = capture();
  log.info({ status: { apiKey: "k-1234567890" } }, "x");
  expect(lines[0]).not.toContain("k-1234567890");
});
