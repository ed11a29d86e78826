import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { errors, type Interaction, type Provider } from "oidc-provider";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { formText } from "../../platform/http/body-parsers.ts";
import { messagePage } from "../../platform/pages/messages.ts";
import { sendPage } from "../../platform/pages/send-page.ts";
import { bankDisplayName } from "../clients/bank-directory.ts";
import type { OauthClientRecord } from "../clients/oauth-clients.ts";
import type { PaymentRequest } from "../domain/payment-request.ts";
import { observeEnrolments } from "../flows/observe-connections.ts";
import { startEnrolment } from "../flows/start-enrolment.ts";
import { clearedSessionCookie } from "../flows/web-session.ts";
import { authorizeOnPage } from "../oidc/authorize-payment.ts";
import { paymentOf } from "../oidc/create-provider.ts";
import { type OidcDeps, paymentScope } from "../oidc/oidc-deps.ts";
import { listActiveCards } from "../storage/cards-store.ts";
import type { User } from "../storage/users-store.ts";
import { revokeWebSession } from "../storage/web-sessions-store.ts";
import { cancelBelow, cardPageView, consentView, paymentSummary } from "./interaction-views.ts";
import type { PageContext } from "./page-context.ts";
import { createSignInRoutes, type SignInStep } from "./sign-in-routes.ts";
import { walletBrand } from "./wallet-brand.ts";

type UidRequest = FastifyRequest<{ Params: { uid: string } }>;
type Notice = { readonly kind: "success" | "error" | "info"; readonly text: string };

/** An open interaction with what it asks for. */
interface Asked {
  readonly uid: string;
  readonly base: string;
  readonly interaction: Interaction;
  readonly client: OauthClientRecord;
  readonly payment: PaymentRequest | undefined;
  readonly scopes: readonly string[];
}

const enrolmentWords: Readonly<Record<string, string>> = {
  access_denied: "You did not allow it at the bank. Nothing was added.",
  expired: "Adding the bank took too long. Please start again.",
};

/** The payment page: sign in, choose a card, authorize, cancel; and the way to a bank. */
export function addInteractionRoutes(
  app: FastifyInstance,
  deps: OidcDeps,
  provider: Provider,
  context: PageContext,
): void {
  const page = createInteractionPage(deps, provider, context);
  app.get("/interaction/:uid", page.show);
  app.post("/interaction/:uid/login", page.login);
  app.post("/interaction/:uid/sign-up", page.signUp);
  app.post("/interaction/:uid/sign-out", page.signOut);
  app.post("/interaction/:uid/select-card", page.selectCard);
  app.post("/interaction/:uid/consent", page.consent);
  app.post("/interaction/:uid/abort", page.abort);
  app.post("/interaction/:uid/enroll/:bsimId", page.enroll);
}

