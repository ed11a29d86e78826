import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { setUp } from "../../platform/testing/set-up.ts";
import {
  type CredentialWorld,
  connectUser,
  createCredentialWorld,
  ownerNamed,
  type Replica,
} from "../testing/credential-world.ts";

let world: CredentialWorld;
let replica: Replica;
let call: { owner: ReturnType<typeof ownerNamed>; connectionId: string };

setUp(async () => {
  world = await createCredentialWorld();
  replica = await world.startReplica();
  return () => world.close();
});
beforeEach(async () => {
  const user = `user-${crypto.randomUUID()}`;
  call = { owner: ownerNamed(user), connectionId: await connectUser(replica.wallet, user) };
  original = { ...world.bank.behaviour };
});
afterEach(() => {
  Object.assign(world.bank.behaviour, original);
});
let original: typeof world.bank.behaviour;

const payment = {
  cardRef: "card-1",
  merchantId: "ssim-merchant",
  merchantName: "Shop",
  amount: { currency: "CAD", minorUnits: 1234n },
};
const request = (change: object = {}) => replica.wallet.requestCardToken({ ...call, ...payment, ...change });

describe("cards", () => {
  it("are read in either spelling; inactive ones and full numbers never come through", async () => {
    world.bank.behaviour.cards = [
      { id: "a", cardType: "MC", cardholderName: "ANNA", lastFour: "1111", expiryMonth: "7", expiryYear: 2031 },
      {
        cardRef: "b",
        cardType: "VISA",
        lastFour: "4111111111111111",
        expiryMonth: 1,
        expiryYear: 2030,
        isActive: true,
      },
      { id: "c", cardType: "VISA", lastFour: "2222", isActive: false },
      { cardType: "NO_REF", lastFour: "3333" },
    ];
    const { cards } = await replica.wallet.listCards(call);
    expect(cards).toMatchObject([
      { cardRef: "a", cardHolder: "ANNA", lastFour: "1111", expiryMonth: 7, expiryYear: 2031 },
      { cardRef: "b", cardHolder: "", lastFour: "1111" },
    ]);
  });

  it("whose credential the bank refuses move the connection to EXPIRED within that call", async () => {
    world.bank.liveCredentials.clear();
    await expect(replica.wallet.listCards(call)).rejects.toMatchObject({ reason: "reauthorization_required", code: 9 });
    const connection = await replica.wallet.getConnection(call);
    expect(connection).toMatchObject({ state: "EXPIRED", stateReason: "credential_revoked" });
    const before = world.bank.record.requests.length;
    await expect(request()).rejects.toMatchObject({ reason: "reauthorization_required" });
    expect(world.bank.record.requests.length).toBe(before);
    expect((await replica.wallet.listAccounts(call)).accounts).toHaveLength(1);
  });

  it("at a bank that is down are provider_unavailable, and the connection lives", async () => {
    world.bank.behaviour.isDown = true;
    await expect(replica.wallet.listCards(call)).rejects.toMatchObject({ reason: "provider_unavailable", code: 14 });
    expect((await replica.wallet.getConnection(call)).state).toBe("ACTIVE");
  });

  it("that are not what the contract says are provider_unavailable", async () => {
    world.bank.behaviour.cards = "none" as unknown as unknown[];
    await expect(replica.wallet.listCards(call)).rejects.toMatchObject({ reason: "provider_unavailable" });
  });
});

describe("a card token", () => {
  it("is asked for with card, merchant, exact amount and currency, by the wallet credential", async () => {
    const token = await request();
    expect(world.bank.record.cardTokenRequests.at(-1)).toEqual({
      cardId: "card-1",
      cardRef: "card-1",
      merchantId: "ssim-merchant",
      merchantName: "Shop",
      amount: 12.34,
      currency: "CAD",
    });
    expect(token).toMatchObject({ tokenId: "known-token", lastFour: "4242", cardType: "VISA" });
    expect(token.cardToken).toMatch(/^ctok_/);
    expect(token.expiresAt).toBeDefined();
  });

  it("is read from either spelling, its end from the token itself where the body has none", async () => {
    const exp = Math.floor(Date.now() / 1000) + 600;
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const jwt = `${part({ alg: "HS256" })}.${part({ exp })}.c2ln`;
    for (const body of [{ token: jwt }, { cardToken: jwt, expiresAt: null }]) {
      world.bank.behaviour.tokenAnswer = () => ({ status: 200, body });
      const token = await request();
      expect(token.cardToken).toBe(jwt);
      expect(Number(token.expiresAt?.seconds)).toBe(exp);
    }
  });

  it("with under 30 seconds left is minted anew, and never handed out", async () => {
    const ending = (seconds: number) => ({
      status: 200,
      body: { cardToken: `ctok_${seconds}`, expiresAt: new Date(Date.now() + seconds * 1000).toISOString() },
    });
    let mints = 0;
    world.bank.behaviour.tokenAnswer = () => ending(++mints === 1 ? 10 : 600);
    expect((await request()).cardToken).toBe("ctok_600");
    expect(mints).toBe(2);
    world.bank.behaviour.tokenAnswer = () => ending(10);
    await expect(request()).rejects.toMatchObject({ reason: "provider_unavailable" });
    world.bank.behaviour.tokenAnswer = () => ({ status: 200, body: { cardToken: "ctok_without_end" } });
    await expect(request()).rejects.toMatchObject({ reason: "provider_unavailable" });
  });

  it("the bank forbids is card_not_authorized, and the connection lives", async () => {
    for (const status of [403, 404]) {
      world.bank.behaviour.tokenAnswer = () => ({ status, body: { error: "card_not_authorized" } });
      await expect(request()).rejects.toMatchObject({ reason: "card_not_authorized", code: 7 });
    }
    world.bank.behaviour.tokenAnswer = () => ({ status: 400, body: {} });
    await expect(request()).rejects.toMatchObject({ reason: "provider_unavailable" });
    expect((await replica.wallet.getConnection(call)).state).toBe("ACTIVE");
  });

  it("for no amount, a negative one or an unknown currency is refused before the bank is asked", async () => {
    const before = world.bank.record.cardTokenRequests.length;
    const amounts = [
      { currency: "CAD", minorUnits: 0n },
      { currency: "CAD", minorUnits: -1n },
      { currency: "CAD", minorUnits: 10n ** 15n },
      { currency: "cad", minorUnits: 1n },
    ];
    for (const amount of amounts) await expect(request({ amount })).rejects.toMatchObject({ code: 3 });
    expect(world.bank.record.cardTokenRequests.length).toBe(before);
  });

  it("can be revoked where the bank can, and answers false where it cannot", async () => {
    expect(await replica.wallet.revokeCardToken({ ...call, tokenId: "known-token" })).toMatchObject({ revoked: true });
    expect(await replica.wallet.revokeCardToken({ ...call, tokenId: "../../x" })).toMatchObject({ revoked: false });
  });
});
