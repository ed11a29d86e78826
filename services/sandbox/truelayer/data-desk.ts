import { dayMs, dayOf } from "../kit/domain/calendar.ts";
import { withEntries } from "../kit/domain/statement.ts";
import type { Moment } from "../kit/sandbox-clock.ts";
import { type Account, accountsOf, findAccount, findBank, findPerson, statementOf } from "./domain/banks.ts";
import {
  accountView,
  balanceView,
  cardView,
  type DateRange,
  pendingViews,
  personView,
  providerView,
  transactionViews,
} from "./domain/data-views.ts";
import { parseDateRange } from "./domain/date-range.ts";
import { type Resource, resources } from "./domain/resource.ts";
import type { Settings } from "./domain/settings.ts";
import { statements } from "./domain/town.ts";
import { TrueLayerError } from "./domain/truelayer-error.ts";
import type { Connection } from "./storage/connection-store.ts";
import type { PostedStore } from "./storage/posted-store.ts";

/** What is to be read. */
export interface Reading {
  readonly resource: Resource;
  readonly accountId: string | null;
  readonly query: Readonly<Record<string, string>>;
}

/** Reads the Data API. Every refusal is a `TrueLayerError`. */
export interface DataDesk {
  /** Whether the connection may be read at all, and lets this be seen. */
  check(connection: Connection, resource: Resource, moment: Moment<Settings>): void;
  /** The `results` of a call. */
  read(connection: Connection, reading: Reading, moment: Moment<Settings>): Promise<readonly object[]>;
}

/** Older transactions than this need a recent sign-in at strict banks. */
const unattendedMs = 91 * dayMs;

/** Makes the desk. `origin` and `clientId` appear in what is read. */
export function createDataDesk(deps: {
  readonly origin: string;
  readonly clientId: string;
  readonly posted: PostedStore;
}): DataDesk {
  return {
    check,
    async read(connection, reading, moment) {
      check(connection, reading.resource, moment);
      const { origin } = deps;
      const now = moment.now;
      const held = holdings(connection);
      switch (reading.resource) {
        case "me":
          return [connectionView(connection, deps, now)];
        case "info":
          return [personView(held.person, now)];
        case "accounts":
          return held.accounts.filter((each) => each.kind !== "card").map((each) => accountView(each, origin, now));
        case "cards":
          return held.accounts.filter((each) => each.kind === "card").map((each) => cardView(each, origin, now));
        case "account":
          return [accountView(accountIn(held.accounts, reading), origin, now)];
        case "card":
          return [cardView(accountIn(held.accounts, reading), origin, now)];
        default:
          return readStatement(deps.posted, connection, accountIn(held.accounts, reading), reading, moment);
      }
    },
  };
}

async function readStatement(
  posted: PostedStore,
  connection: Connection,
  account: Account,
  reading: Reading,
  moment: Moment<Settings>,
): Promise<readonly object[]> {
  const { now } = moment;
  const range = parseDateRange(reading.query, now);
  const further = await posted.list(account.accountId);
  const statement = withEntries(statements.until(statementOf(account), dayOf(now)), further);
  switch (reading.resource) {
    case "account_balance":
    case "card_balance":
      return [balanceView(account, statement, now)];
    case "account_pending":
    case "card_pending":
      return pendingViews(account, statement, now);
    default:
      checkRecentSignIn(connection, range, moment);
      return transactionViews(account, statement, range, now);
  }
}

function check(connection: Connection, resource: Resource, { now }: Moment<Settings>): void {
  if (connection.state !== "active" || connection.consentExpiresAt <= now) throw new TrueLayerError("access_denied");
  const { scope } = resources[resource];
  if (scope !== null && !connection.scopes.includes(scope)) {
    throw new TrueLayerError("access_denied", `The access token lacks the scope ${scope}.`);
  }
}

function checkRecentSignIn(connection: Connection, range: DateRange, { settings, now }: Moment<Settings>): void {
  if (findBank(connection.providerId)?.isStrict !== true) return;
  const isRecent = now.getTime() - connection.authenticatedAt.getTime() <= settings.scaSeconds * 1_000;
  if (!isRecent && now.getTime() - range.from.getTime() > unattendedMs) throw new TrueLayerError("sca_exceeded");
}

function holdings(connection: Connection) {
  const bank = findBank(connection.providerId);
  const person = findPerson(connection.username);
  // A bank or person of an earlier release of the sandbox.
  if (bank === undefined || person === undefined) throw new TrueLayerError("deprecated_provider");
  return { bank, person, accounts: accountsOf(bank, person) };
}

/** An account of somebody else is answered like one that does not exist, and so is a card among the accounts. */
function accountIn(accounts: readonly Account[], reading: Reading): Account {
  const wantsCard = reading.resource.startsWith("card");
  const found = accounts.find((each) => each.accountId === reading.accountId && (each.kind === "card") === wantsCard);
  if (found === undefined) throw new TrueLayerError("account_not_found");
  return found;
}

function connectionView(connection: Connection, deps: { origin: string; clientId: string }, now: Date) {
  const bank = findBank(connection.providerId);
  return {
    client_id: deps.clientId,
    credentials_id: connection.credentialsId,
    consent_status: connection.consentExpiresAt > now ? "Authorised" : "Expired",
    consent_status_updated_at: connection.consentUpdatedAt.toISOString(),
    consent_created_at: connection.consentCreatedAt.toISOString(),
    consent_expires_at: connection.consentExpiresAt.toISOString(),
    scopes: connection.scopes,
    ...(bank === undefined ? {} : { provider: providerView(bank, deps.origin) }),
  };
}

/** Whose account an id is; for the control API. */
export function ownerOf(accountId: string): { account: Account; providerId: string; username: string } | undefined {
  const account = findAccount(accountId);
  if (account === undefined) return undefined;
  return { account, providerId: account.bank.providerId, username: account.person.username };
}
