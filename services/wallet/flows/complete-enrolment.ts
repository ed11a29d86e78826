import { DomainError } from "../../platform/errors/domain-error.ts";
import { bankDisplayName } from "../clients/bank-directory.ts";
import { type CompletedConnect, ConnectionError, type OutgoingCall } from "../clients/credential-connections.ts";
import { parseEmailAddress } from "../domain/email-address.ts";
import { parsePersonName } from "../domain/person-name.ts";
import {
  claimAttempt,
  type EnrolmentAttempt,
  type EnrolmentVia,
  endAttempt,
  findAttemptByState,
} from "../storage/attempts-store.ts";
import { findUserById, insertUser } from "../storage/users-store.ts";
import { revokeWebSession, type WebSession } from "../storage/web-sessions-store.ts";
import { newWalletId } from "./new-wallet-id.ts";
import { readSharedCards } from "./read-shared-cards.ts";
import { type Consent, storeConsent } from "./store-consent.ts";
import type { WalletDeps } from "./wallet-deps.ts";
import { openWebSession } from "./web-session.ts";

/** What the bank's redirect carries, and by which way it came. */
export interface EnrolmentCallback {
  readonly via: EnrolmentVia;
  readonly bsimId: string;
  readonly state?: string | undefined;
  readonly code?: string | undefined;
  readonly iss?: string | undefined;
  readonly error?: string | undefined;
  readonly errorDescription?: string | undefined;
  /** The browser's session; not looked at on `mobile`, where the state alone proves the walk. */
  readonly webSession?: WebSession | undefined;
}

/** How the walk ended. `resumeUid`: the payment page's interaction to go back to, where the walk is known to have one. */
export type EnrolmentResult =
  | {
      readonly ok: true;
      readonly bsimId: string;
      readonly bankName: string;
      readonly cardCount: number;
      readonly resumeUid: string | undefined;
      /** Set-Cookie of the session of an account made by this enrolment. */
      readonly cookie: string | undefined;
    }
  | {
      readonly ok: false;
      readonly error: EnrolmentError;
      readonly message: string | undefined;
      readonly resumeUid: string | undefined;
    };

/** A word of ours, or the bank's own OAuth code. */
export type EnrolmentError = string;

const messages: Readonly<Record<string, string>> = {
  access_denied: "You did not allow it at the bank",
  account_exists: "This e-mail address has a wallet already: sign in first, then add the bank",
  email_missing: "The bank gave no e-mail address: sign in first, then add the bank",
  expired: "This took too long: please start again",
  callback_failed: "The bank could not be added right now",
};

/**
 * Ends a walk to a bank: exchanges what the bank sent back and stores enrolment and cards. Each state works once, also when
 * two callbacks arrive together. A process that dies after the exchange leaves an attempt that a job completes.
 * Never throws for what a bank or a browser did.
 */
export async function completeEnrolment(
  deps: WalletDeps,
  callback: EnrolmentCallback,
  call: OutgoingCall,
): Promise<EnrolmentResult> {
  if (callback.error === undefined && !callback.code) return failed("missing_code");
  if (!callback.state) return callback.error === undefined ? failed("missing_state") : failed(bankCode(callback.error));
  const attempt = await findAttemptByState(deps.db.query, deps.hash("oauth_state", callback.state));
  const problem = await problemOf(deps, callback, attempt);
  if (problem !== undefined || attempt === undefined) return failed(problem ?? "invalid_state", attempt);
  const { userId, attemptId } = attempt;
  if (!(await claimAttempt(deps.db.query, { userId, attemptId, now: deps.clock.now() }))) {
    return failed("invalid_state", attempt);
  }
  try {
    const completed = await deps.credential.completeConnect(
      {
        userId,
        state: callback.state,
        code: callback.code ?? "",
        iss: callback.iss ?? "",
        error: callback.error ?? "",
        errorDescription: callback.errorDescription ?? "",
      },
      call,
    );
    // An empty list may mean that the bank could not be asked.
    const cards =
      completed.cards.length > 0 ? completed.cards : await readSharedCards(deps, { userId, ...completed }, call);
    return await store(deps, callback, attempt, { ...completed, cards });
  } catch (error) {
    return await exchangeFailed(deps, attempt, error);
  }
}

