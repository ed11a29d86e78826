import { inspect } from "node:util";
import { beforeEach, describe, expect, it } from "vitest";
import { setUp } from "../../platform/testing/set-up.ts";
import { sweepRevocations } from "../flows/revoke-secrets.ts";
import {
  asOperator,
  type CredentialWorld,
  connectUser,
  consentAtBank,
  createCredentialWorld,
  ownerNamed,
  type Replica,
  redirectUri,
} from "../testing/credential-world.ts";

let world: CredentialWorld;
let replica: Replica;
let user: string;

setUp(async () => {
  world = await createCredentialWorld();
  replica = await world.startReplica();
  return () => world.close();
});
beforeEach(() => {
  user = `user-${crypto.randomUUID()}`;
});

describe("a consent", () => {
  it("becomes an active connection with both secrets, the bank's user id, profile and cards", async () => {
    const answer = await consentAtBank(replica.wallet, user);
    const completed = await replica.wallet.completeConnect({ owner: ownerNamed(user), ...answer });
    expect(completed.connection).toMatchObject({
      connector: "bsim",
      institutionId: "north-bank",
      state: "ACTIVE",
      stateReason: "",
      ownerReference: "user-anna",
      hasAccessToken: true,
      hasCredential: true,
    });
    expect(completed.connection?.credentialExpiresAt).toBeDefined();
    expect(completed).toMatchObject({ profileEmail: "anna@example.com", profileName: "Customer anna" });
    expect(completed.cards).toMatchObject([{ cardRef: "card-1", lastFour: "4242", expiryYear: 2030 }]);
  });

  it("asks with PKCE S256, state, nonce, a fresh sign-in and every scope", async () => {
    const begun = await replica.wallet.beginConnect({
      owner: ownerNamed(user),
      connector: "bsim",
      institutionId: "north-bank",
      redirectUri,
    });
    const query = Object.fromEntries(new URL(begun.authUrl).searchParams);
    expect(query).toMatchObject({
      code_challenge_method: "S256",
      prompt: "login",
      state: begun.state,
      scope: "openid profile email wallet:enroll fdx:accountdetailed:read offline_access",
    });
    expect(query["nonce"]?.length).toBeGreaterThan(20);
    expect(begun.state.length).toBeGreaterThanOrEqual(22);
  });
});

