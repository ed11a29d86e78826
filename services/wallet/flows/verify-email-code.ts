import type { Transaction } from "../../platform/db/transaction.ts";
import { inTransaction } from "../../platform/db/transaction.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { uuidv7 } from "../../platform/ids/uuidv7.ts";
import { hashesEqual } from "../../platform/secrets/keyed-hash.ts";
import { parseEmailAddress } from "../domain/email-address.ts";
import {
  findOpenChallenge,
  isOutOfTries,
  spendChallenge,
  type TriedChallenge,
  takeChallengeTry,
} from "../storage/challenges-store.ts";
import type { WalletTables } from "../storage/tables.ts";
import { findUserByEmail, insertUser, lockUserById, setUserPassword, type User } from "../storage/users-store.ts";
import { newWalletId } from "./new-wallet-id.ts";
import { proveAddress } from "./prove-address.ts";
import { codeHash } from "./start-email-code.ts";
import type { WalletDeps } from "./wallet-deps.ts";

/** A code as typed, and where. */
export interface VerifyEmailCode {
  readonly purpose: "mobile" | "web";
  /** What `startEmailCode` answered; on `mobile` the open challenge of `email` and `deviceId` stands in for it. */
  readonly challenge?: string | undefined;
  readonly email?: string | undefined;
  readonly code: string;
  readonly deviceId?: string | undefined;
  /** The browser's present session, if it has one. */
  readonly webSessionId?: string | undefined;
}

/**
 * Ends a sign-in by code. The code works once; `signIn` runs in the transaction that spends it, so a session exists exactly
 * when the code is gone. The address is proved by this: at the first proof, what others did with it goes.
 *
 * Throws `UNAUTHENTICATED` for a wrong, spent, expired or unknown code or challenge, or an address without an account;
 * `CODE_TRIES_SPENT` after five wrong codes.
 */
export async function verifyEmailCode<R>(
  deps: WalletDeps,
  request: VerifyEmailCode,
  signIn: (tx: Transaction<WalletTables>, user: User) => Promise<R>,
): Promise<{ readonly user: User; readonly signedIn: R }> {
  const challengeHash = await challengeOf(deps, request);
  const tried = await countTry(deps, challengeHash, request);
  if (!hashesEqual(tried.codeHash, codeHash(deps, challengeHash, request.code.trim()))) refuse();
  if (tried.deviceId !== null && tried.deviceId !== request.deviceId) refuse();
  return await inTransaction(deps.db, async (tx) => {
    const now = deps.clock.now();
    if (!(await spendChallenge(tx, challengeHash, now))) refuse();
    const user = await userOf(deps, tx, tried);
    await proveAddress(deps, tx, { user, deviceId: request.deviceId, webSessionId: request.webSessionId });
    const proved = await keepChosenPassword(deps, tx, user.userId, tried);
    return { user: proved, signedIn: await signIn(tx, proved) };
  });
}

/** Someone who signed up for an address that has an account already, and proved it, keeps the password chosen if it has none. */
async function keepChosenPassword(
  deps: WalletDeps,
  tx: Transaction<WalletTables>,
  userId: string,
  tried: TriedChallenge,
): Promise<User> {
  const user = (await lockUserById(tx, userId)) ?? refuse();
  const passwordHash = tried.pending?.passwordHash;
  if (passwordHash === undefined || user.passwordHash !== null) return user;
  await setUserPassword(tx, { userId, passwordHash, now: deps.clock.now() });
  return { ...user, passwordHash };
}

async function challengeOf(deps: WalletDeps, request: VerifyEmailCode): Promise<Buffer> {
  if (request.challenge !== undefined && request.challenge !== "") return deps.hash("challenge", request.challenge);
  if (request.email === undefined || request.deviceId === undefined) {
    throw new DomainError("INVALID_ARGUMENT", { why: "challenge, or email and deviceId, must be given" });
  }
  const emailNormalised = parseEmailAddress(request.email).normalised;
  const open = { emailNormalised, deviceId: request.deviceId, now: deps.clock.now() };
  return (await findOpenChallenge(deps.db.query, open)) ?? refuse();
}

async function countTry(deps: WalletDeps, challengeHash: Buffer, request: VerifyEmailCode): Promise<TriedChallenge> {
  const now = deps.clock.now();
  const tried = await takeChallengeTry(deps.db.query, { challengeHash, purpose: request.purpose, now });
  if (tried !== undefined) return tried;
  if (await isOutOfTries(deps.db.query, challengeHash, now)) throw new DomainError("CODE_TRIES_SPENT");
  return refuse();
}

async function userOf(deps: WalletDeps, tx: Transaction<WalletTables>, tried: TriedChallenge): Promise<User> {
  const existing = await findUserByEmail(tx, tried.emailNormalised);
  if (existing !== undefined) return existing;
  if (tried.pending === undefined) return refuse();
  const now = deps.clock.now();
  const made = await insertUser(tx, {
    userId: uuidv7(now.getTime()),
    email: parseEmailAddress(tried.pending.email),
    name: tried.pending.name,
    walletId: newWalletId(),
    passwordHash: tried.pending.passwordHash,
    verified: true,
    now,
  });
  // Made by somebody else at this moment: whoever holds the code owns the address all the same.
  return made ?? (await findUserByEmail(tx, tried.emailNormalised)) ?? refuse();
}

function refuse(): never {
  throw new DomainError("UNAUTHENTICATED");
}
