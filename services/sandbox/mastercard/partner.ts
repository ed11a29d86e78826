import { keyedHash, textsEqual } from "../../platform/secrets/keyed-hash.ts";
import { randomHex } from "../../platform/secrets/random-token.ts";
import type { SealedBox } from "../../platform/vault/sealed-box.ts";
import { dayMs } from "../kit/domain/calendar.ts";
import type { ReadMoment } from "../kit/sandbox-clock.ts";
import { isPartnerSecret } from "./domain/customer.ts";
import { finicityError } from "./domain/finicity-error.ts";
import type { Settings } from "./domain/settings.ts";
import type { PartnerStore, StoredPartner } from "./storage/partner-store.ts";

const graceDays = 30;
const tokenBytes = 16;
const secretPurpose = "partner-secret";

/** The partner: its secret, its tokens and its lock. Every refusal is a `FinicityError`. */
export interface Partner {
  /** Keeps the configured secret, at the first start alone. */
  begin(secret: string): Promise<void>;
  /** A token for two hours. Throws 10001 for wrong words and 24302 once five of them locked the partner. */
  login(partnerId: string, secret: string): Promise<string>;
  /** Puts another secret in place; the former serves 30 days more unless `immediate`. Throws 24437 for one against the policy. */
  changeSecret(partnerId: string, change: { secret: string; newSecret: string; immediate: boolean }): Promise<void>;
  /** Throws 10026, 10027 for a missing or wrong application key. */
  checkKey(appKey: string | undefined): void;
  /** Throws 10024, 10022, 10023 for a missing, unknown or expired token. */
  checkToken(token: string | undefined): Promise<void>;
  /** What Connect webhooks are signed with. */
  secret(): Promise<string>;
}

/** What the partner's desk needs. */
export interface PartnerDeps {
  readonly partnerId: string;
  readonly appKey: string;
  readonly store: PartnerStore;
  readonly box: SealedBox;
  /** Tokens are kept as hashes under it. */
  readonly tokenPepper: Uint8Array;
  readonly moment: ReadMoment<Settings>;
}

/** Makes the desk. */
export function createPartner(deps: PartnerDeps): Partner {
  const { store, box } = deps;
  const seal = (secret: string) => box.seal(secret, secretPurpose);
  const open = (sealed: Buffer) => box.open(sealed, secretPurpose).toString("utf8");
  const isSecret = (partner: StoredPartner, given: string, now: Date) => {
    if (textsEqual(given, open(partner.sealedSecret))) return true;
    const { sealedFormerSecret: former, formerUntil } = partner;
    return former !== null && formerUntil !== null && formerUntil > now && textsEqual(given, open(former));
  };
  const requirePartner = (partnerId: string) => {
    // An unknown partner has no lock to come nearer to.
    if (!textsEqual(partnerId, deps.partnerId)) throw finicityError("10001");
  };
  return {
    begin: (secret) => store.begin(seal(secret)),
    async login(partnerId, secret) {
      requirePartner(partnerId);
      const { settings, now } = await deps.moment();
      requireGood(await store.login((partner) => isSecret(partner, secret, now)));
      const token = randomHex(tokenBytes);
      await store.addToken(keyedHash(deps.tokenPepper, token), new Date(now.getTime() + settings.tokenSeconds * 1_000));
      return token;
    },
    async changeSecret(partnerId, { secret, newSecret, immediate }) {
      requirePartner(partnerId);
      if (!isPartnerSecret(newSecret)) throw finicityError("24437");
      const { now } = await deps.moment();
      const formerUntil = immediate ? undefined : new Date(now.getTime() + graceDays * dayMs);
      const change = { sealedSecret: seal(newSecret), formerUntil };
      requireGood(await store.login((partner) => isSecret(partner, secret, now), change));
    },
    checkKey(appKey) {
      if (appKey === undefined) throw finicityError("10026");
      if (!textsEqual(appKey, deps.appKey)) throw finicityError("10027");
    },
    async checkToken(token) {
      if (token === undefined) throw finicityError("10024");
      const { now } = await deps.moment();
      const end = await store.tokenEnd(keyedHash(deps.tokenPepper, token));
      if (end === undefined) throw finicityError("10022");
      if (end <= now) throw finicityError("10023");
    },
    secret: async () => open((await store.find()).sealedSecret),
  };
}

function requireGood(outcome: "ok" | "wrong" | "locked"): void {
  if (outcome === "wrong") throw finicityError("10001");
  if (outcome === "locked") throw finicityError("24302");
}
