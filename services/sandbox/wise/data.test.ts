import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Answer } from "../kit/testing/start-in-test.ts";
import { type RunningWise, startWise, type WiseTokens } from "./testing/start-wise.ts";

interface Money {
  readonly value: number;
  readonly currency: string;
}
interface Balance {
  readonly id: number;
  readonly currency: string;
  readonly type: string;
  readonly amount: Money;
  readonly reservedAmount: Money;
  readonly cashAmount: Money;
}
interface Line {
  readonly type: string;
  readonly date: string;
  readonly amount: Money;
  readonly details: { readonly type: string; readonly description: string };
  readonly runningBalance: Money;
  readonly referenceNumber: string;
}

const own = generateKeyPairSync("rsa", { modulusLength: 2048 });
const dayMs = 86_400_000;
let wise: RunningWise;
let tokens: WiseTokens & { readonly profileId: string };
beforeAll(async () => {
  wise = await startWise();
  const publicKey = own.publicKey.export({ format: "pem", type: "spki" });
  await wise.control("PUT", "/sca-key", { publicKey });
});
afterAll(() => wise?.stop());
beforeEach(async () => {
  await wise.control("POST", "/reset");
  tokens = await wise.connect({ username: "mira" });
});

const read = (path: string, headers: Readonly<Record<string, string>> = {}) =>
  wise.read(path, tokens.access_token, headers);
const ago = (days: number) => new Date(wise.clock.now().getTime() - days * dayMs).toISOString();
const refusal = ({ status, text }: Answer) => [status, JSON.parse(text).errors?.[0]?.path];
const linesOf = ({ text }: Answer) => JSON.parse(text).transactions as Line[];

async function balances(types = "STANDARD,SAVINGS"): Promise<Balance[]> {
  return JSON.parse((await read(`/v4/profiles/${tokens.profileId}/balances?types=${types}`)).text);
}

function statementPath(balance: Pick<Balance, "id" | "currency">, days: readonly [number, number], more = ""): string {
  const query = `currency=${balance.currency}&intervalStart=${ago(days[0])}&intervalEnd=${ago(days[1])}${more}`;
  return `/v1/profiles/${tokens.profileId}/balance-statements/${balance.id}/statement.json?${query}`;
}

async function pounds(): Promise<Balance> {
  const [balance] = await balances("STANDARD");
  if (balance === undefined) throw new Error("no balance");
  return balance;
}

describe("balances", () => {
  it("are those of the profile by type, cash being what is available and what is reserved", async () => {
    const all = await balances();
    expect(all.map(({ currency, type }) => [currency, type])).toEqual([
      ["GBP", "STANDARD"],
      ["EUR", "STANDARD"],
      ["GBP", "SAVINGS"],
    ]);
    expect((await balances("STANDARD")).map((each) => each.id)).toEqual([all[0]?.id, all[1]?.id]);
    await wise.control("POST", "/transactions", {
      balanceId: all[0]?.id,
      amount: "-12.34",
      description: "Kite shop",
      pending: true,
    });
    const after = await pounds();
    const reserved = Math.round((after.reservedAmount.value - (all[0]?.reservedAmount.value ?? 0)) * 100);
    expect(reserved).toBe(1_234);
    expect(Math.round((after.amount.value + after.reservedAmount.value) * 100)).toBe(
      Math.round(after.cashAmount.value * 100),
    );
    expect(refusal(await read(`/v4/profiles/${tokens.profileId}/balances`))).toEqual([400, "types"]);
  });

  it("of another profile are forbidden", async () => {
    const other = await wise.connect({ username: "oliver" });
    expect((await read(`/v4/profiles/${other.profileId}/balances?types=STANDARD`)).status).toBe(403);
    expect((await read(`/v2/profiles/${other.profileId}`)).status).toBe(403);
  });
});

