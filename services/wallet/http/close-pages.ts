import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { formText } from "../../platform/http/body-parsers.ts";
import { actions, alert, button, checkbox, form, linkButton, panel } from "../../platform/pages/components.ts";
import { html, type SafeHtml } from "../../platform/pages/html.ts";
import { closeAccount } from "../flows/close-account.ts";
import { clearedSessionCookie } from "../flows/web-session.ts";
import type { OidcDeps } from "../oidc/oidc-deps.ts";
import type { PageContext } from "./page-context.ts";

const purpose = "close-account";

/** The end of a wallet, at `/wallet/close`: one question, and what became of it. */
export function addClosePages(app: FastifyInstance, deps: OidcDeps, context: PageContext): void {
  const ask = (request: FastifyRequest, reply: FastifyReply, problem?: string) => {
    const body = closeView({ csrf: context.token(request, reply, purpose), problem });
    const status = problem === undefined ? 200 : 400;
    return context.show(reply, { title: "Delete your wallet?", body, status, formTarget: "self" });
  };
  app.get("/wallet/close", async (request, reply) => {
    const { user } = await context.visitor(request);
    return user === undefined ? reply.redirect("/login", 303) : ask(request, reply);
  });
  app.post("/wallet/close", async (request, reply) => {
    await context.verify(request, purpose);
    const { user } = await context.visitor(request);
    if (user === undefined) return reply.redirect("/login", 303);
    if (formText(request.body, "understood") !== "yes") {
      return ask(request, reply, "Tick the box to say that you want this.");
    }
    const isErased = await closeAccount(deps, user.userId, context.call(request));
    reply.header("set-cookie", clearedSessionCookie(deps));
    return context.show(reply, { title: "Your wallet is deleted", body: closedView(isErased), formTarget: "self" });
  });
}

function closeView(view: { readonly csrf: string; readonly problem: string | undefined }): SafeHtml {
  return panel(html`<h1>Delete your wallet?</h1>${view.problem !== undefined && alert({ kind: "error", text: view.problem })}
<p>Your cards leave, your consents at banks and connected accounts are taken back, and what is kept about you is removed. Payments you have made stay with the shops and banks. This cannot be undone.</p>
${form({
  action: "/wallet/close",
  csrf: view.csrf,
  body: html`${checkbox({ name: "understood", label: "I want my wallet deleted", hint: "You are signed out everywhere." })}${actions(
    [
      button({ label: "Delete my wallet", kind: "danger" }),
      linkButton({ label: "Keep it", href: "/wallet", kind: "secondary" }),
    ],
  )}`,
})}`);
}

function closedView(isErased: boolean): SafeHtml {
  const text = isErased
    ? "Your consents were taken back and what was kept about your accounts is gone."
    : "Nobody can use it any more. Taking back your consents goes on by itself and may take a while.";
  return panel(html`<h1>Your wallet is deleted</h1>${alert({ kind: isErased ? "success" : "info", text })}
${linkButton({ label: "Make a new wallet", href: "/login?with=sign-up", kind: "quiet" })}`);
}