function createInteractionPage(deps: OidcDeps, provider: Provider, context: PageContext) {
  const signIn = createSignInRoutes(deps, context);
  const open = (request: UidRequest, reply: FastifyReply) => openInteraction(deps, provider, request, reply);
  const stepOf = (request: UidRequest, reply: FastifyReply, asked: Asked): SignInStep => {
    const csrf = context.token(request, reply, purposeOf(asked.uid));
    const below = cancelBelow({ base: asked.base, csrf });
    const above = asked.payment === undefined ? {} : { above: paymentSummary(asked.payment) };
    const lead = asked.payment === undefined ? `to continue to ${asked.client.name}` : "to choose a card and pay.";
    return {
      frame: { base: asked.base, csrf, title: "Sign in to your wallet", lead, below, ...above },
      next: asked.base,
    };
  };
  const showCards = async (
    request: UidRequest,
    reply: FastifyReply,
    asked: Asked & { payment: PaymentRequest },
    shown: { user: User; notice?: Notice | undefined; chosenCardId?: string; status?: number },
  ) => {
    const enrolments = await observeEnrolments(deps, shown.user.userId, context.call(request));
    const cards = await listActiveCards(deps.db.query, shown.user.userId);
    const body = cardPageView({
      forms: { base: asked.base, csrf: context.token(request, reply, purposeOf(asked.uid)) },
      payment: asked.payment,
      userEmail: shown.user.email,
      cards,
      enrolments,
      directory: deps.directory,
      notice: shown.notice,
      chosenCardId: shown.chosenCardId,
    });
    return context.show(reply, { title: `Pay ${asked.payment.merchantName}`, body, status: shown.status ?? 200 });
  };
  /** A post to an open interaction: its form token is good, and it is the one this browser began. */
  const posted = async (request: UidRequest, reply: FastifyReply): Promise<Asked> => {
    await context.verify(request, purposeOf(request.params.uid));
    return open(request, reply);
  };
  const finish = async (
    request: UidRequest,
    reply: FastifyReply,
    result: Parameters<Provider["interactionResult"]>[2],
  ) =>
    reply.redirect(
      await provider.interactionResult(request.raw, reply.raw, result, { mergeWithLastSubmission: false }),
      303,
    );
  return {
    show: guarded(async (request, reply) => {
      const asked = await open(request, reply);
      const { user } = await context.visitor(request);
      if (user === undefined) return signIn.show(request, reply, stepOf(request, reply, asked));
      if (hasPayment(asked)) return showCards(request, reply, asked, { user, notice: noticeOf(deps, request.query) });
      const forms = { base: asked.base, csrf: context.token(request, reply, purposeOf(asked.uid)) };
      const body = consentView(forms, { clientName: asked.client.name, scopes: asked.scopes, userEmail: user.email });
      return context.show(reply, { title: `Continue to ${asked.client.name}`, body });
    }),
    login: guarded(async (request, reply) => {
      const asked = await posted(request, reply);
      return signIn.login(request, reply, stepOf(request, reply, asked));
    }),
    signUp: guarded(async (request, reply) => {
      const asked = await posted(request, reply);
      return signIn.signUp(request, reply, stepOf(request, reply, asked));
    }),
    signOut: guarded(async (request, reply) => {
      const asked = await posted(request, reply);
      const { session } = await context.visitor(request);
      if (session !== undefined) await revokeWebSession(deps.db.query, session.sessionId, deps.clock.now());
      reply.header("set-cookie", clearedSessionCookie(deps));
      return reply.redirect(asked.base, 303);
    }),
    selectCard: guarded(async (request, reply) => {
      const asked = await posted(request, reply);
      const { user } = await context.visitor(request);
      if (user === undefined || !hasPayment(asked)) return reply.redirect(asked.base, 303);
      const cardId = formText(request.body, "walletCardId") ?? "";
      const { uid, payment, client, scopes } = asked;
      const command = { interactionUid: uid, userId: user.userId, clientId: client.clientId, cardId, payment };
      const oidcScopes = scopes.filter((scope) => scope !== paymentScope);
      try {
        const grantId = await authorizeOnPage(deps, provider, { ...command, oidcScopes }, context.call(request));
        return await finish(request, reply, loginAndConsent(user.userId, grantId));
      } catch (error) {
        const text = cardProblem(error);
        const notice: Notice = { kind: "error", text };
        return showCards(request, reply, asked, { user, notice, chosenCardId: cardId, status: 502 });
      }
    }),
    consent: guarded(async (request, reply) => {
      const asked = await posted(request, reply);
      const { user } = await context.visitor(request);
      // A payment is consented to with a card, never with a bare yes.
      if (user === undefined || hasPayment(asked)) return reply.redirect(asked.base, 303);
      const grant = new provider.Grant({ accountId: user.userId, clientId: asked.client.clientId });
      grant.addOIDCScope(asked.scopes.join(" "));
      return finish(request, reply, loginAndConsent(user.userId, await grant.save()));
    }),
    abort: guarded(async (request, reply) => {
      await posted(request, reply);
      return finish(request, reply, { error: "access_denied", error_description: "the customer cancelled" });
    }),
    enroll: guarded(async (request, reply) => {
      const asked = await posted(request, reply);
      const { user, session } = await context.visitor(request);
      if (user === undefined || session === undefined || !hasPayment(asked)) return reply.redirect(asked.base, 303);
      const bsimId = bankParameter(request);
      const walk = {
        via: "oidc",
        userId: user.userId,
        bsimId,
        webSessionId: session.sessionId,
        resumeUid: asked.uid,
      } as const;
      try {
        const { authUrl } = await startEnrolment(deps, walk, context.call(request));
        return reply.redirect(authUrl, 303);
      } catch (error) {
        if (!(error instanceof DomainError)) throw error;
        const text = `${bankDisplayName(deps.directory, bsimId)} cannot be reached right now. Try again, or pay with another bank.`;
        return showCards(request, reply, asked, { user, notice: { kind: "error", text }, status: 502 });
      }
    }),
  };
}

