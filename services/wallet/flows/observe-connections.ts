import type { Connection, OutgoingCall } from "../clients/credential-connections.ts";
import { reauthReasonOf } from "../domain/enrolment-rules.ts";
import { type EnrolmentWithCount, listLiveEnrolments, noteConnection } from "../storage/enrolments-store.ts";
import type { WalletDeps } from "./wallet-deps.ts";

/** The holder answers from storage; when it does not, what was last seen is shown. */
const observeTimeoutMs = 1_500;

/**
 * A user's enrolments as their connections are now: a consent revoked or expired at the bank, and a renewed credential,
 * show at the first look. What changed is stored. Without an answer of the holder the stored state is given.
 */
export async function observeEnrolments(
  deps: Pick<WalletDeps, "clock" | "credential" | "db" | "log">,
  userId: string,
  call: OutgoingCall,
): Promise<EnrolmentWithCount[]> {
  const enrolments = await listLiveEnrolments(deps.db.query, userId);
  if (enrolments.length === 0) return enrolments;
  const timeoutMs = Math.min(observeTimeoutMs, Math.max(1, call.timeoutMs - 500));
  const connections = await deps.credential
    .listConnections(userId, { ...call, timeoutMs })
    .catch((cause: unknown): undefined => {
      deps.log.warn({ err: cause }, "connections not observed; showing what was last seen");
    });
  if (connections === undefined) return enrolments;
  const byId = new Map(connections.map((connection) => [connection.connectionId, connection]));
  return await Promise.all(enrolments.map((enrolment) => observe(deps, enrolment, byId.get(enrolment.connectionId))));
}

async function observe(
  deps: Pick<WalletDeps, "clock" | "db">,
  enrolment: EnrolmentWithCount,
  connection: Connection | undefined,
): Promise<EnrolmentWithCount> {
  const now = deps.clock.now();
  const reauthReason = connection === undefined ? "connection_lost" : reauthReasonOf(connection, now);
  const credentialExpiresAt =
    connection === undefined ? enrolment.credentialExpiresAt : (connection.credentialExpiresAt ?? null);
  const unchanged =
    (reauthReason ?? null) === enrolment.reauthReason &&
    credentialExpiresAt?.getTime() === enrolment.credentialExpiresAt?.getTime();
  if (unchanged) return enrolment;
  const { userId, enrolmentId, connectionId } = enrolment;
  await noteConnection(deps.db.query, { userId, enrolmentId, connectionId, reauthReason, credentialExpiresAt, now });
  return {
    ...enrolment,
    state: reauthReason === undefined ? "active" : "reauth_required",
    reauthReason: reauthReason ?? null,
    credentialExpiresAt,
  };
}
