import { dayOf } from "../kit/domain/calendar.ts";
import { withEntries } from "../kit/domain/statement.ts";
import type { Moment } from "../kit/sandbox-clock.ts";
import { parseInterval } from "./domain/interval.ts";
import { type Balance, findPerson, type Person, type Profile } from "./domain/people.ts";
import type { Settings } from "./domain/settings.ts";
import { type Statement, statements } from "./domain/town.ts";
import { balanceView, profileView, statementView, transferView } from "./domain/views.ts";
import { forbidden, requestError } from "./domain/wise-error.ts";
import type { WiseGrant } from "./storage/grant-store.ts";
import type { PostedStore } from "./storage/posted-store.ts";

type Query = Readonly<Record<string, string>>;

const transfersMax = 100;
const transfersDefault = 10;

/** Reads what a grant opens. Every refusal is a `WiseError`. */
export interface DataDesk {
  /** Who granted it. */
  person(grant: WiseGrant): Person;
  profiles(grant: WiseGrant): readonly object[];
  profile(grant: WiseGrant, profileId: string): object;
  balances(grant: WiseGrant, profileId: string, query: Query, moment: Moment<Settings>): Promise<readonly object[]>;
  balance(grant: WiseGrant, ids: BalanceIds, moment: Moment<Settings>): Promise<object>;
  /** Checks what was asked for; `read` gives it, once it may be shown. */
  statement(grant: WiseGrant, ids: BalanceIds, query: Query): { read(moment: Moment<Settings>): Promise<object> };
  transfers(grant: WiseGrant, query: Query, moment: Moment<Settings>): Promise<readonly object[]>;
}

/** As they stand in a path. */
export interface BalanceIds {
  readonly profileId: string;
  readonly balanceId: string;
}

/** Makes the desk. */
export function createDataDesk(deps: { readonly posted: PostedStore }): DataDesk {
  const { posted } = deps;
  return {
    person: personOf,
    profiles: (grant) => profilesOf(grant).map((profile) => profileView(personOf(grant), profile)),
    profile: (grant, profileId) => profileView(personOf(grant), profileOf(grant, profileId)),
    async balances(grant, profileId, query, { now }) {
      const profile = profileOf(grant, profileId);
      const types = (query["types"] ?? "").split(",");
      if (!types.every((type) => type === "STANDARD" || type === "SAVINGS")) {
        throw requestError(400, "NotNull", "types must be STANDARD, SAVINGS or both", "types");
      }
      const wanted = profile.balances.filter((each) => types.includes(each.type));
      return await Promise.all(
        wanted.map(async (each) => balanceView(each, await statementOf(posted, each, now), now)),
      );
    },
    async balance(grant, ids, { now }) {
      const { balance } = balanceOf(grant, ids);
      return balanceView(balance, await statementOf(posted, balance, now), now);
    },
    statement(grant, ids, query) {
      const { profile, balance } = balanceOf(grant, ids);
      if (query["currency"] !== balance.currency) {
        throw requestError(400, "CURRENCY_INVALID", "currency must be the balance's own", "currency");
      }
      const type = query["type"] ?? "COMPACT";
      if (type !== "COMPACT" && type !== "FLAT") throw requestError(400, "TYPE_INVALID", "type is unknown", "type");
      const interval = parseInterval(query);
      const holder = { person: personOf(grant), profile };
      return {
        read: async ({ now }) => {
          const statement = await statementOf(posted, balance, now);
          return statementView(holder, balance, { statement, interval, type, now });
        },
      };
    },
    transfers: (grant, query, moment) => transfers(posted, grant, query, moment),
  };
}

async function transfers(
  posted: PostedStore,
  grant: WiseGrant,
  query: Query,
  { now }: Moment<Settings>,
): Promise<readonly object[]> {
  const profile = profileOf(grant, query["profile"] ?? String(grant.profileId));
  const holder = { person: personOf(grant), profile };
  const rows: { at: Date; view: object }[] = [];
  for (const balance of profile.balances) {
    for (const entry of (await statementOf(posted, balance, now)).entries) {
      if (entry.category.kind !== "TRANSFER" || entry.minor >= 0n || entry.bookedAt > now) continue;
      rows.push({ at: entry.at, view: transferView(holder, balance, entry) });
    }
  }
  const offset = wholeNumber(query["offset"], 0);
  const limit = Math.min(wholeNumber(query["limit"], transfersDefault), transfersMax);
  const newestFirst = rows.sort((one, other) => other.at.getTime() - one.at.getTime());
  return newestFirst.slice(offset, offset + limit).map((row) => row.view);
}

function wholeNumber(text: string | undefined, otherwise: number): number {
  return text !== undefined && /^\d{1,6}$/.test(text) ? Number.parseInt(text, 10) : otherwise;
}

async function statementOf(posted: PostedStore, balance: Balance, now: Date): Promise<Statement> {
  return withEntries(statements.until(balance.statement, dayOf(now)), await posted.list(balance.balanceId));
}

function personOf(grant: WiseGrant): Person {
  const person = findPerson(grant.username);
  // A person of an earlier release of the sandbox.
  if (person === undefined) throw forbidden();
  return person;
}

/** The one the person chose on the authorization page. */
function profilesOf(grant: WiseGrant): readonly Profile[] {
  return personOf(grant).profiles.filter((profile) => profile.profileId === grant.profileId);
}

function profileOf(grant: WiseGrant, profileId: string): Profile {
  const profile = profilesOf(grant).find((each) => String(each.profileId) === profileId);
  if (profile === undefined) throw forbidden();
  return profile;
}

function balanceOf(grant: WiseGrant, ids: BalanceIds): { profile: Profile; balance: Balance } {
  const profile = profileOf(grant, ids.profileId);
  const balance = profile.balances.find((each) => String(each.balanceId) === ids.balanceId);
  if (balance === undefined) throw requestError(404, "BALANCE_NOT_FOUND", "Balance not found", "balanceId");
  return { profile, balance };
}