describe("what ends a consent", () => {
  it("refuses a state that was used, is unknown, or is another user's", async () => {
    const answer = await consentAtBank(replica.wallet, user);
    const other = replica.wallet.completeConnect({ owner: ownerNamed("mallory"), ...answer });
    await expect(other).rejects.toMatchObject({ reason: "invalid_state", code: 9 });
    await replica.wallet.completeConnect({ owner: ownerNamed(user), ...answer });
    const replayed = replica.wallet.completeConnect({ owner: ownerNamed(user), ...answer });
    await expect(replayed).rejects.toMatchObject({ reason: "invalid_state" });
    const unknown = replica.wallet.completeConnect({ owner: ownerNamed(user), ...answer, state: "x".repeat(43) });
    await expect(unknown).rejects.toMatchObject({ reason: "invalid_state" });
    expect((await replica.wallet.listConnections({ owner: ownerNamed(user) })).connections).toHaveLength(1);
  });

  it("lets one of two parallel callbacks win", async () => {
    const answer = await consentAtBank(replica.wallet, user);
    const complete = () => replica.wallet.completeConnect({ owner: ownerNamed(user), ...answer });
    const results = await Promise.allSettled([complete(), complete(), complete()]);
    expect(results.filter((result) => result.status === "fulfilled")).toHaveLength(1);
    expect((await replica.wallet.listConnections({ owner: ownerNamed(user) })).connections).toHaveLength(1);
  });

  it("refuses a state after ten minutes", async () => {
    const answer = await consentAtBank(replica.wallet, user);
    world.clock.advance(10 * 60_000 + 1);
    const late = replica.wallet.completeConnect({ owner: ownerNamed(user), ...answer });
    await expect(late).rejects.toMatchObject({ reason: "invalid_state" });
  });

  it("tells the bank's own word when the user denied, and the state is spent", async () => {
    world.bank.behaviour.consent = "deny";
    const answer = await consentAtBank(replica.wallet, user);
    world.bank.behaviour.consent = "allow";
    expect(answer.error).toBe("access_denied");
    const denied = replica.wallet.completeConnect({ owner: ownerNamed(user), ...answer });
    await expect(denied).rejects.toMatchObject({ reason: "access_denied", code: 7 });
    const again = replica.wallet.completeConnect({ owner: ownerNamed(user), ...answer });
    await expect(again).rejects.toMatchObject({ reason: "invalid_state" });
  });

  it("does not pass on a refusal that is no OAuth code", async () => {
    const answer = await consentAtBank(replica.wallet, user);
    const error = "<script>alert(1)</script>";
    const denied = replica.wallet.completeConnect({ owner: ownerNamed(user), ...answer, code: "", error });
    await expect(denied).rejects.toMatchObject({ reason: "access_denied" });
  });

  it("refuses an answer of another issuer without sending it the code", async () => {
    const answer = await consentAtBank(replica.wallet, user);
    const before = world.bank.count("POST /oidc/token");
    for (const iss of ["https://evil.example", ""]) {
      const { code, state } = iss === "" ? await consentAtBank(replica.wallet, user) : answer;
      const mixed = replica.wallet.completeConnect({ owner: ownerNamed(user), code, state, iss });
      await expect(mixed).rejects.toMatchObject({ reason: "invalid_state" });
    }
    expect(world.bank.count("POST /oidc/token")).toBe(before);
  });

  it("refuses a code that was issued for another consent: verifier and nonce do not fit", async () => {
    const stolen = await consentAtBank(replica.wallet, "victim");
    const own = await consentAtBank(replica.wallet, user);
    const swapped = replica.wallet.completeConnect({ owner: ownerNamed(user), ...own, code: stolen.code });
    await expect(swapped).rejects.toMatchObject({ reason: "invalid_grant", code: 7 });
    expect((await replica.wallet.listConnections({ owner: ownerNamed(user) })).connections).toHaveLength(0);
  });

  it("survives a restart between its two halves", async () => {
    const answer = await consentAtBank(replica.wallet, user);
    const other = await world.startReplica();
    const completed = await other.wallet.completeConnect({ owner: ownerNamed(user), ...answer });
    expect(completed.connection?.state).toBe("ACTIVE");
  });
});

describe("a consent without a wallet credential", () => {
  it("is kept, can list accounts, and asks for the user when cards are wanted", async () => {
    world.bank.behaviour.givesCredential = false;
    const connectionId = await connectUser(replica.wallet, user).finally(() => {
      world.bank.behaviour.givesCredential = true;
    });
    const call = { owner: ownerNamed(user), connectionId };
    const connection = await replica.wallet.getConnection(call);
    expect(connection).toMatchObject({ state: "EXPIRED", stateReason: "credential_missing", hasCredential: false });
    expect((await replica.wallet.listAccounts(call)).accounts).toHaveLength(1);
    await expect(replica.wallet.listCards(call)).rejects.toMatchObject({ reason: "reauthorization_required", code: 9 });
    const needing = await replica.gateway.listConnectionsNeedingUser({ bsimId: "north-bank" }, asOperator);
    expect(needing.connections).toMatchObject([{ connectionId, reason: "credential_missing" }]);
    expect(await connectUser(replica.wallet, user)).toBe(connectionId);
    expect(await replica.wallet.getConnection(call)).toMatchObject({ state: "ACTIVE", hasCredential: true });
  });
});

