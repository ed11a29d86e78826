import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { formText } from "../../platform/http/body-parsers.ts";
import { isUuid } from "../../platform/ids/uuidv7.ts";
import { alert } from "../../platform/pages/components.ts";
import { html, type SafeHtml } from "../../platform/pages/html.ts";
import { bankDisplayName } from "../clients/bank-directory.ts";
import { choosePassword } from "../flows/choose-password.ts";
import { makeDefaultCard, takeCardOut } from "../flows/manage-cards.ts";
import { observeEnrolments } from "../flows/observe-connections.ts";
import { observeNotices } from "../flows/observe-notices.ts";
import { removeEnrolment } from "../flows/remove-enrolment.ts";
import { startWebEnrolment } from "../flows/start-web-enrolment.ts";
import { clearedSessionCookie } from "../flows/web-session.ts";
import type { OidcDeps } from "../oidc/oidc-deps.ts";
import { listActiveCards } from "../storage/cards-store.ts";
import { endNotices } from "../storage/owner-notices-store.ts";
import type { User } from "../storage/users-store.ts";
import { revokeWebSession } from "../storage/web-sessions-store.ts";
import { addClosePages } from "./close-pages.ts";
import type { PageContext } from "./page-context.ts";
import { createSignInRoutes, type SignInStep } from "./sign-in-routes.ts";
import { enrolView, walletView } from "./wallet-views.ts";

const walletPurpose = "wallet";
const signInPurpose = "sign-in";

/** Where a sign-in may lead, by the path it is served at: nothing a request brings becomes an address. */
const signIns = [
  { base: "/login", next: "/wallet", lead: "to see your cards and banks." },
  { base: "/login/connections", next: "/connections", lead: "to see your connected accounts." },
] as const;

/** Words for the codes an enrolment ends with; the address may hold anything, so no text of it is shown. */
const enrolmentProblems: Readonly<Record<string, string>> = {
  access_denied: "You did not allow it at the bank. Nothing was added.",
  account_exists: "This e-mail address has a wallet already. Sign in first, then add the bank.",
  email_missing: "The bank gave no e-mail address. Sign in first, then add the bank.",
  expired: "This took too long. Please start again.",
  invalid_session: "This was started in another browser. Please start again here.",
  invalid_state: "This was finished already, or was not started here. Please start again.",
};

type IdRequest = FastifyRequest<{ Params: { id: string } }>;

/** The wallet's own pages: sign-in at `/login`, cards and banks at `/wallet`, adding a bank at `/enroll`, leaving at `/wallet/close`. */
export function addWalletPages(app: FastifyInstance, deps: OidcDeps, context: PageContext): void {
  addSignInPages(app, deps, context);
  addWalletPage(app, deps, context);
  addEnrolPages(app, deps, context);
  addClosePages(app, deps, context);
}

function addSignInPages(app: FastifyInstance, deps: OidcDeps, context: PageContext): void {
  const signIn = createSignInRoutes(deps, context);
  for (const { base, next, lead } of signIns) {
    const step = (request: FastifyRequest, reply: FastifyReply): SignInStep => ({
      frame: { base, csrf: context.token(request, reply, signInPurpose), title: "Sign in to your wallet", lead },
      next,
    });
    app.get(base, async (request, reply) => {
      const asked: unknown = Reflect.get(Object(request.query), "next");
      const other = signIns.find((each) => each.next === asked && each.base !== base);
      if (other !== undefined) return reply.redirect(other.base, 303);
      const { user } = await context.visitor(request);
      return user === undefined ? signIn.show(request, reply, step(request, reply)) : reply.redirect(next, 303);
    });
    app.post(`${base}/login`, async (request, reply) => {
      await context.verify(request, signInPurpose);
      return signIn.login(request, reply, step(request, reply));
    });
    app.post(`${base}/sign-up`, async (request, reply) => {
      await context.verify(request, signInPurpose);
      return signIn.signUp(request, reply, step(request, reply));
    });
  }
  app.post("/wallet/sign-out", async (request, reply) => {
    await context.verify(request, walletPurpose);
    const { session } = await context.visitor(request);
    if (session !== undefined) await revokeWebSession(deps.db.query, session.sessionId, deps.clock.now());
    reply.header("set-cookie", clearedSessionCookie(deps));
    return reply.redirect("/login", 303);
  });
}

