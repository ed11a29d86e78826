import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import { formText } from "../../../platform/http/body-parsers.ts";
import type { Csrf } from "../../../platform/pages/csrf.ts";
import { pageHeaders } from "../../../platform/pages/security-headers.ts";
import { sendPage } from "../../../platform/pages/send-page.ts";
import { denyableForm } from "../../kit/http/consent-views.ts";
import { queryOf } from "../../kit/http/request-fields.ts";
import type { ReadMoment } from "../../kit/sandbox-clock.ts";
import { type AuthFlow, answerUrl, bankOf, type ReturnAnswer } from "../auth-flow.ts";
import type { Settings } from "../domain/settings.ts";
import type { AuthLink } from "../storage/link-store.ts";
import { bankChoicePage, consentPage, formPostPage, problemPage, signInPage } from "./auth-views.ts";

/** What the pages need. */
export interface AuthPagesDeps {
  readonly flow: AuthFlow;
  readonly csrf: Csrf;
  readonly moment: ReadMoment<Settings>;
  /** The app's name on the pages. */
  readonly appName: string;
}

type LinkRequest = FastifyRequest<{ Params: { linkId: string } }>;

/** The auth host's pages: choose a bank, sign in, consent or deny. */
export function addAuthPages(app: FastifyInstance, deps: AuthPagesDeps): void {
  const { flow, csrf } = deps;
  const back = (request: LinkRequest, reply: FastifyReply) => reply.redirect(pathOf(request.params.linkId), 303);
  app.get("/", async (request, reply) => {
    const followed = await flow.follow(queryOf(request.query));
    if (followed.kind === "refused") return sendPage(reply, problemPage(followed.text), { status: 400 });
    if (followed.kind === "answer") return sendAnswer(reply, followed.answer);
    return reply.redirect(pathOf(followed.link.linkId), 303);
  });
  app.get("/auth/:linkId", async (request: LinkRequest, reply) => {
    return showStep(deps, await flow.find(request.params.linkId), request, reply);
  });
  app.post("/auth/:linkId/institution", async (request: LinkRequest, reply) => {
    csrf.verify(request, request.params.linkId);
    await flow.chooseBank(request.params.linkId, formText(request.body, "institution_id") ?? "");
    return back(request, reply);
  });
  app.post("/auth/:linkId/sign-in", async (request: LinkRequest, reply) => {
    const { linkId } = request.params;
    csrf.verify(request, linkId);
    const words = {
      username: formText(request.body, "username") ?? "",
      password: formText(request.body, "password") ?? "",
    };
    try {
      await flow.signIn(linkId, words);
    } catch (error) {
      if (!(error instanceof DomainError) || error.reason !== "SIGN_IN_REFUSED") throw error;
      const link = await flow.find(linkId);
      const refused = { username: words.username.slice(0, 100) };
      const page = signInPage(formsFor(deps, link, request, reply), bankOf(link), refused);
      return sendPage(reply, page, { status: 401, formTarget: "elsewhere" });
    }
    return back(request, reply);
  });
  app.post("/auth/:linkId/consent", async (request: LinkRequest, reply) => {
    csrf.verify(request, request.params.linkId);
    return sendAnswer(reply, await flow.allow(request.params.linkId));
  });
  app.post("/auth/:linkId/deny", async (request: LinkRequest, reply) => {
    csrf.verify(request, request.params.linkId);
    return sendAnswer(reply, await flow.deny(request.params.linkId));
  });
}

async function showStep(
  deps: AuthPagesDeps,
  link: AuthLink,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const forms = formsFor(deps, link, request, reply);
  // Every step can end in the app: by Deny, and the last one by Allow.
  const options = { formTarget: "elsewhere" } as const;
  switch (link.stage) {
    case "open":
      return sendPage(reply, bankChoicePage(forms, deps.flow.banksFor(link)), options);
    case "bank_chosen":
      return sendPage(reply, signInPage(forms, bankOf(link)), options);
    default: {
      const { settings, now } = await deps.moment();
      const until = new Date(now.getTime() + settings.consentSeconds * 1_000);
      const isRenewal = link.credentialsId !== null;
      const consent = { bank: bankOf(link), scopes: link.request.scopes, until, isRenewal };
      return sendPage(reply, consentPage(forms, consent), options);
    }
  }
}

function formsFor({ csrf, appName }: AuthPagesDeps, link: AuthLink, request: FastifyRequest, reply: FastifyReply) {
  const { linkId } = link;
  return denyableForm({ basePath: pathOf(linkId), csrf: csrf.token(request, reply, linkId), clientName: appName });
}

function pathOf(linkId: string): string {
  return `/auth/${linkId}`;
}

function sendAnswer(reply: FastifyReply, answer: ReturnAnswer): FastifyReply {
  if (answer.mode === "query") return reply.redirect(answerUrl(answer), 303);
  const { page, scriptSource } = formPostPage(answer);
  const headers = pageHeaders(page, "elsewhere");
  const policy = `${headers["content-security-policy"] ?? ""}; script-src ${scriptSource}`;
  return reply.headers({ ...headers, "content-security-policy": policy }).send(page.text);
}
