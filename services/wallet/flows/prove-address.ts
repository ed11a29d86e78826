import type { Transaction } from "../../platform/db/transaction.ts";
import { failAttemptsFromElsewhere } from "../storage/attempts-store.ts";
import { revokeUnverifiedDeviceSessions } from "../storage/device-sessions-store.ts";
import { listEnrolmentsFromElsewhere } from "../storage/enrolments-store.ts";
import type { WalletTables } from "../storage/tables.ts";
import { markUserVerified, setUserPassword, type User } from "../storage/users-store.ts";
import { findUserSession, revokeUnverifiedWebSessions } from "../storage/web-sessions-store.ts";
import { beginEnrolmentRemoval } from "./remove-enrolment.ts";
import type { WalletDeps } from "./wallet-deps.ts";

/**
 * Notes that a code sent to the user's address was used. The first time, everything done with the account before from
 * another device and another browser goes: sign-ins, enrolments, attempts under way and a password, for whoever made the
 * account need not own the address. Runs in the transaction that spends the code.
 */
export async function proveAddress(
  deps: Pick<WalletDeps, "clock" | "log">,
  tx: Transaction<WalletTables>,
  proof: {
    readonly user: User;
    readonly deviceId: string | undefined;
    readonly webSessionId: string | undefined;
  },
): Promise<void> {
  const now = deps.clock.now();
  const { userId } = proof.user;
  if (!(await markUserVerified(tx, userId, now))) return;
  // A browser counts as the account's own only if its session is the account's.
  const ownSession =
    proof.webSessionId === undefined ? undefined : await findUserSession(tx, userId, proof.webSessionId);
  const here = { userId, deviceId: proof.deviceId, webSessionId: ownSession };
  await revokeUnverifiedDeviceSessions(tx, { userId, exceptDeviceId: proof.deviceId, now });
  await revokeUnverifiedWebSessions(tx, { userId, exceptSessionId: ownSession, now });
  // Whatever the password is by now: one may have been set since the user was read.
  if (ownSession === undefined) await setUserPassword(tx, { userId, passwordHash: null, now });
  await failAttemptsFromElsewhere(tx, { ...here, now });
  for (const enrolmentId of await listEnrolmentsFromElsewhere(tx, here)) {
    await beginEnrolmentRemoval(deps, tx, { userId, enrolmentId });
  }
}
