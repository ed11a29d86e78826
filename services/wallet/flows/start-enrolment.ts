import { DomainError } from "../../platform/errors/domain-error.ts";
import { uuidv7 } from "../../platform/ids/uuidv7.ts";
import { ConnectionError, type OutgoingCall } from "../clients/credential-connections.ts";
import { attemptLifetimeMs } from "../domain/enrolment-rules.ts";
import { type EnrolmentVia, insertAttempt } from "../storage/attempts-store.ts";
import { findLiveEnrolment } from "../storage/enrolments-store.ts";
import type { WalletDeps } from "./wallet-deps.ts";

/** Who enrols, and where the person comes back to. */
export type StartEnrolment = { readonly userId: string; readonly bsimId: string } & (
  | { readonly via: "mobile"; readonly deviceId: string }
  | {
      readonly via: "web";
      readonly webSessionId: string;
      /** The user is to be made when the bank tells the person's address. */
      readonly newAccount?: { readonly passwordHash: string | undefined } | undefined;
    }
  | { readonly via: "oidc"; readonly webSessionId: string; readonly resumeUid: string }
);

/** An attempt just begun; the person's browser is to open `authUrl`. */
export interface StartedEnrolment {
  readonly authUrl: string;
  readonly state: string;
  /** The enrolment this becomes: the one the user has at the bank already, else a new one. */
  readonly enrolmentId: string;
  readonly bankName: string;
  readonly redirectUri: string;
}

/**
 * Begins a walk to a bank's consent page; ten minutes. An enrolment the user has there stays as it is until the new consent
 * is stored. Throws `NOT_FOUND` for a bank that cannot be enrolled, `ENROLMENT_FAILED` when the walk cannot begin.
 */
export async function startEnrolment(
  deps: WalletDeps,
  request: StartEnrolment,
  call: OutgoingCall,
): Promise<StartedEnrolment> {
  const { userId, bsimId } = request;
  const bank = deps.directory.bank(bsimId);
  if (bank === undefined || !bank.enrollable) throw new DomainError("NOT_FOUND", { why: "No such bank" });
  const redirectUri = redirectUriOf(deps, request.via, bsimId);
  const begun = await deps.credential.beginConnect({ userId, bsimId, redirectUri }, call).catch(enrolmentFailed);
  const startedAt = deps.clock.now();
  const attemptId = uuidv7(startedAt.getTime());
  const newAccount = request.via === "web" ? request.newAccount : undefined;
  await insertAttempt(deps.db.query, {
    userId,
    attemptId,
    bsimId,
    via: request.via,
    stateHash: deps.hash("oauth_state", begun.state),
    deviceId: request.via === "mobile" ? request.deviceId : null,
    webSessionId: request.via === "mobile" ? null : request.webSessionId,
    resumeUid: request.via === "oidc" ? request.resumeUid : null,
    newAccount: newAccount !== undefined,
    pendingPasswordHash: newAccount?.passwordHash ?? null,
    startedAt,
    expiresAt: new Date(startedAt.getTime() + attemptLifetimeMs),
  });
  const existing = await findLiveEnrolment(deps.db.query, userId, bsimId);
  return {
    authUrl: begun.authUrl,
    state: begun.state,
    enrolmentId: existing?.enrolmentId ?? attemptId,
    bankName: bank.name,
    redirectUri,
  };
}

/** Where the bank sends the person back to; each of the three is registered at every bank. */
export function redirectUriOf(deps: Pick<WalletDeps, "settings">, via: EnrolmentVia, bsimId: string): string {
  const { appUrl, oidcIssuer } = deps.settings;
  const bank = encodeURIComponent(bsimId);
  switch (via) {
    case "mobile":
      return `${appUrl}/api/mobile/enrollment/callback/${bank}`;
    case "web":
      return `${appUrl}/api/enrollment/callback/${bank}`;
    case "oidc":
      return `${new URL(oidcIssuer).origin}/auth/callback/${bank}`;
    default: {
      const impossible: never = via;
      throw new Error(`unreachable way ${String(impossible)}`);
    }
  }
}

function enrolmentFailed(error: unknown): never {
  if (!(error instanceof ConnectionError)) throw error;
  if (error.word === "bank_not_found") throw new DomainError("NOT_FOUND", { why: "No such bank" });
  throw new DomainError("ENROLMENT_FAILED", { word: error.word }, { cause: error });
}
