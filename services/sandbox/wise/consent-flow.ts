import { DomainError } from "../../platform/errors/domain-error.ts";
import { isUuid } from "../../platform/ids/uuidv7.ts";
import { keyedHash, textsEqual } from "../../platform/secrets/keyed-hash.ts";
import { randomToken } from "../../platform/secrets/random-token.ts";
import type { ReadMoment } from "../kit/sandbox-clock.ts";
import { findPerson, type Person } from "./domain/people.ts";
import type { Settings } from "./domain/settings.ts";
import type { Authorization, AuthorizationStore } from "./storage/authorization-store.ts";

/** Wrong passwords before a page is of no more use. */
const attemptsMax = 5;
const valueLengthMax = 2_000;

/** A person's way from the authorization link to the application's return address. */
export interface ConsentFlow {
  /** The page of a link. Throws `LINK_REFUSED` for one that names an application or address nobody registered. */
  follow(query: Readonly<Record<string, string>>): Promise<string>;
  /** Throws `PAGE_UNKNOWN`, or `PAGE_USED` once it has led to an answer or its time is over. */
  find(authorizationId: string): Promise<Authorization>;
  /** Throws `SIGN_IN_REFUSED`. */
  signIn(authorizationId: string, words: { username: string; password: string }): Promise<void>;
  /** The person agrees for one of his profiles: the address to go to, with a code. */
  allow(authorizationId: string, profileId: bigint): Promise<string>;
  /** The person refuses: the address to go to, with `access_denied`. */
  deny(authorizationId: string): Promise<string>;
}

/** What the flow needs. */
export interface ConsentFlowDeps {
  readonly app: { readonly clientId: string; readonly redirectUris: readonly string[] };
  readonly authorizations: AuthorizationStore;
  /** Codes are kept as hashes under it. */
  readonly tokenPepper: Uint8Array;
  readonly moment: ReadMoment<Settings>;
}

/** Makes the flow. */
export function createConsentFlow(deps: ConsentFlowDeps): ConsentFlow {
  const { app, authorizations } = deps;
  const find = async (id: string): Promise<Authorization> => {
    const found = isUuid(id) ? await authorizations.find(id) : undefined;
    if (found === undefined) throw new DomainError("PAGE_UNKNOWN");
    const isAnswered = found.stage === "granted" || found.stage === "denied";
    const { now } = await deps.moment();
    if (isAnswered || found.expiresAt <= now || found.attempts >= attemptsMax) throw new DomainError("PAGE_USED");
    return found;
  };
  return {
    async follow(query) {
      const { client_id: clientId, redirect_uri: redirectUri = "", state } = query;
      const isTooLong = Object.values(query).some((value) => value.length > valueLengthMax);
      if (isTooLong || clientId !== app.clientId || !app.redirectUris.includes(redirectUri)) {
        throw new DomainError("LINK_REFUSED");
      }
      const { settings, now } = await deps.moment();
      const expiresAt = new Date(now.getTime() + settings.pageSeconds * 1_000);
      return await authorizations.open({ redirectUri, state: state ?? null }, now, expiresAt);
    },
    find,
    async signIn(id, { username, password }) {
      await find(id);
      const person = findPerson(username);
      if (person === undefined || !textsEqual(password, person.password)) {
        await authorizations.countAttempt(id);
        throw new DomainError("SIGN_IN_REFUSED");
      }
      if (!(await authorizations.signIn(id, username))) throw new DomainError("PAGE_STEP_WRONG");
    },
    async allow(id, profileId) {
      const page = await find(id);
      if (!signedIn(page).profiles.some((each) => each.profileId === profileId))
        throw new DomainError("PROFILE_UNKNOWN");
      const { settings, now } = await deps.moment();
      const code = randomToken(24);
      const expiresAt = new Date(now.getTime() + settings.codeSeconds * 1_000);
      const hash = keyedHash(deps.tokenPepper, code);
      if (!(await authorizations.grant(id, { hash, profileId, expiresAt }))) throw new DomainError("PAGE_USED");
      return backTo(page, { code, profileId: String(profileId) });
    },
    async deny(id) {
      const page = await find(id);
      if (!(await authorizations.deny(id))) throw new DomainError("PAGE_USED");
      return backTo(page, { error: "access_denied" });
    },
  };
}

/** Who signed in on a page. Throws `PAGE_STEP_WRONG` when nobody has. */
export function signedIn(page: Authorization): Person {
  const person = page.username === null ? undefined : findPerson(page.username);
  if (person === undefined) throw new DomainError("PAGE_STEP_WRONG");
  return person;
}

function backTo(page: Authorization, answer: Readonly<Record<string, string>>): string {
  const url = new URL(page.redirectUri);
  for (const [name, value] of Object.entries(answer)) url.searchParams.set(name, value);
  if (page.state !== null) url.searchParams.set("state", page.state);
  return url.href;
}
