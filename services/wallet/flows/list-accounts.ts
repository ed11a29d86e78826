import { type BankAccount, ConnectionError, type OutgoingCall } from "../clients/credential-connections.ts";
import type { ReauthReason } from "../domain/enrolment-rules.ts";
import { type Enrolment, listLiveEnrolments, noteConnection } from "../storage/enrolments-store.ts";
import type { WalletDeps } from "./wallet-deps.ts";

/** The longest one bank may take. */
export const bankDeadlineMs = 6_000;
/** Left of the caller's time for the answer itself. */
const answerReserveMs = 500;

export type AccountsErrorWord =
  | "provider_not_configured"
  | "missing_access_token"
  | "bsim_token_expired"
  | "bsim_unauthorized"
  | "bsim_invalid_credentials"
  | "bsim_unavailable";

/** Why one bank could not be read, and what the user can do. */
export interface BankAccountsError {
  readonly bsimId: string;
  readonly error: AccountsErrorWord;
  readonly message: string;
  readonly action: "reenroll" | undefined;
}

/** Accounts of every bank that answered, and the errors of the others. */
export interface AccountsOverview {
  readonly accounts: ReadonlyArray<BankAccount & { readonly bsimId: string }>;
  readonly errors: readonly BankAccountsError[];
}

const known: Readonly<Record<AccountsErrorWord, { message: string; reauth: ReauthReason | undefined }>> = {
  provider_not_configured: { message: "This bank is not set up here yet", reauth: undefined },
  missing_access_token: { message: "Add this bank again to see its accounts", reauth: "missing_access_token" },
  bsim_token_expired: { message: "Your consent has ended: add this bank again", reauth: "refresh_refused" },
  bsim_unauthorized: { message: "The bank does not allow this right now", reauth: undefined },
  bsim_invalid_credentials: { message: "The bank does not accept this wallet right now", reauth: undefined },
  bsim_unavailable: { message: "The bank does not answer right now", reauth: undefined },
};

/** Words of the connection's holder that mean one of ours. */
const sameMeaning: Readonly<Record<string, AccountsErrorWord>> = {
  reauthorization_required: "bsim_token_expired",
  connection_not_found: "missing_access_token",
};

/**
 * Real balances of every enrolled bank, asked in parallel, each within its own deadline, so that one bank neither hides nor
 * delays the others. Nobody enrolled gives no accounts and no errors. Order: by enrolment, then as the bank lists.
 */
export async function listAccounts(deps: WalletDeps, userId: string, call: OutgoingCall): Promise<AccountsOverview> {
  const enrolments = await listLiveEnrolments(deps.db.query, userId);
  const timeoutMs = Math.max(1, Math.min(bankDeadlineMs, call.timeoutMs - answerReserveMs));
  const answers = await Promise.all(enrolments.map((one) => askBank(deps, one, { ...call, timeoutMs })));
  return {
    accounts: answers.flatMap((answer) => ("accounts" in answer ? answer.accounts : [])),
    errors: answers.flatMap((answer) => ("error" in answer ? [answer] : [])),
  };
}

async function askBank(
  deps: WalletDeps,
  enrolment: Enrolment,
  call: OutgoingCall,
): Promise<BankAccountsError | { readonly accounts: AccountsOverview["accounts"] }> {
  const { userId, bsimId, connectionId } = enrolment;
  try {
    const accounts = await deps.credential.listAccounts({ userId, connectionId }, call);
    return { accounts: accounts.map((account) => ({ ...account, bsimId })) };
  } catch (thrown) {
    if (!(thrown instanceof ConnectionError)) deps.log.error({ err: thrown, bankId: bsimId }, "accounts not read");
    const error = wordOf(thrown);
    const { message, reauth } = known[error];
    if (reauth !== undefined) await noteReauth(deps, enrolment, reauth);
    return { bsimId, error, message, action: reauth === undefined ? undefined : "reenroll" };
  }
}

function wordOf(thrown: unknown): AccountsErrorWord {
  if (!(thrown instanceof ConnectionError)) return "bsim_unavailable";
  const word = sameMeaning[thrown.word] ?? thrown.word;
  return Object.hasOwn(known, word) ? (word as AccountsErrorWord) : "bsim_unavailable"; // a key of `known`
}

/** Stores that the user is needed, seen in a call to the bank itself. */
export async function noteReauth(
  deps: Pick<WalletDeps, "clock" | "db">,
  enrolment: Pick<Enrolment, "userId" | "enrolmentId" | "connectionId">,
  reauthReason: ReauthReason,
): Promise<void> {
  const { userId, enrolmentId, connectionId } = enrolment;
  const now = deps.clock.now();
  await noteConnection(deps.db.query, { userId, enrolmentId, connectionId, reauthReason, now });
}
