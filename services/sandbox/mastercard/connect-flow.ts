import { DomainError } from "../../platform/errors/domain-error.ts";
import { keyedHash, textsEqual } from "../../platform/secrets/keyed-hash.ts";
import { randomToken } from "../../platform/secrets/random-token.ts";
import type { AccountKind } from "../kit/domain/household.ts";
import type { Moment, ReadMoment } from "../kit/sandbox-clock.ts";
import type { ConnectEvent } from "./domain/connect-event.ts";
import { findInstitution, type Institution, institutions } from "./domain/institutions.ts";
import type { Account, InstitutionLogin } from "./domain/login.ts";
import { bankAccount, findPerson, type Person, samplePassword } from "./domain/people.ts";
import type { Settings } from "./domain/settings.ts";
import { type ConnectSession, type ConnectStore, type NewSession, signInAttemptsMax } from "./storage/connect-store.ts";
import type { LoginStore } from "./storage/login-store.ts";

/** What a Connect link shows at its beginning. */
export interface ConnectVisit {
  readonly session: ConnectSession;
  /** Settled already when a login is repaired. */
  readonly institution: Institution | undefined;
  readonly fixes: InstitutionLogin | undefined;
}

/** A person's way from a Connect link to the partner's address. Throws `DomainError` with a reason of the pages. */
export interface ConnectFlow {
  /** Makes a link. */
  create(session: Omit<NewSession, "tokenHash" | "now" | "expiresAt">): Promise<string>;
  /** Throws `LINK_UNKNOWN`, `LINK_EXPIRED`, `LINK_OVER` or `LINK_LOCKED`. */
  find(token: string): Promise<ConnectVisit>;
  /** The person is there; the partner is told the first time. */
  start(visit: ConnectVisit): Promise<void>;
  /** The institution by its id. Throws `INSTITUTION_UNKNOWN`. */
  chosen(visit: ConnectVisit, institutionId: string): Institution;
  /** Throws `SIGN_IN_REFUSED` for wrong words, and for another person than the one whose login is repaired. */
  signIn(visit: ConnectVisit, institution: Institution, words: { username: string; password: string }): Promise<Person>;
  /** The person agrees; where the browser goes, if anywhere. Throws `ACCOUNTS_MISSING` when none is chosen. */
  allow(visit: ConnectVisit, kinds: readonly AccountKind[]): Promise<string | null>;
  /** The person leaves, at any step. */
  leave(visit: ConnectVisit): Promise<string | null>;
}

/** What the flow needs. */
export interface ConnectFlowDeps {
  readonly origin: string;
  readonly sessions: ConnectStore;
  readonly logins: LoginStore;
  /** Links are kept as hashes under it. */
  readonly tokenPepper: Uint8Array;
  readonly moment: ReadMoment<Settings>;
  readonly tellAccounts: (accounts: readonly Account[]) => readonly object[];
}

/** Makes the flow. */
export function createConnectFlow(deps: ConnectFlowDeps): ConnectFlow {
  const hashOf = (token: string) => keyedHash(deps.tokenPepper, `connect\n${token}`);
  return {
    async create(session) {
      const { settings, now } = await deps.moment();
      const seconds = session.email === null ? settings.connectSeconds : settings.emailSeconds;
      const token = randomToken(32);
      const expiresAt = new Date(now.getTime() + seconds * 1_000);
      await deps.sessions.create({ ...session, tokenHash: hashOf(token), now, expiresAt });
      return `${deps.origin}/connect?token=${token}`;
    },
    async find(token) {
      const session = await deps.sessions.find(hashOf(token));
      if (session === undefined) throw new DomainError("LINK_UNKNOWN");
      requireOpen(session, await deps.moment());
      const fixes = session.fixLoginId === null ? undefined : await deps.logins.find(session.fixLoginId);
      if (session.fixLoginId !== null && fixes === undefined) throw new DomainError("LINK_OVER");
      return { session, fixes, institution: fixes && findInstitution(fixes.institutionId) };
    },
    async start({ session }) {
      const from = session.request.singleUse ? (["open"] as const) : (["open", "done", "exited"] as const);
      await deps.sessions.step(session, { from, to: "started", events: [{ type: "started", payload: {} }] });
    },
    chosen({ institution: settled }, institutionId) {
      const institution = settled ?? institutions.find((each) => String(each.id) === institutionId);
      if (institution === undefined) throw new DomainError("INSTITUTION_UNKNOWN");
      return institution;
    },
    signIn: (visit, institution, words) => signIn(deps, visit, institution, words),
    allow: (visit, kinds) => allow(deps, visit, kinds),
    async leave({ session }) {
      const step = { from: ["open", "started", "signed_in"] as const, to: "exited" as const, events: [] };
      if (!(await deps.sessions.step(session, step))) throw new DomainError("LINK_OVER");
      return returnUrl(session, { code: "100", reason: "exit" });
    },
  };
}

