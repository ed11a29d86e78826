import { describe, expect, it } from "vitest";
import { setUp } from "../../platform/testing/set-up.ts";
import { type IdentityUnderTest, startIdentity } from "../testing/identity-under-test.ts";

let bank: IdentityUnderTest;
setUp(async () => {
  bank = await startIdentity({ callsPerMinute: 5 });
  return () => bank.stop();
});

// A minute may begin in the middle: more calls than two of them allow are always too many.
const tooMany = 11;

describe("a caller from one address", () => {
  it("who tries refresh tokens is told to wait", async () => {
    const answers = await repeat(tooMany, () => bank.refresh("not a refresh token"));
    expect(answers[0]?.status).toBe(400);
    expect(count(answers, 429)).toBeGreaterThan(0);
  });

  it("who tries wallet credentials is told to wait, and how long", async () => {
    const answers = await repeat(tooMany, () => fetch(`${bank.origin}/api/wallet/cards`));
    expect(answers[0]?.status).toBe(401);
    const refused = answers.find((answer) => answer.status === 429);
    expect(await refused?.json()).toMatchObject({ error: "rate_limit_exceeded" });
    const seconds = Number(refused?.headers.get("retry-after"));
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThanOrEqual(60);
  });
});

async function repeat<T>(times: number, call: () => Promise<T>): Promise<T[]> {
  const answers: T[] = [];
  for (let turn = 0; turn < times; turn += 1) answers.push(await call());
  return answers;
}

function count(answers: readonly { readonly status: number }[], status: number): number {
  return answers.filter((answer) => answer.status === status).length;
}
