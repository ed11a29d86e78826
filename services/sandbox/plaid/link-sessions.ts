import { randomToken } from "../../platform/secrets/random-token.ts";
import { addDays, dayOf } from "../kit/domain/calendar.ts";
import { derivedId } from "./domain/derived-id.ts";
import { feedOfDays } from "./domain/feed.ts";
import type { Institution } from "./domain/institutions.ts";
import { consentEnd } from "./domain/item.ts";
import type { Person } from "./domain/people.ts";
import type { ApiDeps } from "./http/api-deps.ts";
import type { NewItem } from "./storage/create-item.ts";

/** Days of history where the application names none. */
export const historyDaysDefault = 180;
/** Days of history at most, as Plaid has it. */
export const historyDaysMax = 730;

/** What a person gave to an application. */
export interface Grant {
  readonly institution: Institution;
  readonly person: Person;
  readonly accountKeys: readonly string[];
  readonly products: readonly string[];
  readonly webhook: string | null;
  readonly daysRequested: number;
}

/** The item that a grant makes, with the history its updates will show. */
export async function itemOfGrant(
  deps: Pick<ApiDeps, "control" | "clock" | "initialUpdateMs">,
  grant: Grant,
): Promise<NewItem> {
  const now = deps.clock.now();
  const today = dayOf(now);
  const id = derivedId("item", randomToken());
  const owner = { itemId: id, person: grant.person, accountKeys: grant.accountKeys };
  return {
    id,
    institutionId: grant.institution.id,
    username: grant.person.username,
    accountKeys: grant.accountKeys,
    products: grant.products,
    webhook: grant.webhook,
    consentExpiresAt: consentEnd(now, grant.institution.oauth, await deps.control.settings()),
    createdAt: now,
    firstUpdateAt: new Date(now.getTime() + deps.initialUpdateMs),
    fedThrough: today,
    transactions: feedOfDays(owner, addDays(today, -grant.daysRequested), today, today),
  };
}
