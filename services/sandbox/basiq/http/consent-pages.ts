import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import { formText } from "../../../platform/http/body-parsers.ts";
import { type Csrf, createCsrf } from "../../../platform/pages/csrf.ts";
import type { SafeHtml } from "../../../platform/pages/html.ts";
import { sendPage } from "../../../platform/pages/send-page.ts";
import { textsEqual } from "../../../platform/secrets/keyed-hash.ts";
import { bankChoiceView, type ConsentForm, consentView, signInView } from "../../kit/http/consent-views.ts";
import { queryOf } from "../../kit/http/request-fields.ts";
import {
  accountFacts,
  findInstitution,
  findPerson,
  type Institution,
  institutions,
  type Person,
} from "../domain/banks.ts";
import { BasiqError } from "../domain/basiq-error.ts";
import type { Visit } from "../storage/visit-store.ts";
import { type ApiDeps, instantOf } from "./api-deps.ts";
import { consentPage, questionOf } from "./consent-views.ts";

const stateLengthMax = 500;
const visitMs = 30 * 60_000;

/** A visit in a browser, and what its forms carry. */
interface OpenVisit {
  readonly hash: Buffer;
  readonly visit: Visit;
  readonly form: ConsentForm;
}

type Query = Readonly<Record<string, string>>;

/**
 * The consent page: bank, sign-in, consent. Entered by an auth link or with a client token; `state`, `action`, `institutionId` and
 * `connectionId` may be added to either. Ends at the application's redirect URL with `state`, and with `jobIds` when a connection
 * was made or signed in to again.
 */
export function addConsentPages(app: FastifyInstance, deps: ApiDeps & { csrfKey: Uint8Array }): void {
  const csrf = createCsrf({ key: deps.csrfKey, siteId: "basiq-consent", secure: deps.origin.startsWith("https:") });
  app.get<{ Params: { link: string } }>("/connect/:link", async (request, reply) => {
    const link = await deps.tokens.findLink({ hash: deps.access.hashOf(request.params.link) });
    if (link === undefined || link.expiresAt <= (await deps.moment()).now) throw new DomainError("LINK_UNKNOWN");
    return await enter(deps, csrf, request, reply, link.userId);
  });
  app.get("/home", async (request, reply) => {
    const grant = await deps.access.find(queryOf(request.query)["token"] ?? "").catch(unknownLink);
    if (grant.userId === null) throw new DomainError("LINK_UNKNOWN");
    return await enter(deps, csrf, request, reply, grant.userId);
  });
  app.post("/consent/institution", async (request, reply) => {
    const open = await resume(deps, csrf, request, reply);
    return show(reply, "Sign in", signInView(open.form, chosenBank(open.visit, request)));
  });
  app.post("/consent/sign-in", async (request, reply) => {
    const open = await resume(deps, csrf, request, reply);
    return await signIn(deps, open, request, reply);
  });
  app.post("/consent/consent", async (request, reply) => {
    const open = await resume(deps, csrf, request, reply);
    const { jobId } = await allow(deps, open, request);
    await deps.tokens.deleteLink(open.visit.userId);
    return leave(deps, reply, open.visit, jobId);
  });
  app.post("/consent/cancel", async (request, reply) => {
    const open = await resume(deps, csrf, request, reply);
    await deps.visits.leave(open.hash);
    return leave(deps, reply, open.visit, null);
  });
}

async function enter(
  deps: ApiDeps,
  csrf: Csrf,
  request: FastifyRequest,
  reply: FastifyReply,
  userId: string,
): Promise<FastifyReply> {
  const { now } = await deps.moment();
  const visit = await newVisit(deps, userId, queryOf(request.query), now);
  const { text, hash } = deps.access.newSecret();
  await deps.visits.open(hash, visit);
  const form = formOf(deps, csrf.token(request, reply, `visit:${text}`), text);
  if (visit.action === "extend") return show(reply, "Consent", consentView(form, questionOf(await consentEnd(deps))));
  const institution = findInstitution(visit.institutionId ?? "");
  if (institution === undefined) return show(reply, "Choose your bank", bankChoiceView(form, institutions));
  return show(reply, "Sign in", signInView(form, institution));
}

function formOf(deps: ApiDeps, csrf: string, visit: string): ConsentForm {
  return { basePath: "/consent", csrf, carried: { visit }, clientName: deps.applicationName };
}

