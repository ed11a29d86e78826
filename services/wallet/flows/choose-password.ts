import { DomainError } from "../../platform/errors/domain-error.ts";
import { hashPassword } from "../../platform/secrets/password.ts";
import { parseNewPassword } from "../domain/wallet-password.ts";
import { setUserPassword, type User } from "../storage/users-store.ts";
import { checkEmailAndPassword } from "./sign-in-by-password.ts";
import type { WalletDeps } from "./wallet-deps.ts";

/**
 * Sets the password of a signed-in person. Where there is one already, the present one has to come along: an open browser
 * alone must not be enough to take an account over. Throws `INVALID_ARGUMENT` for a password of the wrong length,
 * `INVALID_CREDENTIALS` for a wrong present one, and as `checkEmailAndPassword`.
 */
export async function choosePassword(
  deps: Pick<WalletDeps, "db" | "limiter" | "clock">,
  choice: { readonly user: User; readonly password: string; readonly presentPassword: string | undefined },
): Promise<void> {
  const { user, presentPassword } = choice;
  const password = parseNewPassword(choice.password);
  const isFirst = user.passwordHash === null;
  if (!isFirst) {
    if (presentPassword === undefined) throw new DomainError("INVALID_CREDENTIALS");
    await checkEmailAndPassword(deps, { email: user.email, password: presentPassword });
  }
  const passwordHash = await hashPassword(password);
  await setUserPassword(deps.db.query, {
    userId: user.userId,
    passwordHash,
    onlyFirst: isFirst,
    now: deps.clock.now(),
  });
}
