import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { setUp } from "../../platform/testing/set-up.ts";
import {
  type CredentialWorld,
  connectUser,
  createCredentialWorld,
  ownerNamed,
  type Replica,
} from "../testing/credential-world.ts";

const refreshes = "POST /oidc/token refresh_token";
let world: CredentialWorld;
let replica: Replica;
let other: Replica;
let user: string;

setUp(async () => {
  world = await createCredentialWorld();
  replica = await world.startReplica();
  other = await world.startReplica();
  return () => world.close();
});
beforeEach(() => {
  user = `user-${crypto.randomUUID()}`;
});
const calm = { accessTokenSeconds: 3600, isDown: false, isSilent: false, tokenDelayMs: 0, losesTokenAnswers: 0 };
afterEach(() => {
  Object.assign(world.bank.behaviour, calm);
  world.banks.set("north-bank", world.bank.bank);
});

/** A connection whose access token has ended by the time it is used. */
async function connectWithEndedToken(): Promise<{ owner: ReturnType<typeof ownerNamed>; connectionId: string }> {
  world.bank.behaviour.accessTokenSeconds = 20;
  const connectionId = await connectUser(replica.wallet, user);
  world.bank.behaviour.accessTokenSeconds = 3600;
  return { owner: ownerNamed(user), connectionId };
}