/** Why a callback may not go on, before anything is changed. */
async function problemOf(
  deps: WalletDeps,
  callback: EnrolmentCallback,
  attempt: EnrolmentAttempt | undefined,
): Promise<string | undefined> {
  if (attempt === undefined || attempt.via !== callback.via) return "invalid_state";
  if (attempt.bsimId !== callback.bsimId) return callback.via === "mobile" ? "invalid_state" : "invalid_bsim";
  if (attempt.via !== "mobile" && !isSameBrowser(attempt, callback.webSession)) return "invalid_session";
  if (attempt.state === "expired") return "expired";
  if (attempt.state !== "started") return "invalid_state";
  if (attempt.expiresAt <= deps.clock.now()) return "expired";
  if (deps.directory.bank(attempt.bsimId) === undefined) return "provider_not_found";
  if (!attempt.newAccount && (await findUserById(deps.db.query, attempt.userId)) === undefined) return "user_not_found";
  return undefined;
}

/** The session the walk began in, or a later one of the same person: sessions change at every sign-in. */
function isSameBrowser(attempt: EnrolmentAttempt, session: WebSession | undefined): boolean {
  if (session === undefined) return false;
  return session.sessionId === attempt.webSessionId || session.userId === attempt.userId;
}

async function store(
  deps: WalletDeps,
  callback: EnrolmentCallback,
  attempt: EnrolmentAttempt,
  completed: Omit<CompletedConnect, "cards"> & Pick<Consent, "cards">,
): Promise<EnrolmentResult> {
  let cookie: string | undefined;
  const stored = await storeConsent(deps, { attempt, ...completed }, async (tx) => {
    if (!attempt.newAccount) return {};
    const failure = await insertAccount(deps, tx, attempt, completed);
    if (failure !== undefined) return { failure };
    const opened = await openWebSession(deps, tx, { userId: attempt.userId, verified: false });
    cookie = opened.cookie;
    if (callback.webSession !== undefined) await revokeWebSession(tx, callback.webSession.sessionId, deps.clock.now());
    return { webSessionId: opened.session.sessionId };
  });
  if ("failure" in stored) return failed(stored.failure, attempt);
  return {
    ok: true,
    bsimId: attempt.bsimId,
    bankName: bankDisplayName(deps.directory, attempt.bsimId),
    cardCount: stored.cardCount,
    resumeUid: attempt.resumeUid ?? undefined,
    cookie,
  };
}

/**
 * Makes the account of someone who enrolled without one. What a bank says of an address is no proof to us, so an account
 * that has the address already is never touched, and the new one stays unverified. Resolves with a failure word.
 */
async function insertAccount(
  deps: WalletDeps,
  tx: Parameters<typeof insertUser>[0],
  attempt: EnrolmentAttempt,
  completed: Pick<CompletedConnect, "profileEmail" | "profileName">,
): Promise<string | undefined> {
  const profile = readProfile(completed);
  if (profile === undefined) return "email_missing";
  const made = await insertUser(tx, {
    userId: attempt.userId,
    email: profile.email,
    name: profile.name,
    walletId: newWalletId(),
    passwordHash: attempt.pendingPasswordHash ?? undefined,
    verified: false,
    now: deps.clock.now(),
  });
  return made === undefined ? "account_exists" : undefined;
}

function readProfile({ profileEmail, profileName }: Pick<CompletedConnect, "profileEmail" | "profileName">) {
  if (profileEmail === undefined) return undefined;
  try {
    const email = parseEmailAddress(profileEmail);
    return { email, name: parsePersonName(profileName || email.asTyped.split("@")[0] || "Wallet") };
  } catch (error) {
    if (error instanceof DomainError) return undefined; // the bank's data, not the caller's fault
    throw error;
  }
}

async function exchangeFailed(deps: WalletDeps, attempt: EnrolmentAttempt, error: unknown): Promise<EnrolmentResult> {
  deps.log.warn({ err: error, bankId: attempt.bsimId }, "enrolment not completed");
  const definite = error instanceof ConnectionError && error.kind !== "unknown_outcome";
  if (!definite) return failed("callback_failed", attempt); // the attempt stays for the job that looks what became of it
  const failure = error.word === "invalid_state" ? "invalid_state" : bankCode(error.word);
  const { userId, attemptId } = attempt;
  await endAttempt(deps.db.query, { userId, attemptId, failure, now: deps.clock.now() });
  return failed(failure, attempt);
}

/** The bank's OAuth code as it may stand in a URL of ours (RFC 6749, section 4.1.2.1); its texts are never passed on. */
function bankCode(text: string): string {
  return /^[A-Za-z0-9_.-]{1,64}$/.test(text) ? text : "callback_failed";
}

function failed(error: string, attempt?: EnrolmentAttempt): EnrolmentResult {
  return { ok: false, error, message: messages[error], resumeUid: attempt?.resumeUid ?? undefined };
}