function requireOpen(session: ConnectSession, { now }: Moment<Settings>): void {
  if (session.expiresAt <= now) throw new DomainError("LINK_EXPIRED");
  const isOver = session.stage === "done" || session.stage === "exited";
  if (isOver && session.request.singleUse) throw new DomainError("LINK_OVER");
  if (session.attempts >= signInAttemptsMax) throw new DomainError("LINK_LOCKED");
}

async function signIn(
  deps: ConnectFlowDeps,
  { session, fixes }: ConnectVisit,
  institution: Institution,
  words: { username: string; password: string },
): Promise<Person> {
  const institutionId = String(institution.id);
  const person = findPerson(words.username);
  const isRight = person !== undefined && textsEqual(words.password, samplePassword);
  if (!isRight || (fixes !== undefined && fixes.username !== person.username)) {
    const isLast = session.attempts + 1 >= signInAttemptsMax;
    const type = isLast ? ("unableToConnect" as const) : ("invalidCredentials" as const);
    await deps.sessions.fail(session, { type, payload: { institutionId, code: 103 } });
    throw new DomainError("SIGN_IN_REFUSED");
  }
  const accounts = person.kinds.map((kind) => {
    const { name, type, number } = bankAccount(institution.id, person, kind);
    return { name, type, accountNumberDisplay: number.slice(-4), status: "pending", institutionId };
  });
  const events: ConnectEvent[] = [{ type: "discovered", payload: { institutionId, accounts } }];
  const moved = await deps.sessions.step(session, {
    from: ["started", "signed_in"],
    to: "signed_in",
    institutionId: institution.id,
    username: person.username,
    events,
  });
  if (!moved) throw new DomainError("LINK_OVER");
  return person;
}

async function allow(
  deps: ConnectFlowDeps,
  { session, fixes }: ConnectVisit,
  kinds: readonly AccountKind[],
): Promise<string | null> {
  const institution = findInstitution(session.institutionId ?? 0n);
  const person = findPerson(session.username ?? "");
  if (session.stage !== "signed_in" || institution === undefined || person === undefined) {
    throw new DomainError("LINK_OVER");
  }
  const chosen = person.kinds.filter((kind) => kinds.includes(kind));
  if (chosen.length === 0 && fixes === undefined) throw new DomainError("ACCOUNTS_MISSING");
  const { settings, now } = await deps.moment();
  const after = (seconds: number) => new Date(now.getTime() + seconds * 1_000);
  const granted = await deps.logins.grant({
    session,
    institutionId: institution.id,
    username: person.username,
    oauth: institution.oauth,
    kinds: chosen,
    now,
    authorizationEndsAt: institution.oauth ? after(settings.authorizationSeconds) : null,
    aggregationDueAt: after(settings.firstAggregationSeconds),
    tellAccounts: deps.tellAccounts,
  });
  if (!granted) throw new DomainError("LINK_OVER");
  return returnUrl(session, { code: "200", reason: "complete" });
}

function returnUrl(session: ConnectSession, words: Readonly<Record<string, string>>): string | null {
  const { redirectUri } = session.request;
  if (redirectUri === null) return null;
  const url = new URL(redirectUri);
  for (const [name, value] of Object.entries(words)) url.searchParams.set(name, value);
  return url.href;
}