describe("a statement", () => {
  it("shows the lines of the interval, newest first, whose running balance ends at the balance", async () => {
    const balance = await pounds();
    const answer = await read(statementPath(balance, [400, 0]));
    const lines = linesOf(answer);
    expect(lines.length).toBeGreaterThan(300);
    expect(lines.map((each) => each.date)).toEqual(
      lines
        .map((each) => each.date)
        .sort()
        .reverse(),
    );
    expect(new Set(lines.map((each) => each.referenceNumber)).size).toBe(lines.length);
    for (const each of lines) expect(each.amount.value < 0).toBe(each.type === "DEBIT");
    expect(lines[0]?.runningBalance).toEqual(balance.cashAmount);
    const kinds = new Set(lines.map((each) => each.details.type));
    expect([...kinds].sort()).toEqual(expect.arrayContaining(["CARD", "DEPOSIT", "DIRECT_DEBIT", "TRANSFER"]));
    const half = linesOf(await read(statementPath(balance, [400, 200])));
    expect(half.every((each) => each.date <= ago(200) && each.date >= ago(400))).toBe(true);
    expect(half.length).toBeLessThan(lines.length);
  });

  it.each([
    [[470, 0], "", "intervalEnd"],
    [[0, 1], "", "intervalEnd"],
    [[1, 0], "&type=ODD", "type"],
  ] as const)("of days %j%s is refused", async (days, more, path) => {
    expect(refusal(await read(statementPath(await pounds(), days, more)))).toEqual([400, path]);
  });

  it("in another currency, or of a balance that is none, is refused", async () => {
    const balance = await pounds();
    expect(refusal(await read(statementPath({ ...balance, currency: "USD" }, [1, 0])))).toEqual([400, "currency"]);
    expect(refusal(await read(statementPath({ ...balance, id: 1 }, [1, 0])))).toEqual([404, "balanceId"]);
  });
});

describe("strong authentication", () => {
  beforeEach(async () => {
    tokens = await wise.connect({ username: "oliver" });
  });
  const proofOf = (token: string, key: KeyObject = own.privateKey) => ({
    "x-2fa-approval": token,
    "x-signature": sign("sha256", Buffer.from(token), key).toString("base64"),
  });

  it("is asked of people in the United Kingdom, given by a signed one-time token, and holds for 90 days", async () => {
    const path = statementPath(await pounds(), [30, 0]);
    const asked = await read(path);
    expect([asked.status, asked.headers.get("x-2fa-approval-result")]).toEqual([403, "REJECTED"]);
    const token = asked.headers.get("x-2fa-approval") ?? "";
    const shown = await read(path, proofOf(token));
    expect([shown.status, shown.headers.get("x-2fa-approval-result")]).toEqual([200, "APPROVED"]);
    expect((await read(path)).status).toBe(200);
    await wise.control("PATCH", "/settings", { clockSkewSeconds: 91 * 86_400, accessTokenSeconds: 864_000 });
    const later = (await wise.refresh(tokens.refresh_token)).body;
    expect((await wise.read(path, String(later["access_token"]))).status).toBe(403);
  });

  it("takes a token once, of its own grant, within five minutes, signed by the registered key", async () => {
    const path = statementPath(await pounds(), [30, 0]);
    const ask = async () => (await read(path)).headers.get("x-2fa-approval") ?? "";
    const stranger = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
    expect((await read(path, proofOf(await ask(), stranger))).status).toBe(403);
    const token = await ask();
    const other = await wise.connect({ username: "oliver" });
    expect((await wise.read(path, other.access_token, proofOf(token))).status).toBe(403);
    const late = await ask();
    await wise.control("PATCH", "/settings", { clockSkewSeconds: 301 });
    expect((await read(path, proofOf(late))).status).toBe(403);
    await wise.control("PATCH", "/settings", { clockSkewSeconds: 0, authenticatedSeconds: 1 });
    expect((await read(path, proofOf(token))).status).toBe(200);
    await wise.control("PATCH", "/settings", { clockSkewSeconds: 2 });
    expect((await read(path, proofOf(token))).status).toBe(403);
  });
});

it("lists transfers, newest first, by pages", async () => {
  const page = async (offset: number) =>
    JSON.parse((await read(`/v1/transfers?limit=5&offset=${offset}`)).text) as { id: number; created: string }[];
  const [first, second] = [await page(0), await page(5)];
  expect([first.length, second.length]).toEqual([5, 5]);
  expect((first[4]?.created ?? "") >= (second[0]?.created ?? "")).toBe(true);
  expect(first.map((each) => each.id)).not.toContain(second[0]?.id);
});

it("repeats a refused token in its answer, as Wise does, and keeps none in the record of calls", async () => {
  const refused = await wise.read("/v2/profiles", "a-token-of-nobody");
  expect(refused.body).toEqual({ error: "invalid_token", error_description: "a-token-of-nobody" });
  const calls = (await wise.control("GET", "/calls")).text;
  expect(calls).not.toContain("a-token-of-nobody");
});
