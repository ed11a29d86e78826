import { createHash } from "node:crypto";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { isUuid } from "../../platform/ids/uuidv7.ts";
import { keyedHash, textsEqual } from "../../platform/secrets/keyed-hash.ts";
import { randomToken } from "../../platform/secrets/random-token.ts";
import type { ReadMoment } from "../kit/sandbox-clock.ts";
import {
  type AuthRefusal,
  type AuthRequest,
  type KnownApp,
  type ReturnAddress,
  readAuthRequest,
} from "./domain/auth-request.ts";
import { type Bank, banksOffered, findBank, findPerson } from "./domain/banks.ts";
import type { Settings } from "./domain/settings.ts";
import type { Connection, ConnectionStore } from "./storage/connection-store.ts";
import type { AuthLink, LinkStore } from "./storage/link-store.ts";

/** Wrong passwords before a link is of no more use. */
const attemptsMax = 5;

/** An answer to the app, to be carried by the person's browser. */
export interface ReturnAnswer {
  readonly to: string;
  readonly mode: "query" | "form_post";
  readonly fields: Readonly<Record<string, string>>;
}

/** What following a link leads to. */
export type FollowedLink =
  | { readonly kind: "continue"; readonly link: AuthLink }
  | { readonly kind: "refused"; readonly text: string }
  | { readonly kind: "answer"; readonly answer: ReturnAnswer };

/** A person's way from the auth link to the app's return address. */
export interface AuthFlow {
  /** Follows a link. One that has led to an answer is of no more use. */
  follow(query: Readonly<Record<string, string>>): Promise<FollowedLink>;
  /** A link for an existing connection, on which the person signs in at the same bank again. */
  startRenewal(connection: Connection, request: AuthRequest): Promise<AuthLink>;
  /** A link under way. Throws `LINK_UNKNOWN`, or `LINK_USED` once it has been answered or its time is over. */
  find(linkId: string): Promise<AuthLink>;
  banksFor(link: AuthLink): readonly Bank[];
  chooseBank(linkId: string, providerId: string): Promise<AuthLink>;
  /** Throws `SIGN_IN_REFUSED` for wrong words, and for another person than the one whose consent is renewed. */
  signIn(linkId: string, words: { username: string; password: string }): Promise<AuthLink>;
  /** The person agrees: the answer carries a code. */
  allow(linkId: string): Promise<ReturnAnswer>;
  /** The person refuses, at any step: the answer carries `access_denied`. */
  deny(linkId: string): Promise<ReturnAnswer>;
}

/** What the flow needs. */
export interface AuthFlowDeps {
  readonly app: KnownApp;
  readonly links: LinkStore;
  readonly connections: ConnectionStore;
  /** Codes are kept as hashes under it. */
  readonly tokenPepper: Uint8Array;
  readonly moment: ReadMoment<Settings>;
}

