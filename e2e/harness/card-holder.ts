import { createHash, randomBytes } from "node:crypto";
import { Visitor } from "../../deploy/local/demo/visitor.ts";
import { demoWorld } from "../../deploy/local/world.ts";
import { call } from "./call.ts";

/** What a card token is made for, amount in dollars. */
export interface TokenFor {
  readonly merchantId: string;
  readonly amount: number;
  readonly currency?: string;
}

/** The two tokens a merchant is given. */
export interface CardTokens {
  readonly cardToken: string;
  readonly walletCardToken: string;
}

interface SharedCard {
  readonly cardRef: string;
  readonly lastFour: string;
}

/**
 * A customer of a demo bank who agreed that a wallet of the test's own uses his cards: the real consent, by the bank's pages, and
 * the real wallet API. For tests that need card tokens by the dozen, which the wallet's own pages would give one by one.
 */
export class CardHolder {
  readonly #bank: string;
  readonly #bankId: string;
  readonly #credential: string;
  readonly #cards: readonly SharedCard[];

  private constructor(bank: string, bankId: string, credential: string, cards: readonly SharedCard[]) {
    this.#bank = bank;
    this.#bankId = bankId;
    this.#credential = credential;
    this.#cards = cards;
  }

  /** Consents at the bank that answers at `bank`, as a demo customer, for all of his active cards. */
  static async consentAt(bank: string, bankId: string, customer: string): Promise<CardHolder> {
    const client = { clientId: `till-${randomBytes(6).toString("hex")}`, secret: randomBytes(24).toString("hex") };
    // Nobody answers there: the address the browser ends at is all that is wanted.
    const redirectUri = `${bank}/test-wallet/callback`;
    await adminCall(bank, "POST", "/clients", {
      clientId: client.clientId,
      clientName: "Test wallet",
      clientSecret: client.secret,
      redirectUris: [redirectUri],
      scopes: ["openid", "offline_access", "profile", "email", "wallet:enroll"],
      grantTypes: ["authorization_code", "refresh_token"],
    });
    const verifier = randomBytes(32).toString("base64url");
    const code = await consent(bank, customer, { clientId: client.clientId, redirectUri, verifier });
    const credential = await exchange(bank, { ...client, redirectUri, verifier, code });
    const { body } = await call("GET", `${bank}/api/wallet/cards`, { headers: bearer(credential) });
    return new CardHolder(bank, bankId, credential, (body["cards"] ?? []) as SharedCard[]); // the contract's own names
  }

  /** The last four digits of a card. */
  lastFour(card: number): string | undefined {
    return this.#cards[card]?.lastFour;
  }

  /** A card token bound to this merchant, amount and currency; of the first card unless told. */
  async mint(wanted: TokenFor, card = 0): Promise<CardTokens> {
    const answer = await call("POST", `${this.#bank}/api/wallet/tokens`, {
      headers: bearer(this.#credential),
      body: { cardRef: this.#cards[card]?.cardRef, merchantName: "Till", currency: "CAD", ...wanted },
    });
    if (answer.status !== 200) throw new Error(`no card token: ${answer.status} ${answer.text}`);
    return { cardToken: String(answer.body["cardToken"]), walletCardToken: routingToken(this.#bankId) };
  }

  /** So many card tokens for the same. */
  async mintMany(count: number, wanted: TokenFor, card = 0): Promise<CardTokens[]> {
    return await Promise.all(Array.from({ length: count }, () => this.mint(wanted, card)));
  }
}

/** A wallet card token that names this bank. */
export function routingToken(bankId: string): string {
  return `wsim_${bankId}_${randomBytes(6).toString("hex")}`;
}

/** Calls a bank's operators' API and fails on any refusal. */
export async function adminCall(
  bank: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<Readonly<Record<string, unknown>>> {
  const headers = { "x-admin-key": demoWorld.operatorKey };
  const answer = await call(method, `${bank}/api/admin${path}`, { headers, ...(body === undefined ? {} : { body }) });
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
  return answer.body;
}

function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

interface Asking {
  readonly clientId: string;
  readonly redirectUri: string;
  readonly verifier: string;
}

async function consent(bank: string, customer: string, asking: Asking): Promise<string> {
  const query = new URLSearchParams({
    client_id: asking.clientId,
    response_type: "code",
    redirect_uri: asking.redirectUri,
    scope: "openid profile email wallet:enroll offline_access",
    prompt: "login",
    state: randomBytes(16).toString("hex"),
    nonce: randomBytes(16).toString("hex"),
    code_challenge: createHash("sha256").update(asking.verifier).digest("base64url"),
    code_challenge_method: "S256",
  });
  const browser = new Visitor();
  await browser.open(`${bank}/oidc/auth?${query}`);
  await browser.press("Sign in", { Email: customer, Password: demoWorld.password });
  await browser.press("Allow");
  const code = new URL(browser.current.url).searchParams.get("code");
  if (code === null) throw new Error(`no code at ${browser.current.url}: ${browser.text.slice(0, 200)}`);
  return code;
}

async function exchange(bank: string, given: Asking & { secret: string; code: string }): Promise<string> {
  const response = await fetch(`${bank}/oidc/token`, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "authorization_code",
      code: given.code,
      redirect_uri: given.redirectUri,
      client_id: given.clientId,
      client_secret: given.secret,
      code_verifier: given.verifier,
    }),
  });
  const { access_token: token } = (await response.json()) as { access_token?: string };
  const claims: unknown = JSON.parse(Buffer.from(token?.split(".")[1] ?? "e30", "base64url").toString());
  const credential = (claims as { wallet_credential?: string }).wallet_credential;
  if (credential === undefined) throw new Error(`no wallet credential: ${response.status}`);
  return credential;
}
