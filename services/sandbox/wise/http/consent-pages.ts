import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import { formText } from "../../../platform/http/body-parsers.ts";
import type { Csrf } from "../../../platform/pages/csrf.ts";
import type { Page } from "../../../platform/pages/layout.ts";
import { sendPage } from "../../../platform/pages/send-page.ts";
import { type ConsentForm, denyableForm } from "../../kit/http/consent-views.ts";
import { queryOf } from "../../kit/http/request-fields.ts";
import { type ConsentFlow, signedIn } from "../consent-flow.ts";
import { consentPage, signInPage } from "./consent-views.ts";

/** What the pages need. */
export interface ConsentPagesDeps {
  readonly flow: ConsentFlow;
  readonly csrf: Csrf;
  /** The application's name on the pages. */
  readonly appName: string;
}

type PageRequest = FastifyRequest<{ Params: { id: string } }>;

/** The authorization page: sign in, choose a profile, allow or deny. */
export function addConsentPages(app: FastifyInstance, deps: ConsentPagesDeps): void {
  const { flow, csrf } = deps;
  const forms = (request: PageRequest, reply: FastifyReply): ConsentForm => {
    const { id } = request.params;
    const csrfToken = csrf.token(request, reply, id);
    return denyableForm({ basePath: pathOf(id), csrf: csrfToken, clientName: deps.appName });
  };
  // Every step can end in the application, by Deny.
  const show = (reply: FastifyReply, page: Page, status = 200) =>
    sendPage(reply, page, { status, formTarget: "elsewhere" });
  app.get("/oauth/authorize", async (request, reply) =>
    reply.redirect(pathOf(await flow.follow(queryOf(request.query))), 303),
  );
  app.get("/oauth/authorize/:id", async (request: PageRequest, reply) => {
    const page = await flow.find(request.params.id);
    return show(
      reply,
      page.stage === "open" ? signInPage(forms(request, reply)) : consentPage(forms(request, reply), signedIn(page)),
    );
  });
  app.post("/oauth/authorize/:id/sign-in", async (request: PageRequest, reply) => {
    const { id } = request.params;
    csrf.verify(request, id);
    const username = formText(request.body, "username") ?? "";
    try {
      await flow.signIn(id, { username, password: formText(request.body, "password") ?? "" });
    } catch (error) {
      if (!(error instanceof DomainError) || error.reason !== "SIGN_IN_REFUSED") throw error;
      await flow.find(id);
      return show(reply, signInPage(forms(request, reply), { username: username.slice(0, 100) }), 401);
    }
    return reply.redirect(pathOf(id), 303);
  });
  app.post("/oauth/authorize/:id/allow", async (request: PageRequest, reply) => {
    csrf.verify(request, request.params.id);
    const profile = formText(request.body, "profile") ?? "";
    if (!/^\d{1,18}$/.test(profile)) throw new DomainError("PROFILE_UNKNOWN");
    return reply.redirect(await flow.allow(request.params.id, BigInt(profile)), 303);
  });
  app.post("/oauth/authorize/:id/deny", async (request: PageRequest, reply) => {
    csrf.verify(request, request.params.id);
    return reply.redirect(await flow.deny(request.params.id), 303);
  });
}

function pathOf(id: string): string {
  return `/oauth/authorize/${id}`;
}