async function newVisit(deps: ApiDeps, userId: string, query: Query, now: Date): Promise<Visit> {
  const { action = "", state = "", institutionId, connectionId } = query;
  const common = {
    userId,
    state: state.slice(0, stateLengthMax),
    username: null,
    stage: "open" as const,
    expiresAt: new Date(now.getTime() + visitMs),
  };
  switch (action) {
    case "":
    case "null":
    case "connect":
      return { ...common, action: "connect", institutionId: institutionId ?? null, connectionId: null };
    case "extend":
      if ((await deps.consents.findActive(userId)) === undefined) throw new DomainError("CONSENT_MISSING");
      return { ...common, action: "extend", institutionId: null, connectionId: null };
    case "reauthorise": {
      const connections = await deps.connections.list(userId);
      const wanted = connections.find((each) =>
        connectionId === undefined ? each.status === "invalid" : each.connectionId === connectionId,
      );
      if (wanted === undefined) throw new DomainError("CONNECTION_MISSING");
      const { institutionId: bank } = wanted;
      return { ...common, action: "reauthorise", institutionId: bank, connectionId: wanted.connectionId };
    }
    default:
      throw new DomainError("ACTION_UNKNOWN");
  }
}

async function resume(deps: ApiDeps, csrf: Csrf, request: FastifyRequest, reply: FastifyReply): Promise<OpenVisit> {
  const text = formText(request.body, "visit") ?? "";
  const hash = deps.access.hashOf(text);
  const visit = await deps.visits.find(hash);
  if (visit === undefined) throw new DomainError("LINK_UNKNOWN");
  csrf.verify(request, `visit:${text}`);
  if (visit.stage === "over" || visit.expiresAt <= (await deps.moment()).now) throw new DomainError("VISIT_OVER");
  const form = formOf(deps, csrf.token(request, reply, `visit:${text}`), text);
  return { hash, visit, form };
}

async function signIn(
  deps: ApiDeps,
  { hash, visit, form }: OpenVisit,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const institution = chosenBank(visit, request);
  if (!(await deps.visits.attempt(hash))) throw new DomainError("VISIT_LOCKED");
  const person = await personOf(deps, visit, request);
  if (person === undefined) {
    const problem = "The user name or password is not right.";
    return show(reply, "Sign in", signInView(form, institution, { problem }));
  }
  await deps.visits.signIn(hash, { institutionId: institution.id, username: person.loginId });
  const share = { institution, person, isRenewal: visit.connectionId !== null };
  return show(reply, "Consent", consentView(form, questionOf(await consentEnd(deps), share)));
}

function chosenBank(visit: Visit, request: FastifyRequest): Institution {
  const id = visit.institutionId ?? formText(request.body, "institution_id");
  const institution = findInstitution(id ?? "");
  if (institution === undefined) throw new DomainError("BANK_UNKNOWN");
  return institution;
}

/** Who these credentials belong to; in a renewal only the one whose connection it is. */
async function personOf(deps: ApiDeps, visit: Visit, request: FastifyRequest): Promise<Person | undefined> {
  const person = findPerson(formText(request.body, "username")?.trim() ?? "");
  if (person === undefined || !textsEqual(formText(request.body, "password") ?? "", person.password)) return undefined;
  if (visit.connectionId === null) return person;
  const connection = await deps.connections.find(visit.connectionId);
  return connection?.username === person.loginId ? person : undefined;
}

async function allow(
  deps: ApiDeps,
  { hash, visit }: OpenVisit,
  request: FastifyRequest,
): Promise<{ jobId: string | null }> {
  if (visit.action !== "extend" && visit.stage !== "signed_in") throw new DomainError("VISIT_OVER");
  const accountKinds = accountFacts
    .map((each) => each.kind)
    .filter((kind) => formText(request.body, `account_${kind}`) === "yes");
  if (visit.action === "connect" && accountKinds.length === 0) throw new DomainError("NO_ACCOUNTS");
  const given = { accountKinds, consentEnds: await consentEnd(deps), at: await instantOf(deps) };
  const done = await deps.visits.finish(hash, visit, given);
  if (done === undefined) throw new DomainError("VISIT_OVER");
  return done;
}

async function consentEnd(deps: ApiDeps): Promise<Date> {
  const { settings, now } = await deps.moment();
  return new Date(now.getTime() + settings.consentSeconds * 1_000);
}

function leave(deps: ApiDeps, reply: FastifyReply, visit: Visit, jobId: string | null): FastifyReply {
  const url = new URL(deps.redirectUrl);
  if (jobId !== null) url.searchParams.set("jobIds", jobId);
  if (visit.state !== "") url.searchParams.set("state", visit.state);
  return reply.redirect(url.href, 303);
}

function show(reply: FastifyReply, title: string, body: SafeHtml): FastifyReply {
  return sendPage(reply, consentPage(title, body), { formTarget: "elsewhere" });
}

function unknownLink(error: unknown): never {
  if (error instanceof BasiqError) throw new DomainError("LINK_UNKNOWN");
  throw error;
}
