import { create, toJson } from "@bufbuild/protobuf";
import { ListValueSchema } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { listAccounts } from "../flows/list-accounts.ts";
import type { BankBehaviour } from "../testing/credential-stand-in.ts";
import { enrol, type Phone, signUp, startTestWallet, type TestWallet } from "../testing/test-wallet.ts";

let wallet: TestWallet;
let api: TestWallet["api"];
let north: BankBehaviour;
let maple: BankBehaviour;
let phone: Phone;

beforeAll(async () => {
  wallet = await startTestWallet();
  api = wallet.api;
  north = bankOf("north-bank");
  maple = bankOf("maple-bank");
});
afterAll(() => wallet.stop());
beforeEach(async () => {
  for (const bank of [north, maple]) Object.assign(bank, { delayMs: 0, failure: undefined });
  phone = await signUp(api);
  await enrol(wallet, phone, "north-bank");
  wallet.clock.advance(1); // banks are listed in the order they were enrolled
  await enrol(wallet, phone, "maple-bank");
});

function bankOf(bsimId: string): BankBehaviour {
  const bank = wallet.credential.banks.get(bsimId);
  if (bank === undefined) throw new Error(`no ${bsimId}`);
  return bank;
}

it("gives no accounts and no errors to someone with no bank", async () => {
  const nobody = await signUp(api);
  const answer = await api.listAccounts({}, nobody.auth);
  expect(answer.accounts).toEqual([]);
  expect(answer.errors).toBeUndefined();
});

it("gives real balances of every bank, with the bank's display name", async () => {
  north.customer.balances = [123_456n, -50n];
  const { accounts, errors } = await api.listAccounts({}, phone.auth);
  expect(errors).toBeUndefined();
  expect(accounts.map((one) => [one.displayName, one.balance, one.currency, one.bankName])).toEqual([
    ["CHECKING ****1234", 1234.56, "CAD", "North Bank"],
    ["CHECKING ****1234", -0.5, "CAD", "North Bank"],
    ["CHECKING ****1234", 1234.56, "CAD", "Maple Credit Union"],
  ]);
  north.customer.balances = [123_456n];
});

const refusals = [
  ["OUTAGE", "bsim_unavailable", "bsim_unavailable", undefined],
  ["OUTAGE", "bsim_unauthorized", "bsim_unauthorized", undefined],
  ["OUTAGE", "bsim_invalid_credentials", "bsim_invalid_credentials", undefined],
  ["OUTAGE", "a word nobody knows", "bsim_unavailable", undefined],
  ["PRECONDITION", "provider_not_configured", "provider_not_configured", undefined],
  ["PRECONDITION", "missing_access_token", "missing_access_token", "reenroll"],
  ["PRECONDITION", "bsim_token_expired", "bsim_token_expired", "reenroll"],
  ["PRECONDITION", "reauthorization_required", "bsim_token_expired", "reenroll"],
] as const;

it.each(refusals)("tells of a bank that fails with %s %s as %s, action %s, and shows the other", async (...row) => {
  const [kind, word, error, action] = row;
  north.failure = { kind, word };
  const answer = await api.listAccounts({}, phone.auth);
  expect(answer.accounts.map((one) => one.bsimId)).toEqual(["maple-bank"]);
  const errors = answer.errors?.values.map((value) => value.kind.value);
  expect(errors).toHaveLength(1);
  const told = JSON.stringify(errors);
  expect(told).toContain(`"${error}"`);
  expect(told.includes('"reenroll"')).toBe(action === "reenroll");
});

it("keeps a bank that needs its user marked after the call that saw it", async () => {
  north.failure = { kind: "PRECONDITION", word: "bsim_token_expired" };
  await api.listAccounts({}, phone.auth);
  const stored = await wallet.db.query
    .selectFrom("enrolments")
    .select(["bsim_id", "state"])
    .where("user_id", "=", phone.userId)
    .orderBy("bsim_id")
    .execute();
  expect(stored).toEqual([
    { bsim_id: "maple-bank", state: "active" },
    { bsim_id: "north-bank", state: "reauth_required" },
  ]);
});

it("asks the banks in parallel", async () => {
  north.delayMs = 150;
  maple.delayMs = 150;
  wallet.credential.mostAskedAtOnce = 0;
  expect((await api.listAccounts({}, phone.auth)).accounts).toHaveLength(2);
  expect(wallet.credential.mostAskedAtOnce).toBe(2);
});

it("does not let one slow bank delay the others beyond its deadline", async () => {
  north.delayMs = 60_000;
  const { accounts, errors } = await listAccounts(wallet.deps, phone.userId, { timeoutMs: 2_000 });
  expect(accounts.map((one) => one.bsimId)).toEqual(["maple-bank"]);
  expect(errors).toMatchObject([{ bsimId: "north-bank", error: "bsim_unavailable" }]);
});

const plaid = {
  connectionId: "c-1",
  connector: "plaid",
  institutionId: "ins_1",
  institutionName: "First Platypus Bank",
};

it("shows accounts of data providers in the same list, after the banks'", async () => {
  const common = { accountType: "CHECKING", maskedNumber: "****0000", currency: "USD" };
  wallet.credential.providerAccounts = [
    { ...plaid, ...common, accountId: "a-1", displayName: "Everyday Checking", balanceMinor: 421_050n },
    { ...plaid, ...common, accountId: "a-2", displayName: "" },
  ];
  const { accounts, errors } = await api.listAccounts({}, phone.auth);
  expect(errors).toBeUndefined();
  expect(accounts.slice(0, -2).every((one) => one.connector === undefined)).toBe(true);
  const [known, untold] = accounts.slice(-2);
  expect(known).toMatchObject({
    displayName: "Everyday Checking ****0000",
    balance: 4210.5,
    bankName: "First Platypus Bank",
    bsimId: "plaid:ins_1",
    connectionId: "c-1",
  });
  expect(untold).toMatchObject({ displayName: "CHECKING ****0000", currency: "USD" });
  expect(untold?.balance).toBeUndefined();
  wallet.credential.providerAccounts = [];
});

it("tells of a provider that fails, with what the user can do, and shows every bank all the same", async () => {
  wallet.credential.providerErrors = [{ ...plaid, error: "reauthorization_required" }];
  const { accounts, errors } = await api.listAccounts({}, phone.auth);
  expect(accounts.map((one) => one.bsimId)).toEqual(["north-bank", "maple-bank"]);
  const [told] = toJson(ListValueSchema, errors ?? create(ListValueSchema)) as Record<string, unknown>[]; // a list of objects
  expect(told).toMatchObject({ error: "reauthorization_required", action: "reconnect", connectionId: "c-1" });
  wallet.credential.providerErrors = [];
});

it("shows the banks when nobody can be asked about providers", async () => {
  wallet.credential.providersFail = true;
  const { accounts, errors } = await api.listAccounts({}, phone.auth);
  expect(accounts).toHaveLength(2);
  expect(JSON.stringify(errors)).toContain("provider_unavailable");
  wallet.credential.providersFail = false;
});