/** Turns a lost interaction into a page that says so. */
function guarded(handler: (request: UidRequest, reply: FastifyReply) => Promise<FastifyReply>) {
  return async (request: UidRequest, reply: FastifyReply): Promise<FastifyReply> => {
    try {
      return await handler(request, reply);
    } catch (error) {
      if (!(error instanceof errors.SessionNotFound)) throw error;
      const text = "Go back to the shop and start the payment again. Nothing was charged.";
      const title = "This payment page is no longer open";
      return sendPage(reply, messagePage({ brand: walletBrand, kind: "info", title, text }), {
        status: 400,
        formTarget: "none",
      });
    }
  };
}

async function openInteraction(
  deps: OidcDeps,
  provider: Provider,
  request: UidRequest,
  reply: FastifyReply,
): Promise<Asked> {
  const interaction = await provider.interactionDetails(request.raw, reply.raw);
  const client = deps.clients.find(String(interaction.params["client_id"]));
  // The cookie is bound to this path; a different id in the address is somebody's guess.
  if (interaction.uid !== request.params.uid || client === undefined)
    throw new errors.SessionNotFound("no such interaction");
  const scopes = String(interaction.params["scope"] ?? "")
    .split(" ")
    .filter((scope) => client.scopes.includes(scope));
  const base = `/interaction/${interaction.uid}`;
  return { uid: interaction.uid, base, interaction, client, payment: paymentOf(interaction.params, client), scopes };
}

function hasPayment(asked: Asked): asked is Asked & { payment: PaymentRequest } {
  return asked.payment !== undefined;
}

function purposeOf(uid: string): string {
  return `interaction:${uid}`;
}

function loginAndConsent(accountId: string, grantId: string) {
  return { login: { accountId, remember: false }, consent: { grantId } };
}

function bankParameter(request: FastifyRequest): string {
  const bsimId: unknown = Reflect.get(Object(request.params), "bsimId");
  return typeof bsimId === "string" ? bsimId : "";
}

/** What to tell when the bank gave no token. Throws what is not about the card. */
function cardProblem(error: unknown): string {
  if (!(error instanceof DomainError)) throw error;
  switch (error.reason) {
    case "CARD_NOT_FOUND":
      return "Please choose one of your cards.";
    case "REENROLMENT_REQUIRED":
      return "Your bank wants your consent again before this card can pay. Reconnect the bank below, or choose another card.";
    case "CARD_TOKEN_ERROR":
      return "The card’s bank did not approve this right now. Nothing was charged. Try again, or choose another card.";
    case "CONFLICT":
      return "This payment is being authorized already. Please wait a moment and try again.";
    default:
      throw error;
  }
}

function noticeOf(deps: OidcDeps, query: unknown): Notice | undefined {
  const text = (name: string): string | undefined => {
    const value: unknown = Reflect.get(Object(query), name);
    return typeof value === "string" ? value : undefined;
  };
  const added = text("enrolled");
  if (added !== undefined)
    return { kind: "success", text: `${bankDisplayName(deps.directory, added)} was added to your wallet.` };
  const problem = text("error");
  if (problem === undefined) return undefined;
  return { kind: "error", text: enrolmentWords[problem] ?? "The bank could not be added. Please try again." };
}