describe("connecting again", () => {
  it("keeps the id and revokes the old credential at the bank only after the new one is stored", async () => {
    const first = await connectUser(replica.wallet, user);
    const [old] = [...world.bank.liveCredentials].slice(-1);
    const second = await connectUser(replica.wallet, user);
    expect(second).toBe(first);
    expect(world.bank.liveCredentials.has(old ?? "")).toBe(true);
    expect(await sweepRevocations(replica.deps, new AbortController().signal)).toBe(1);
    expect(world.bank.liveCredentials.has(old ?? "")).toBe(false);
    const call = { owner: ownerNamed(user), connectionId: second };
    expect((await replica.wallet.listCards(call)).cards).toHaveLength(1);
    expect((await replica.wallet.refreshConnection(call)).state).toBe("ACTIVE");
  });

  it("makes one connection when two consents of one bank user end together", async () => {
    const [one, two] = [await consentAtBank(replica.wallet, user), await consentAtBank(replica.wallet, user)];
    const ids = await Promise.all(
      [one, two].map((answer) => replica.wallet.completeConnect({ owner: ownerNamed(user), ...answer })),
    );
    expect(new Set(ids.map((completed) => completed.connection?.connectionId)).size).toBe(1);
    expect((await replica.wallet.listConnections({ owner: ownerNamed(user) })).connections).toHaveLength(1);
  });

  it("makes another connection for another user of the same bank", async () => {
    const first = await connectUser(replica.wallet, user);
    world.bank.behaviour.accountId = "berta";
    const second = await connectUser(replica.wallet, user).finally(() => {
      world.bank.behaviour.accountId = "anna";
    });
    expect(second).not.toBe(first);
  });
});

describe("beginning a consent", () => {
  const begin = (change: object) =>
    replica.wallet.beginConnect({
      owner: ownerNamed(user),
      connector: "bsim",
      institutionId: "north-bank",
      redirectUri,
      ...change,
    });

  it("names what is wrong with the bank", async () => {
    await expect(begin({ institutionId: "no-bank" })).rejects.toMatchObject({ reason: "bank_not_found", code: 5 });
    world.banks.set("new-bank", { ...world.bank.bank, bankId: "new-bank" });
    const unset = begin({ institutionId: "new-bank" });
    await expect(unset).rejects.toMatchObject({ reason: "provider_not_configured", code: 9 });
    for (const change of [{ status: "maintenance" }, { health: "unhealthy" }]) {
      world.banks.set("north-bank", { ...world.bank.bank, ...change });
      await expect(begin({})).rejects.toMatchObject({ reason: "provider_unavailable", code: 14 });
    }
    world.banks.set("north-bank", { ...world.bank.bank, status: "inactive" });
    await expect(begin({})).rejects.toMatchObject({ reason: "bank_not_found" });
    world.banks.set("north-bank", world.bank.bank);
  });

  it("refuses a redirect that is no plain address, and an unknown connector", async () => {
    for (const bad of ["javascript:alert(1)", "not a url", `${redirectUri}?x=1`, `${redirectUri}#x`]) {
      await expect(begin({ redirectUri: bad })).rejects.toMatchObject({ code: 3 });
    }
    await expect(begin({ connector: "nobody" })).rejects.toMatchObject({ reason: "connector_not_found" });
    await expect(begin({ owner: { tenant: "", userId: "x" } })).rejects.toMatchObject({ code: 3 });
  });

  it("is the wallet's alone: the gateway and its callers may not", async () => {
    const call = replica.gateway.listConnections({ owner: ownerNamed(user) }, asOperator);
    await expect(call).rejects.toMatchObject({ code: 16 });
  });
});

describe("provider clients", () => {
  it("are put with 201 the first time, listed without secret, and wrong operator keys are refused", async () => {
    const put = { id: "other-bank", clientId: "wsim-wallet", clientSecret: "a-secret-nobody-sees" };
    expect(await replica.gateway.putProviderClient(put, asOperator)).toMatchObject({ bsimId: "other-bank" });
    const listed = await replica.gateway.listProviderClients({}, asOperator);
    expect(inspect(listed, { depth: 9 })).not.toContain("a-secret-nobody-sees");
    expect(listed.clients.map((client) => client.bsimId)).toContain("other-bank");
    const wrong = replica.gateway.putProviderClient(put, { headers: { "x-admin-key": "wrong-key-0123456789" } });
    await expect(wrong).rejects.toMatchObject({ code: 16 });
  });
});
