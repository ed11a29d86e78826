import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import { formText } from "../../../platform/http/body-parsers.ts";
import { type Csrf, createCsrf } from "../../../platform/pages/csrf.ts";
import type { SafeHtml } from "../../../platform/pages/html.ts";
import { sendPage } from "../../../platform/pages/send-page.ts";
import { textsEqual } from "../../../platform/secrets/keyed-hash.ts";
import { bankChoiceView, type ConsentForm, consentView, doneView, signInView } from "../../kit/http/consent-views.ts";
import { findInstitution, type Institution, institutions } from "../domain/institutions.ts";
import { consentEnd } from "../domain/item.ts";
import { findPerson, type Person, samplePassword } from "../domain/people.ts";
import { PlaidError } from "../domain/plaid-error.ts";
import { itemOfGrant } from "../link-sessions.ts";
import type { LinkSession } from "../storage/link-store.ts";
import type { ApiDeps } from "./api-deps.ts";
import { linkPage } from "./link-views.ts";
import { publicTokenEnd } from "./sandbox-routes.ts";

const stateLengthMax = 500;

/** A session in a browser: whose it is and what its forms carry. */
interface Visit {
  readonly session: LinkSession;
  readonly token: string;
  readonly state: string;
  readonly common: ConsentForm;
  /** The bank that is settled already: of the item to renew, or named by the application. */
  readonly institution: Institution | undefined;
}

/**
 * Link for people: bank, sign-in, consent. Ends at the application's redirect address with `public_token` and
 * `link_session_id`, or with `error=access_denied` when the person leaves; `state` of the first address comes along.
 */
export function addLinkPages(app: FastifyInstance, deps: ApiDeps & { csrfKey: Uint8Array }): void {
  const csrf = createCsrf({ key: deps.csrfKey, siteId: "plaid-link", secure: deps.origin.startsWith("https:") });
  app.get<{ Querystring: { token?: string; state?: string } }>("/link", async (request, reply) => {
    const visit = await openVisit(deps, csrf, request, reply, request.query);
    if (visit.institution) return show(reply, "Sign in", signInView(visit.common, visit.institution));
    return show(reply, "Choose your bank", bankChoiceView(visit.common, offered(visit.session)));
  });
  app.post("/link/institution", async (request, reply) => {
    const visit = await continueVisit(deps, csrf, request, reply);
    return show(reply, "Sign in", signInView(visit.common, chosen(visit, request)));
  });
  app.post("/link/sign-in", async (request, reply) => {
    const visit = await continueVisit(deps, csrf, request, reply);
    const institution = chosen(visit, request);
    if (!(await deps.links.attempt(visit.session.id))) throw new DomainError("LINK_LOCKED");
    const person = await checkPerson(deps, visit.session, request);
    if (person === undefined) {
      const problem = "The user name or password is not right.";
      return show(reply, "Sign in", signInView(visit.common, institution, { problem }));
    }
    await deps.links.signIn(visit.session.id, { institutionId: institution.id, username: person.username });
    const renewal = visit.session.updateItemId !== null;
    const { products } = visit.session.request;
    const question = {
      bankName: institution.name,
      accounts: renewal ? [] : person.accounts,
      permissions: [
        { title: "Accounts and balances" },
        ...(products.includes("transactions") ? [{ title: "Transactions", detail: "Past and new ones" }] : []),
      ],
    };
    return show(reply, "Consent", consentView(visit.common, question));
  });
  app.post("/link/consent", async (request, reply) => {
    const visit = await continueVisit(deps, csrf, request, reply);
    const publicToken = await finish(deps, visit, request);
    return leave(reply, visit, { public_token: publicToken, link_session_id: visit.session.id });
  });
  app.post("/link/cancel", async (request, reply) => {
    const visit = await continueVisit(deps, csrf, request, reply);
    await deps.links.exit(visit.session.id, deps.clock.now());
    return leave(reply, visit, { error: "access_denied", link_session_id: visit.session.id });
  });
}

function show(reply: FastifyReply, title: string, body: SafeHtml): FastifyReply {
  return sendPage(reply, linkPage(title, body), { formTarget: "elsewhere" });
}

async function openVisit(
  deps: ApiDeps,
  csrf: Csrf,
  request: FastifyRequest,
  reply: FastifyReply,
  given: { token?: string | undefined; state?: string | undefined },
): Promise<Visit> {
  const token = given.token ?? "";
  const session = await findSession(deps, token);
  if (session.expiresAt <= deps.clock.now()) throw new DomainError("LINK_EXPIRED");
  if (session.stage === "finished" || session.stage === "exited") throw new DomainError("LINK_OVER");
  const item = session.updateItemId === null ? undefined : await deps.items.find(session.updateItemId);
  const state = (given.state ?? "").slice(0, stateLengthMax);
  const common = {
    basePath: "/link",
    csrf: csrf.token(request, reply, `link:${session.id}`),
    carried: { token, state },
    clientName: session.request.clientName,
  };
  return {
    session,
    token,
    state,
    common,
    institution: findInstitution(item?.institutionId ?? session.request.institutionId ?? ""),
  };
}

