import { inTransaction } from "../../platform/db/transaction.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { hashPassword } from "../../platform/secrets/password.ts";
import { randomDigits, randomToken } from "../../platform/secrets/random-token.ts";
import { parseEmailAddress } from "../domain/email-address.ts";
import { parsePersonName } from "../domain/person-name.ts";
import { parseNewPassword } from "../domain/wallet-password.ts";
import { insertChallenge, type PendingSignUp } from "../storage/challenges-store.ts";
import { findUserByEmail } from "../storage/users-store.ts";
import { queueMail } from "./queue-mail.ts";
import type { WalletDeps } from "./wallet-deps.ts";

export const codeLifetimeMs = 5 * 60_000;
// Twenty codes with five tries each make a guess a matter of years; ten for one client leave its victim the other ten.
const codesPerMailboxMax = 20;
const codesPerMailboxAndClientMax = 10;
const codesWindowSeconds = 15 * 60;

/** Who asks for a code, and for what. */
export interface StartEmailCode {
  readonly email: string;
  readonly purpose: "mobile" | "web";
  /** The network address that asks. */
  readonly clientAddress: string;
  /** The phone the code is for; on `mobile` alone. */
  readonly deviceId?: string | undefined;
  /** On `web` alone: make this account if the address has none once the code is used. */
  readonly signUp?: { readonly name: string; readonly password?: string | undefined } | undefined;
}

/** What the caller keeps until the code is typed. */
export interface StartedEmailCode {
  readonly challenge: string;
  /** Only where settings ask for it, outside production. */
  readonly devCode: string | undefined;
  readonly expiresAt: Date;
}

/**
 * Sends a six-digit code to an address. Answer, statements and their number are the same whether or not the address has an
 * account; without one, and without a sign-up, the mail is stored and not sent. Throws `INVALID_ARGUMENT` for a malformed
 * address, name or password, `RATE_LIMITED` after ten codes for one address and client, or twenty for the address, in a quarter of
 * an hour.
 */
export async function startEmailCode(deps: WalletDeps, request: StartEmailCode): Promise<StartedEmailCode> {
  const email = parseEmailAddress(request.email);
  const pending = await parseSignUp(email.asTyped, request.signUp);
  await limitCodes(deps, email.normalised, request.clientAddress);
  const now = deps.clock.now();
  const expiresAt = new Date(now.getTime() + codeLifetimeMs);
  const challenge = randomToken(32);
  const code = randomDigits(6);
  const challengeHash = deps.hash("challenge", challenge);
  await inTransaction(deps.db, async (tx) => {
    const user = await findUserByEmail(tx, email.normalised);
    await insertChallenge(tx, {
      challengeHash,
      emailNormalised: email.normalised,
      purpose: request.purpose,
      deviceId: request.deviceId,
      codeHash: codeHash(deps, challengeHash, code),
      pending,
      now,
      expiresAt,
    });
    const deliver = user !== undefined || pending !== undefined;
    await queueMail(deps, tx, { to: user?.email ?? email.asTyped, ...codeMail(code), deliver, expiresAt });
  });
  return { challenge, expiresAt, devCode: deps.settings.devCodes ? code : undefined };
}

async function limitCodes(deps: WalletDeps, mailbox: string, clientAddress: string): Promise<void> {
  const limits = [
    { class: "email_code_client", key: `${mailbox} ${clientAddress}`, limit: codesPerMailboxAndClientMax },
    { class: "email_code", key: mailbox, limit: codesPerMailboxMax },
  ];
  for (const limit of limits) {
    const { allowed, retryAfterSeconds } = await deps.limiter.take({ ...limit, windowSeconds: codesWindowSeconds });
    if (!allowed) throw new DomainError("RATE_LIMITED", { retryAfterSeconds });
  }
}

/** The hash of a code, bound to its challenge: equal codes have unequal hashes. */
export function codeHash(deps: Pick<WalletDeps, "hash">, challengeHash: Buffer, code: string): Buffer {
  return deps.hash("sign_in_code", `${challengeHash.toString("hex")}\0${code}`);
}

async function parseSignUp(email: string, signUp: StartEmailCode["signUp"]): Promise<PendingSignUp | undefined> {
  if (signUp === undefined) return undefined;
  const name = parsePersonName(signUp.name);
  if (signUp.password === undefined) return { email, name, passwordHash: undefined };
  return { email, name, passwordHash: await hashPassword(parseNewPassword(signUp.password)) };
}

function codeMail(code: string): { subject: string; text: string } {
  return {
    subject: "Your wallet sign-in code",
    text: [
      "Here is your code to sign in to your wallet:",
      "",
      code,
      "",
      "It works once, for five minutes. If you did not ask for it, you can ignore this mail.",
      "",
    ].join("\n"),
  };
}