describe("accounts", () => {
  it("come with exact balances and a masked number", async () => {
    const connectionId = await connectUser(replica.wallet, user);
    const { accounts } = await replica.wallet.listAccounts({ owner: ownerNamed(user), connectionId });
    expect(accounts).toMatchObject([
      {
        accountId: "acc-1",
        accountType: "CHECKING",
        maskedNumber: "****1234",
        balance: { currency: "CAD", minorUnits: 125_010n },
        available: { currency: "CAD", minorUnits: 120_000n },
      },
    ]);
  });

  it("are read page by page", async () => {
    const connectionId = await connectUser(replica.wallet, user);
    const [account] = world.bank.behaviour.accounts;
    const many = Array.from({ length: 7 }, (_, index) => ({ ...(account as object), accountId: `acc-${index}` }));
    Object.assign(world.bank.behaviour, { accounts: many, accountsPageSize: 3 });
    const { accounts } = await replica.wallet.listAccounts({ owner: ownerNamed(user), connectionId });
    Object.assign(world.bank.behaviour, { accounts: [account], accountsPageSize: 100 });
    expect(accounts.map((one) => one.accountId)).toEqual(many.map((one) => one.accountId));
  });

  it("with an ended token cost one refresh for two parallel callers, and both succeed", async () => {
    const call = await connectWithEndedToken();
    world.bank.behaviour.tokenDelayMs = 150;
    const before = world.bank.count(refreshes);
    const answers = await Promise.all([replica.wallet.listAccounts(call), replica.wallet.listAccounts(call)]);
    expect(answers.map((answer) => answer.accounts.length)).toEqual([1, 1]);
    expect(world.bank.count(refreshes) - before).toBe(1);
  });

  it("with an ended token cost one refresh for callers at two replicas, and all succeed", async () => {
    const call = await connectWithEndedToken();
    world.bank.behaviour.tokenDelayMs = 150;
    const before = world.bank.count(refreshes);
    const wallets = [replica.wallet, other.wallet, replica.wallet, other.wallet, other.wallet];
    const answers = await Promise.all(wallets.map((wallet) => wallet.listAccounts(call)));
    expect(answers.map((answer) => answer.accounts.length)).toEqual([1, 1, 1, 1, 1]);
    expect(world.bank.count(refreshes) - before).toBe(1);
  });

  it("whose token the bank refuses are asked again after one refresh", async () => {
    const call = { owner: ownerNamed(user), connectionId: await connectUser(replica.wallet, user) };
    world.bank.refuseAccessTokens();
    const before = world.bank.count(refreshes);
    expect((await replica.wallet.listAccounts(call)).accounts).toHaveLength(1);
    expect(world.bank.count(refreshes) - before).toBe(1);
  });

  it("that stay refused after the refresh are bsim_unauthorized, and the connection lives", async () => {
    const call = { owner: ownerNamed(user), connectionId: await connectUser(replica.wallet, user) };
    const url = `${world.bank.origin}/api/wallet`;
    world.banks.set("north-bank", { ...world.bank.bank, openBankingUrl: url });
    // The wallet API refuses an access token in place of a credential, whatever its age.
    const refused = replica.wallet.listAccounts(call);
    await expect(refused).rejects.toMatchObject({ reason: "bsim_unauthorized", code: 14 });
    expect((await replica.wallet.getConnection(call)).state).toBe("ACTIVE");
  });

  it("of an ended consent are bsim_token_expired, and the connection needs its user", async () => {
    const call = await connectWithEndedToken();
    await world.bank.endGrants();
    await expect(replica.wallet.listAccounts(call)).rejects.toMatchObject({ reason: "bsim_token_expired", code: 9 });
    const connection = await replica.wallet.getConnection(call);
    expect(connection).toMatchObject({ state: "EXPIRED", stateReason: "consent_ended" });
    const before = world.bank.count(refreshes);
    await expect(replica.wallet.listAccounts(call)).rejects.toMatchObject({ reason: "bsim_token_expired" });
    expect(world.bank.count(refreshes)).toBe(before);
  });

  it("at a bank that is down are bsim_unavailable, and an outage never expires a connection", async () => {
    const call = await connectWithEndedToken();
    world.bank.behaviour.isDown = true;
    await expect(replica.wallet.listAccounts(call)).rejects.toMatchObject({ reason: "bsim_unavailable", code: 14 });
    expect(await replica.wallet.getConnection(call)).toMatchObject({ state: "ERROR" });
    world.bank.behaviour.isDown = false;
    expect((await replica.wallet.listAccounts(call)).accounts).toHaveLength(1);
    expect(await replica.wallet.getConnection(call)).toMatchObject({ state: "ACTIVE", stateReason: "" });
  });

  it("at a bank that never answers end within the caller's deadline", async () => {
    const call = { owner: ownerNamed(user), connectionId: await connectUser(replica.wallet, user) };
    const impatient = await world.startReplica({ providerTimeoutMs: 500 });
    world.bank.behaviour.isSilent = true;
    // Not DEADLINE_EXCEEDED: the bank was given up while the caller still waited.
    const asked = impatient.wallet.listAccounts(call, { timeoutMs: 30_000 });
    await expect(asked).rejects.toMatchObject({ reason: "bsim_unavailable" });
  });

  it("at a paused, failing or removed bank fail without a request", async () => {
    const call = { owner: ownerNamed(user), connectionId: await connectUser(replica.wallet, user) };
    const before = world.bank.record.requests.length;
    for (const change of [{ status: "maintenance" }, { health: "unhealthy" }, { status: "inactive" }]) {
      world.banks.set("north-bank", { ...world.bank.bank, ...change });
      await expect(replica.wallet.listAccounts(call)).rejects.toMatchObject({ reason: "bsim_unavailable" });
    }
    world.banks.delete("north-bank");
    const unknown = replica.wallet.listAccounts(call);
    await expect(unknown).rejects.toMatchObject({ reason: "provider_not_configured", code: 9 });
    expect(world.bank.record.requests.length).toBe(before);
  });

  it("with a balance that cannot be told exactly are not told at all", async () => {
    const call = { owner: ownerNamed(user), connectionId: await connectUser(replica.wallet, user) };
    const { accounts } = world.bank.behaviour;
    for (const current of [0.1 + 0.2, "12,50", 1e300, "NaN"]) {
      world.bank.behaviour.accounts = [{ ...(accounts[0] as object), balance: { current } }];
      await expect(replica.wallet.listAccounts(call)).rejects.toMatchObject({ reason: "bsim_unavailable" });
    }
    world.bank.behaviour.accounts = accounts;
  });

  it("are read in the legacy form too, and a full number is masked", async () => {
    const call = { owner: ownerNamed(user), connectionId: await connectUser(replica.wallet, user) };
    const { accounts } = world.bank.behaviour;
    world.bank.behaviour.accounts = [
      { accountId: 7, accountNumber: "000123456789", currency: "CAD", balance: "12.50" },
    ];
    const listed = await replica.wallet.listAccounts(call);
    world.bank.behaviour.accounts = accounts;
    expect(listed.accounts).toMatchObject([
      { accountId: "7", maskedNumber: "****6789", balance: { minorUnits: 1250n } },
    ]);
  });
});

describe("our own client being wrong at the bank", () => {
  it("is bsim_invalid_credentials and expires nothing", async () => {
    const call = await connectWithEndedToken();
    const { clientId, clientSecret } = world.bank.client;
    const admin = { headers: { "x-admin-key": "operator-key-of-the-tests-0123456789abcdef" } };
    const put = (secret: string) =>
      replica.gateway.putProviderClient({ id: "north-bank", clientId, clientSecret: secret }, admin);
    await put("wrong");
    const refused = replica.wallet.listAccounts(call);
    await expect(refused).rejects.toMatchObject({ reason: "bsim_invalid_credentials", code: 14 });
    await put(clientSecret);
    expect((await replica.wallet.getConnection(call)).state).not.toBe("EXPIRED");
    expect((await replica.wallet.listAccounts(call)).accounts).toHaveLength(1);
  });
});