async function continueVisit(deps: ApiDeps, csrf: Csrf, request: FastifyRequest, reply: FastifyReply): Promise<Visit> {
  const token = formText(request.body, "token");
  const session = await findSession(deps, token ?? "");
  csrf.verify(request, `link:${session.id}`);
  return openVisit(deps, csrf, request, reply, { token, state: formText(request.body, "state") });
}

async function findSession(deps: ApiDeps, token: string): Promise<LinkSession> {
  try {
    const session = await deps.links.find(deps.tokens.hash("link", token));
    if (session) return session;
  } catch (error) {
    if (!(error instanceof PlaidError)) throw error;
  }
  throw new DomainError("LINK_UNKNOWN");
}

function offered(session: LinkSession): readonly Institution[] {
  return institutions.filter((each) => each.countryCodes.some((code) => session.request.countryCodes.includes(code)));
}

function chosen(visit: Visit, request: FastifyRequest): Institution {
  const id = formText(request.body, "institution_id");
  const institution = visit.institution ?? offered(visit.session).find((each) => each.id === id);
  if (institution === undefined) throw new DomainError("LINK_UNKNOWN");
  return institution;
}

/** The person these credentials belong to; in update mode only the one whose item it is. */
async function checkPerson(deps: ApiDeps, session: LinkSession, request: FastifyRequest): Promise<Person | undefined> {
  const person = findPerson(formText(request.body, "username")?.trim() ?? "");
  const password = formText(request.body, "password") ?? "";
  if (person === undefined || !textsEqual(password, samplePassword)) return undefined;
  if (session.updateItemId === null) return person;
  const item = await deps.items.find(session.updateItemId);
  return item?.username === person.username ? person : undefined;
}

async function finish(deps: ApiDeps, visit: Visit, request: FastifyRequest): Promise<string> {
  const { session } = visit;
  const person = findPerson(session.username ?? "");
  const institution = findInstitution(session.institutionId ?? "");
  if (session.stage !== "signed_in" || person === undefined || institution === undefined) {
    throw new DomainError("LINK_OVER");
  }
  const issued = deps.tokens.issue("public");
  const now = deps.clock.now();
  const finished = await deps.links.finish({
    sessionId: session.id,
    publicToken: {
      hash: issued.hash,
      sealed: deps.tokens.seal(issued.text, `link:${session.id}`),
      expiresAt: await publicTokenEnd(deps),
    },
    now,
    sessionWebhook: sessionWebhookOf(visit, issued.text),
    item: await outcomeOf(deps, session, { person, institution, request }),
  });
  if (!finished) throw new DomainError("LINK_OVER");
  return issued.text;
}

async function outcomeOf(
  deps: ApiDeps,
  session: LinkSession,
  who: { person: Person; institution: Institution; request: FastifyRequest },
) {
  const { person, institution, request } = who;
  if (session.updateItemId !== null) {
    const consentExpiresAt = consentEnd(deps.clock.now(), institution.oauth, await deps.control.settings());
    return { kind: "renewed" as const, itemId: session.updateItemId, consentExpiresAt };
  }
  const accountKeys = person.accounts
    .map((each) => each.key)
    .filter((key) => formText(request.body, `account_${key}`) === "yes");
  if (accountKeys.length === 0) throw new DomainError("LINK_NO_ACCOUNTS");
  const { products, webhook, daysRequested } = session.request;
  const item = await itemOfGrant(deps, { institution, person, accountKeys, products, webhook, daysRequested });
  return { kind: "new" as const, item };
}

function sessionWebhookOf(visit: Visit, publicToken: string) {
  const { hosted, webhook } = visit.session.request;
  if (!hosted || webhook === null) return undefined;
  const body = {
    webhook_type: "LINK",
    webhook_code: "SESSION_FINISHED",
    status: "SUCCESS",
    link_session_id: visit.session.id,
    link_token: visit.token,
    public_token: publicToken,
    public_tokens: [publicToken],
    environment: "sandbox",
  };
  return { url: webhook, body: JSON.stringify(body) };
}

function leave(reply: FastifyReply, visit: Visit, words: Readonly<Record<string, string>>): FastifyReply {
  const { completionRedirectUri, redirectUri } = visit.session.request;
  const target = completionRedirectUri ?? redirectUri;
  if (target === null) return show(reply, "All set", doneView("Your accounts are linked. You can close this window."));
  const url = new URL(target);
  for (const [name, value] of Object.entries(words)) url.searchParams.set(name, value);
  if (visit.state !== "") url.searchParams.set("state", visit.state);
  return reply.redirect(url.href, 303);
}
