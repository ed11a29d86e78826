import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import { formText } from "../../../platform/http/body-parsers.ts";
import type { Brand } from "../../../platform/pages/brand.ts";
import { button, field } from "../../../platform/pages/components.ts";
import type { Csrf } from "../../../platform/pages/csrf.ts";
import { html, type SafeHtml } from "../../../platform/pages/html.ts";
import { type Page, page } from "../../../platform/pages/layout.ts";
import { sendPage } from "../../../platform/pages/send-page.ts";
import { bankChoiceView, type ConsentForm, consentView, doneView, signInView } from "../../kit/http/consent-views.ts";
import { queryOf } from "../../kit/http/request-fields.ts";
import type { ConnectFlow, ConnectVisit } from "../connect-flow.ts";
import { type Institution, searchInstitutions } from "../domain/institutions.ts";
import { bankAccount, type Person, people, samplePassword } from "../domain/people.ts";

/** The pages' speaker. */
export const connectBrand: Brand = Object.freeze({
  id: "mastercard-connect",
  name: "Connect Sandbox",
  color: "#8a2a12",
});

const basePath = "/connect";
const kinds = ["current", "savings", "card"] as const;
const permissions = [
  { title: "Accounts and balances" },
  { title: "Transactions", detail: "The last 180 days and new ones" },
];
const footer = `A sandbox: the banks and their customers are made up. Sign in as ${people.map((each) => each.username).join(", ")} with ${samplePassword}.`;

/** What the pages need. */
export interface ConnectPagesDeps {
  readonly flow: ConnectFlow;
  readonly csrf: Csrf;
}

/** A page of Connect. */
export function connectPage(title: string, body: SafeHtml): Page {
  return page({ title, brand: connectBrand, body, footer });
}

/** Connect for people: bank, sign-in, accounts and consent. Ends at the partner's address with `code` and `reason`. */
export function addConnectPages(app: FastifyInstance, { flow, csrf }: ConnectPagesDeps): void {
  const formOf = (visit: ConnectVisit, token: string, request: FastifyRequest, reply: FastifyReply): ConsentForm => ({
    basePath,
    csrf: csrf.token(request, reply, `connect:${visit.session.sessionId}`),
    carried: { token },
    clientName: visit.session.email?.institutionName ?? "Paymesh",
  });
  const posted = async (request: FastifyRequest, reply: FastifyReply) => {
    const token = formText(request.body, "token") ?? "";
    const visit = await flow.find(token);
    csrf.verify(request, `connect:${visit.session.sessionId}`);
    return { visit, common: formOf(visit, token, request, reply) };
  };
  app.get(basePath, async (request, reply) => {
    const { token = "", search = "" } = queryOf(request.query);
    const visit = await flow.find(token);
    await flow.start(visit);
    const common = formOf(visit, token, request, reply);
    if (visit.institution !== undefined) return show(reply, "Sign in", signInView(common, offered(visit.institution)));
    const banks = searchInstitutions(search).map(offered);
    return show(reply, "Choose your bank", bankChoiceView(common, banks, searchForm(token, search)));
  });
  app.post(`${basePath}/institution`, async (request, reply) => {
    const { visit, common } = await posted(request, reply);
    return show(reply, "Sign in", signInView(common, offered(chosen(flow, visit, request))));
  });
  app.post(`${basePath}/sign-in`, async (request, reply) => {
    const { visit, common } = await posted(request, reply);
    const institution = chosen(flow, visit, request);
    const person = await signedIn(flow, visit, institution, request);
    if (person !== undefined) return show(reply, "Consent", consentView(common, question(visit, institution, person)));
    const problem = "The user name or password is not right.";
    return show(reply, "Sign in", signInView(common, offered(institution), { problem }), 401);
  });
  app.post(`${basePath}/consent`, async (request, reply) => {
    const { visit } = await posted(request, reply);
    const wanted = kinds.filter((kind) => formText(request.body, `account_${kind}`) === "yes");
    return leave(reply, await flow.allow(visit, wanted));
  });
  app.post(`${basePath}/cancel`, async (request, reply) => {
    const { visit } = await posted(request, reply);
    return leave(reply, await flow.leave(visit));
  });
}

function show(reply: FastifyReply, title: string, body: SafeHtml, status = 200): FastifyReply {
  return sendPage(reply, connectPage(title, body), { status, formTarget: "elsewhere" });
}

function leave(reply: FastifyReply, target: string | null): FastifyReply {
  if (target !== null) return reply.redirect(target, 303);
  return show(reply, "All set", doneView("You can close this window."));
}

function offered(institution: Institution) {
  return { id: String(institution.id), name: institution.name };
}

function chosen(flow: ConnectFlow, visit: ConnectVisit, request: FastifyRequest): Institution {
  return flow.chosen(visit, formText(request.body, "institution_id") ?? "");
}

async function signedIn(
  flow: ConnectFlow,
  visit: ConnectVisit,
  institution: Institution,
  request: FastifyRequest,
): Promise<Person | undefined> {
  const username = formText(request.body, "username")?.trim() ?? "";
  try {
    return await flow.signIn(visit, institution, { username, password: formText(request.body, "password") ?? "" });
  } catch (error) {
    if (error instanceof DomainError && error.reason === "SIGN_IN_REFUSED") return undefined;
    throw error;
  }
}

function question(visit: ConnectVisit, institution: Institution, person: Person) {
  const accounts = person.kinds.map((kind) => {
    const { name, number } = bankAccount(institution.id, person, kind);
    return { key: kind, name, mask: number.slice(-4) };
  });
  return { bankName: institution.name, accounts: visit.fixes === undefined ? accounts : [], permissions };
}

/** A search works by a plain GET, so that it needs no script. */
function searchForm(token: string, words: string): SafeHtml {
  return html`<form method="get" action="${basePath}"><input type="hidden" name="token" value="${token}">${field({
    name: "search",
    label: "Find your bank",
    value: words,
    maxLength: 60,
    required: false,
  })}${button({ label: "Search", kind: "secondary", small: true })}</form>`;
}