/** Makes the flow. */
export function createAuthFlow(deps: AuthFlowDeps): AuthFlow {
  const find = async (linkId: string): Promise<AuthLink> => {
    const link = isUuid(linkId) ? await deps.links.find(linkId) : undefined;
    if (link === undefined) throw new DomainError("LINK_UNKNOWN");
    const { now } = await deps.moment();
    if (isOver(link, now)) throw new DomainError("LINK_USED");
    return link;
  };
  return {
    ...linkStarts(deps),
    find,
    banksFor: (link) => banksOffered(link.request.providers),
    async chooseBank(linkId, providerId) {
      const link = await find(linkId);
      if (!banksOffered(link.request.providers).some((bank) => bank.providerId === providerId)) {
        throw new DomainError("BANK_UNKNOWN");
      }
      return moved(await deps.links.advance(linkId, ["open"], { stage: "bank_chosen", providerId }));
    },
    async signIn(linkId, words) {
      const link = await find(linkId);
      const person = findPerson(words.username);
      const renewed = link.credentialsId === null ? undefined : await deps.connections.find(link.credentialsId);
      const isRight = person !== undefined && textsEqual(words.password, person.password);
      if (!isRight || (renewed !== undefined && renewed.username !== person.username)) {
        await deps.links.countAttempt(linkId);
        throw new DomainError("SIGN_IN_REFUSED");
      }
      return moved(
        await deps.links.advance(linkId, ["bank_chosen"], { stage: "signed_in", username: person.username }),
      );
    },
    async allow(linkId) {
      const link = await find(linkId);
      const { settings, now } = await deps.moment();
      const code = randomToken(32);
      const credentialsId = await deps.connections.grant(link, {
        hash: keyedHash(deps.tokenPepper, code),
        now,
        expiresAt: new Date(now.getTime() + settings.codeSeconds * 1_000),
        consentExpiresAt: new Date(now.getTime() + settings.consentSeconds * 1_000),
      });
      if (credentialsId === undefined) throw new DomainError("LINK_USED");
      return answerTo(link.request, { code, scope: link.request.scopes.join(" ") });
    },
    async deny(linkId) {
      const link = await find(linkId);
      moved(await deps.links.advance(linkId, ["open", "bank_chosen", "signed_in"], { stage: "denied" }));
      return answerTo(link.request, {
        error: "access_denied",
        error_description: "The end user denied access.",
      });
    },
  };
}

function linkStarts(deps: AuthFlowDeps): Pick<AuthFlow, "follow" | "startRenewal"> {
  return {
    async follow(query) {
      const read = readAuthRequest(query, deps.app);
      if ("refusal" in read) return refused(read.refusal);
      const { settings, now } = await deps.moment();
      const link = await deps.links.open({
        linkHash: hashOf(query),
        request: read.request,
        credentialsId: null,
        providerId: read.request.providerId,
        now,
        expiresAt: new Date(now.getTime() + settings.linkSeconds * 1_000),
      });
      if (isOver(link, now)) throw new DomainError("LINK_USED");
      return { kind: "continue", link };
    },
    async startRenewal(connection, request) {
      const { settings, now } = await deps.moment();
      return deps.links.open({
        linkHash: hashOf({ renewal: randomToken(32) }),
        request,
        credentialsId: connection.credentialsId,
        providerId: connection.providerId,
        now,
        expiresAt: new Date(now.getTime() + settings.linkSeconds * 1_000),
      });
    },
  };
}

function refused(refusal: AuthRefusal): FollowedLink {
  if (refusal.kind === "page") return { kind: "refused", text: refusal.text };
  const fields = { error: refusal.error, error_description: refusal.description };
  return { kind: "answer", answer: answerTo(refusal.request, fields) };
}

function answerTo(address: ReturnAddress, fields: Readonly<Record<string, string>>): ReturnAnswer {
  return {
    to: address.redirectUri,
    mode: address.responseMode,
    fields: address.state === null ? fields : { ...fields, state: address.state },
  };
}

/** The address a browser is sent to when the answer travels in the query. */
export function answerUrl(answer: ReturnAnswer): string {
  const url = new URL(answer.to);
  for (const [name, value] of Object.entries(answer.fields)) url.searchParams.set(name, value);
  return url.href;
}

/** The bank of a link on which one has been chosen. */
export function bankOf(link: AuthLink): Bank {
  const bank = findBank(link.providerId ?? "");
  if (bank === undefined) throw new DomainError("BANK_UNKNOWN");
  return bank;
}

function isOver(link: AuthLink, now: Date): boolean {
  const isAnswered = link.stage === "granted" || link.stage === "denied";
  return isAnswered || link.expiresAt <= now || link.attempts >= attemptsMax;
}

function moved(link: AuthLink | undefined): AuthLink {
  // Another tab was faster, or the step was repeated.
  if (link === undefined) throw new DomainError("LINK_STEP_WRONG");
  return link;
}

/** The same parameters in another order are the same link. */
function hashOf(query: Readonly<Record<string, string>>): Buffer {
  const sorted = Object.entries(query).sort(([one], [other]) => (one < other ? -1 : 1));
  return createHash("sha256").update(JSON.stringify(sorted)).digest();
}
