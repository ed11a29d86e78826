import { inTransaction } from "../../platform/db/transaction.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { hashPassword } from "../../platform/secrets/password.ts";
import { parseNewPassword } from "../domain/wallet-password.ts";
import { lockUserById, setUserPassword, type User } from "../storage/users-store.ts";
import { isUserSessionLive } from "../storage/web-sessions-store.ts";
import { checkEmailAndPassword } from "./sign-in-by-password.ts";
import type { WalletDeps } from "./wallet-deps.ts";

/**
 * Sets the password of a signed-in person. Where there is one already, the present one has to come along: an open browser
 * alone must not be enough to take an account over. Throws `INVALID_ARGUMENT` for a password of the wrong length,
 * `INVALID_CREDENTIALS` for a wrong present one, `CONFLICT` when session or password were another's doing meanwhile, and as
 * `checkEmailAndPassword`.
 */
export async function choosePassword(
  deps: Pick<WalletDeps, "db" | "limiter" | "clock">,
  choice: {
    readonly user: User;
    readonly sessionId: string;
    readonly password: string;
    readonly presentPassword: string | undefined;
  },
): Promise<void> {
  const { user, sessionId, presentPassword } = choice;
  const { userId, passwordHash: inPlaceOf } = user;
  const password = parseNewPassword(choice.password);
  if (inPlaceOf !== null) {
    if (presentPassword === undefined) throw new DomainError("INVALID_CREDENTIALS");
    await checkEmailAndPassword(deps, { email: user.email, password: presentPassword });
  }
  const passwordHash = await hashPassword(password);
  if (!(await keepPassword(deps, { userId, sessionId, inPlaceOf, passwordHash }))) throw new DomainError("CONFLICT");
}

/**
 * Stores a password chosen in a browser session, in place of the one there was then (null: none). False when the session
 * has ended or the password has changed since: hashing takes its time, and the owner of the address may have ended in it
 * what somebody else had begun.
 */
export async function keepPassword(
  deps: Pick<WalletDeps, "db" | "clock">,
  chosen: {
    readonly userId: string;
    readonly sessionId: string;
    readonly inPlaceOf: string | null;
    readonly passwordHash: string;
  },
): Promise<boolean> {
  const { userId, sessionId, inPlaceOf, passwordHash } = chosen;
  const now = deps.clock.now();
  return await inTransaction(deps.db, async (tx) => {
    const user = await lockUserById(tx, userId);
    if (user === undefined || user.passwordHash !== inPlaceOf) return false;
    if (!(await isUserSessionLive(tx, { userId, sessionId, now }))) return false;
    await setUserPassword(tx, { userId, passwordHash, now });
    return true;
  });
}
