import type { Transaction } from "../../platform/db/transaction.ts";
import { inTransaction } from "../../platform/db/transaction.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { hashPassword, verifyPassword } from "../../platform/secrets/password.ts";
import { randomToken } from "../../platform/secrets/random-token.ts";
import { parseEmailAddress } from "../domain/email-address.ts";
import type { WalletTables } from "../storage/tables.ts";
import { findUserByEmail, lockUserById, type User } from "../storage/users-store.ts";
import type { WalletDeps } from "./wallet-deps.ts";

const triesPerAddressMax = 20;
const triesWindowSeconds = 15 * 60;

let decoy: Promise<string> | undefined;

/** An address with the password typed beside it. */
export interface EmailAndPassword {
  readonly email: string;
  readonly password: string;
}

/**
 * Ends a sign-in by password. `signIn` runs in a transaction in which the password still is the one that was checked: a
 * password taken away meanwhile, as the first proof of the address does, opens nothing. Throws as `checkEmailAndPassword`.
 */
export async function signInByPassword<R>(
  deps: Pick<WalletDeps, "db" | "limiter">,
  given: EmailAndPassword,
  signIn: (tx: Transaction<WalletTables>, user: User) => Promise<R>,
): Promise<{ readonly user: User; readonly signedIn: R }> {
  const checked = await checkEmailAndPassword(deps, given);
  return await inTransaction(deps.db, async (tx) => {
    const user = await lockUserById(tx, checked.userId);
    if (user === undefined || user.passwordHash !== checked.passwordHash) throw new DomainError("INVALID_CREDENTIALS");
    return { user, signedIn: await signIn(tx, user) };
  });
}

/**
 * The user whose address and password these are. An address without an account or without a password costs the same hash
 * and gives the same answer. Throws `INVALID_CREDENTIALS`; `RATE_LIMITED` after twenty tries for one address in a quarter
 * of an hour; `UNAVAILABLE` while too many passwords wait to be checked.
 */
export async function checkEmailAndPassword(
  deps: Pick<WalletDeps, "db" | "limiter">,
  given: EmailAndPassword,
): Promise<User> {
  const email = parseEmailAddress(given.email);
  const { allowed, retryAfterSeconds } = await deps.limiter.take({
    class: "password",
    key: email.normalised,
    limit: triesPerAddressMax,
    windowSeconds: triesWindowSeconds,
  });
  if (!allowed) throw new DomainError("RATE_LIMITED", { retryAfterSeconds });
  const user = await findUserByEmail(deps.db.query, email.normalised);
  decoy ??= hashDecoy();
  const matches = await verifyPassword(given.password, user?.passwordHash ?? (await decoy));
  if (user === undefined || user.passwordHash === null || !matches) throw new DomainError("INVALID_CREDENTIALS");
  return user;
}

/** Not everyone awaits it: a failure is for whoever does, and the next sign-in tries again. */
function hashDecoy(): Promise<string> {
  const made = hashPassword(randomToken(32));
  made.catch(() => {
    decoy = undefined;
  });
  return made;
}
