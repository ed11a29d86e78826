import {
  type BankAccount,
  type ConnectedAccount,
  type ConnectedAccountsError,
  ConnectionError,
  type OutgoingCall,
} from "../clients/credential-connections.ts";
import type { ReauthReason } from "../domain/enrolment-rules.ts";
import { type Enrolment, listEnrolmentsToRead, noteConnection } from "../storage/enrolments-store.ts";
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

/** Why a connection to a data provider could not be read, and what the user can do. */
export interface ConnectedError {
  readonly connector: string;
  /** Undefined when it is not even known which there are. */
  readonly connectionId: string | undefined;
  readonly institutionId: string;
  readonly error: string;
  readonly message: string;
  readonly action: "reconnect" | undefined;
}

/** Accounts of every bank and provider that answered, and the errors of the others. */
export interface AccountsOverview {
  readonly accounts: ReadonlyArray<BankAccount & { readonly bsimId: string }>;
  readonly errors: readonly BankAccountsError[];
  readonly connectedAccounts: readonly ConnectedAccount[];
  readonly connectedErrors: readonly ConnectedError[];
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
 * Real balances of every enrolled bank and connected provider, asked in parallel, each within its own deadline, so that one bank neither hides nor
 * delays the others. Nobody enrolled gives no accounts and no errors. Order: by enrolment, then as the bank lists.
 */
export async function listAccounts(deps: WalletDeps, userId: string, call: OutgoingCall): Promise<AccountsOverview> {
  const enrolments = await listEnrolmentsToRead(deps.db, userId);
  const timeoutMs = Math.max(1, Math.min(bankDeadlineMs, call.timeoutMs - answerReserveMs));
  const connected = askProviders(deps, userId, { ...call, timeoutMs: Math.max(1, call.timeoutMs - answerReserveMs) });
  const answers = await Promise.all(enrolments.map((one) => askBank(deps, one, { ...call, timeoutMs })));
  return {
    ...(await connected),
    accounts: answers.flatMap((answer) => ("accounts" in answer ? answer.accounts : [])),
    errors: answers.flatMap((answer) => ("error" in answer ? [answer] : [])),
  };
}

const connectedMessages: Readonly<Record<string, string>> = {
  reauthorization_required: "Your consent has ended: connect this account again",
  provider_rate_limited: "The provider asks us to come back later",
  provider_not_configured: "This provider is not set up here any more",
};
const unavailableMessage = "The provider does not answer right now";

/** Never rejects: whatever befalls the providers, the banks are shown. */
async function askProviders(
  deps: WalletDeps,
  userId: string,
  call: OutgoingCall,
): Promise<Pick<AccountsOverview, "connectedAccounts" | "connectedErrors">> {
  try {
    const { accounts, errors } = await deps.credential.listConnectedAccounts(userId, call);
    return { connectedAccounts: accounts, connectedErrors: errors.map(connectedError) };
  } catch (thrown) {
    if (!(thrown instanceof ConnectionError)) deps.log.error({ err: thrown }, "accounts of providers not read");
    const unknown = { connector: "", connectionId: undefined, institutionId: "", action: undefined };
    const failed = { ...unknown, error: "provider_unavailable", message: unavailableMessage };
    return { connectedAccounts: [], connectedErrors: [failed] };
  }
}

function connectedError({ connector, connectionId, institutionId, word }: ConnectedAccountsError): ConnectedError {
  const action = word === "reauthorization_required" ? "reconnect" : undefined;
  const message = connectedMessages[word] ?? unavailableMessage;
  return { connector, connectionId, institutionId, error: word, message, action };
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
