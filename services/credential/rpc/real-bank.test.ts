import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { Visitor } from "../../../deploy/local/demo/visitor.ts";
import { jobActor } from "../domain/audit.ts";
import { connectorNamed, detachedCall } from "../flows/dependencies.ts";
import { openForUse } from "../flows/open-for-use.ts";
import { sweepRevocations } from "../flows/revoke-secrets.ts";
import { sweepRefreshes } from "../jobs/sweep-refreshes.ts";
import { findConnection } from "../storage/connection-store.ts";
import { claimFlight } from "../storage/refresh-claims.ts";
import {
  asOperator,
  type CredentialWorld,
  createCredentialWorld,
  ownerNamed,
  type Replica,
} from "../testing/credential-world.ts";
import { type RealBank, startRealBank } from "../testing/real-bank.ts";

const institutionId = "real-bank";
const live = new AbortController().signal;
let world: CredentialWorld;
let replica: Replica;
let real: RealBank;
let callback: Server;
let redirectUri: string;
let user: string;

beforeAll(async () => {
  callback = createServer((_request, response) => response.end("<p>back</p>")).listen(0, "127.0.0.1");
  await once(callback, "listening");
  const address = callback.address();
  redirectUri = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}/callback`;
  [world, real] = await Promise.all([createCredentialWorld(), startRealBank(institutionId, redirectUri)]);
  world.banks.set(institutionId, real.bank);
  replica = await world.startReplica({ providerTimeoutMs: 8_000 });
  await replica.gateway.putProviderClient({ id: institutionId, ...real.client }, asOperator);
});
afterAll(async () => {
  await world.close();
  await real.stop();
  callback.closeAllConnections();
  callback.close();
});
beforeEach(() => {
  user = `user-${crypto.randomUUID()}`;
});

async function connect(visitor = new Visitor(), button = "Allow") {
  const owner = ownerNamed(user);
  const begun = await replica.wallet.beginConnect({ owner, connector: "bsim", institutionId, redirectUri });
  await visitor.open(begun.authUrl);
  await visitor.press("Sign in", { Email: "customer1@example.com", Password: "demo-password" });
  await visitor.press(button);
  const get = (name: string) => new URL(visitor.current.url).searchParams.get(name) ?? "";
  const answer = { code: get("code"), state: get("state"), iss: get("iss"), error: get("error") };
  return await replica.wallet.completeConnect({ owner, ...answer });
}

async function connectedCall() {
  const { connection } = await connect();
  return { owner: ownerNamed(user), connectionId: connection?.connectionId ?? "" };
}

it("connects, and reads cards, balances and a card token from the reference bank", async () => {
  const { connection, cards, profileEmail } = await connect();
  expect(connection).toMatchObject({ state: "ACTIVE", hasCredential: true, hasAccessToken: true });
  expect(profileEmail).toBe("customer1@example.com");
  expect(cards).toHaveLength(2);
  const call = { owner: ownerNamed(user), connectionId: connection?.connectionId ?? "" };
  const { accounts } = await replica.wallet.listAccounts(call);
  expect(accounts).toHaveLength(2);
  expect(accounts.every((account) => /^\*{4}\d{4}$/.test(account.maskedNumber))).toBe(true);
  const amount = { currency: "CAD", minorUnits: 1999n };
  const wanted = {
    ...call,
    cardRef: cards[0]?.cardRef ?? "",
    merchantId: "ssim-merchant",
    merchantName: "Shop",
    amount,
  };
  const token = await replica.wallet.requestCardToken(wanted);
  expect(token.cardToken.split(".")).toHaveLength(3);
  expect(await replica.wallet.revokeCardToken({ ...call, tokenId: token.tokenId })).toMatchObject({ revoked: true });
});

it("is told when the customer denies", async () => {
  await expect(connect(new Visitor(), "Deny")).rejects.toMatchObject({ reason: "access_denied", code: 7 });
});

it("refuses a code that it did not give, and the log has the bank's id of that answer", async () => {
  const owner = ownerNamed(user);
  const begun = await replica.wallet.beginConnect({ owner, connector: "bsim", institutionId, redirectUri });
  const answer = { state: begun.state, code: `made-up-${user}`, iss: real.bank.issuer, error: "" };
  const completed = replica.wallet.completeConnect({ owner, ...answer });
  await expect(completed).rejects.toMatchObject({ reason: "invalid_grant", code: 7 });
  const lines = world.logLines.map((line) => JSON.parse(line));
  const refused = {
    connector: "bsim",
    operation: "exchange_consent",
    reason: "grant_refused",
    detail: "invalid_grant",
  };
  expect(lines).toContainEqual(expect.objectContaining({ ...refused, correlationId: expect.any(String) }));
  expect(world.logLines.join("")).not.toContain(answer.code);
});

it("refreshes again and again, and a flight that died is flown once more with the old token", async () => {
  const call = await connectedCall();
  expect((await replica.wallet.refreshConnection(call)).state).toBe("ACTIVE");
  const { deps } = replica;
  const seen = await findConnection(deps.storage.db.query, call);
  if (seen === undefined) throw new Error("no connection");
  const flight = await claimFlight(deps.storage.db.query, { seen, holder: "dead", leaseMs: 1 });
  const token = await openForUse(deps, seen, "refresh_token", jobActor("test"));
  const { institutionId, providerReference } = seen;
  const grant = { institutionId, providerReference, refreshToken: token?.plaintext ?? "" };
  await connectorNamed(deps, "bsim").refresh?.(grant, detachedCall(deps));
  expect(flight).toBeDefined();
  await sweepRefreshes(replica, live);
  expect((await findConnection(deps.storage.db.query, call))?.tokenVersion).toBe(seen.tokenVersion + 1n);
  expect((await replica.wallet.refreshConnection(call)).state).toBe("ACTIVE");
  expect((await replica.wallet.listAccounts(call)).accounts).toHaveLength(2);
});

it("connects again in place, supersedes the old credential, and everything works after", async () => {
  const call = await connectedCall();
  const { connection } = await connect();
  expect(connection?.connectionId).toBe(call.connectionId);
  await sweepRevocations(replica.deps, live);
  expect((await replica.wallet.listCards(call)).cards).toHaveLength(2);
  expect((await replica.wallet.refreshConnection(call)).state).toBe("ACTIVE");
});

it("disconnects with the bank's confirmation: credential and refresh token are dead there", async () => {
  const call = await connectedCall();
  const { deps } = replica;
  const seen = await findConnection(deps.storage.db.query, call);
  if (seen === undefined) throw new Error("no connection");
  const [credential, refreshToken] = [
    await openForUse(deps, seen, "wallet_credential", jobActor("test")),
    await openForUse(deps, seen, "refresh_token", jobActor("test")),
  ];
  expect(await replica.wallet.disconnect(call)).toMatchObject({ revokedAtProvider: true });
  const { institutionId, providerReference } = seen;
  const connector = connectorNamed(deps, "bsim");
  const cards = connector.cards?.list({ institutionId, credential: credential?.plaintext ?? "" }, detachedCall(deps));
  await expect(cards).rejects.toMatchObject({ failure: "unauthorized" });
  const grant = { institutionId, providerReference, refreshToken: refreshToken?.plaintext ?? "" };
  const refreshed = connector.refresh?.(grant, detachedCall(deps));
  await expect(refreshed).rejects.toMatchObject({ failure: "grant_refused", correlationId: expect.any(String) });
});
