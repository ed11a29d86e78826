import type { RateLimiter } from "../../platform/limits/rate-limiter.ts";
import { hashPassword, verifyPassword } from "../../platform/secrets/password.ts";
import { randomToken } from "../../platform/secrets/random-token.ts";
import type { Customer, CustomerStore } from "../storage/customer-store.ts";

/** Attempts at one customer's e-mail address, right or wrong, in 15 minutes, unless told otherwise. */
const attemptsPerAccountDefault = 60;
/** Attempts from one network address in 15 minutes; several people may share one. */
const attemptsPerAddress = 300;
const windowSeconds = 900;
const passwordLengthMax = 200;

/** How an attempt to sign in ended. */
export type SignInOutcome =
  | { readonly kind: "signed_in"; readonly customer: Customer }
  /** Wrong address or wrong password; which of them is not told. */
  | { readonly kind: "refused" }
  | { readonly kind: "limited"; readonly retryAfterSeconds: number };

/** Checks an e-mail address and password. */
export type SignIn = (attempt: {
  readonly email: string;
  readonly password: string;
  readonly address: string;
}) => Promise<SignInOutcome>;

/** Makes the check. An address nobody has costs as much time as a wrong password, so it cannot be told from one. */
export function createSignIn(deps: {
  readonly customers: CustomerStore;
  readonly limiter: RateLimiter;
  readonly attemptsPerAccount?: number;
}): SignIn {
  const attemptsPerAccount = deps.attemptsPerAccount ?? attemptsPerAccountDefault;
  const nobodysHash = hashPassword(randomToken());
  return async ({ email, password, address }) => {
    const byAddress = { class: "sign_in_address", key: address, limit: attemptsPerAddress, windowSeconds };
    const byAccount = { class: "sign_in_account", key: email.toLowerCase(), limit: attemptsPerAccount, windowSeconds };
    for (const request of [byAddress, byAccount]) {
      const { allowed, retryAfterSeconds } = await deps.limiter.take(request);
      if (!allowed) return { kind: "limited", retryAfterSeconds };
    }
    if (password.length > passwordLengthMax) return { kind: "refused" };
    const customer = await deps.customers.findByEmail(email);
    const right = await verifyPassword(password, customer?.passwordHash ?? (await nobodysHash));
    return right && customer !== undefined ? { kind: "signed_in", customer } : { kind: "refused" };
  };
}