function addWalletPage(app: FastifyInstance, deps: OidcDeps, context: PageContext): void {
  app.get("/", async (_request, reply) => reply.redirect("/wallet", 303));
  const show = async (
    request: FastifyRequest,
    reply: FastifyReply,
    user: User,
    told: { notice?: SafeHtml | undefined; passwordProblem?: string } = {},
  ) => {
    const call = context.call(request);
    const [enrolments, notices, cards] = await Promise.all([
      observeEnrolments(deps, user.userId, call),
      observeNotices(deps, user.userId, call),
      listActiveCards(deps.db.query, user.userId),
    ]);
    const body = walletView({
      csrf: context.token(request, reply, walletPurpose),
      userName: user.name,
      userEmail: user.email,
      hasPassword: user.passwordHash !== null,
      passwordProblem: told.passwordProblem,
      enrolments,
      cards,
      notices,
      directory: deps.directory,
      connectionsUrl: deps.settings.connectionsUrl,
    });
    const status = told.passwordProblem === undefined ? 200 : 400;
    return context.show(reply, { title: "Your wallet", body: html`${told.notice}${body}`, status });
  };
  app.get("/wallet", async (request, reply) => {
    const { user } = await context.visitor(request);
    if (user === undefined) return reply.redirect("/login", 303);
    return show(request, reply, user, { notice: noticeOf(deps, request.query) });
  });
  app.post("/wallet/password", async (request, reply) => {
    await context.verify(request, walletPurpose);
    const { user, session } = await context.visitor(request);
    if (user === undefined || session === undefined) return reply.redirect("/login", 303);
    try {
      const password = formText(request.body, "password") ?? "";
      const presentPassword = formText(request.body, "present");
      await choosePassword(deps, { user, sessionId: session.sessionId, password, presentPassword });
    } catch (error) {
      return show(request, reply, user, { passwordProblem: passwordProblem(error) });
    }
    return reply.redirect("/wallet?saved=password", 303);
  });
  const act =
    (work: (user: User, request: IdRequest) => Promise<unknown>) => async (request: IdRequest, reply: FastifyReply) => {
      await context.verify(request, walletPurpose);
      const { user } = await context.visitor(request);
      if (user === undefined) return reply.redirect("/login", 303);
      await work(user, request);
      return reply.redirect("/wallet", 303);
    };
  app.post(
    "/wallet/cards/:id/default",
    act(({ userId }, request) => makeDefaultCard(deps, { userId, cardId: request.params.id })),
  );
  app.post(
    "/wallet/cards/:id/remove",
    act(({ userId }, request) => takeCardOut(deps, { userId, cardId: request.params.id })),
  );
  app.post(
    "/wallet/notices/:id/hide",
    act(async ({ userId }, request) => {
      const { id } = request.params;
      if (isUuid(id)) await endNotices(deps.db.query, { userId, noticeIds: [id], now: deps.clock.now() });
    }),
  );
  app.post(
    "/wallet/enrolments/:id/remove",
    act(({ userId }, request) =>
      removeEnrolment(deps, { userId, enrolmentId: request.params.id }, context.call(request)),
    ),
  );
}

/** What a redirect to the wallet's page has to tell; the address names a thing, never a text. */
function noticeOf(deps: OidcDeps, query: unknown): SafeHtml | undefined {
  const enrolled: unknown = Reflect.get(Object(query), "enrolled");
  if (typeof enrolled === "string") {
    return alert({ kind: "success", text: `${bankDisplayName(deps.directory, enrolled)} was added to your wallet.` });
  }
  const isSaved = Reflect.get(Object(query), "saved") === "password";
  return isSaved ? alert({ kind: "success", text: "Your password is saved." }) : undefined;
}

function passwordProblem(error: unknown): string {
  if (!(error instanceof DomainError)) throw error;
  switch (error.reason) {
    case "INVALID_CREDENTIALS":
      return "That is not your present password.";
    case "RATE_LIMITED":
      return "Too many tries. Please wait a while and try again.";
    case "INVALID_ARGUMENT":
      return `${String(error.facts["why"])}.`;
    default:
      throw error;
  }
}

function addEnrolPages(app: FastifyInstance, deps: OidcDeps, context: PageContext): void {
  const show = (request: FastifyRequest, reply: FastifyReply, problem: string | undefined, status = 200) => {
    const told = problem !== undefined && alert({ kind: "error", text: problem });
    const body = html`${told}${enrolView(deps.directory, context.token(request, reply, walletPurpose))}`;
    return context.show(reply, { title: "Add your bank", body, status });
  };
  app.get("/enroll", async (request, reply) => {
    const error: unknown = Reflect.get(Object(request.query), "error");
    if (typeof error !== "string") return show(request, reply, undefined);
    return show(request, reply, enrolmentProblems[error] ?? "The bank could not be added. Please try again.");
  });
  app.post("/enroll/:id", async (request: IdRequest, reply) => {
    await context.verify(request, walletPurpose);
    const { session } = await context.visitor(request);
    try {
      const walk = { bsimId: request.params.id, session, password: undefined };
      const begun = await startWebEnrolment(deps, walk, context.call(request));
      if (begun.cookie !== undefined) reply.header("set-cookie", begun.cookie);
      return reply.redirect(begun.authUrl, 303);
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      const name = bankDisplayName(deps.directory, request.params.id);
      return show(request, reply, `${name} cannot be reached right now. Please try again in a moment.`, 502);
    }
  });
}
