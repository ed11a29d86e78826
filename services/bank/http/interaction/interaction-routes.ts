import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Logger } from "pino";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import { translateError } from "../../../platform/errors/error-table.ts";
import { formText, formValues } from "../../../platform/http/body-parsers.ts";
import { httpErrors, reasonOfHttpError } from "../../../platform/http/http-errors.ts";
import { parseAmount } from "../../../platform/money/amount.ts";
import { parseCurrency } from "../../../platform/money/currency.ts";
import type { Brand } from "../../../platform/pages/brand.ts";
import type { Csrf } from "../../../platform/pages/csrf.ts";
import { errorPage } from "../../../platform/pages/error-page.ts";
import { messagePage } from "../../../platform/pages/messages.ts";
import { sendPage } from "../../../platform/pages/send-page.ts";
import { chosenAmong } from "../../domain/consent.ts";
import { walletEnrollScope } from "../../domain/wallet-credential.ts";
import { paymentScope } from "../../oidc/bank-provider.ts";
import type { GrantConsent } from "../../oidc/grant-consent.ts";
import type { Interactions, OpenInteraction } from "../../oidc/interactions.ts";
import type { SignIn } from "../../oidc/sign-in.ts";
import type { Customer, CustomerStore } from "../../storage/customer-store.ts";
import type { RegisteredClients } from "../../storage/registered-client-store.ts";
import { type ConsentView, consentPage, paymentConsentPage, showsAccounts } from "./consent-page.ts";
import { signInPage } from "./sign-in-page.ts";

/** What the pages of an interaction need. */
export interface InteractionRoutesDeps {
  readonly brand: Brand;
  readonly csrf: Csrf;
  readonly interactions: Interactions;
  readonly signIn: SignIn;
  readonly grantConsent: GrantConsent;
  readonly customers: CustomerStore;
  readonly clients: RegisteredClients;
  readonly log: Pick<Logger, "error">;
}

type UidRequest = FastifyRequest<{ Params: { uid: string } }>;

// Every form here ends in a redirect back to whoever asked, hence no form-action (see FormTarget).
const formTarget = "elsewhere" as const;

/** Mounts sign-in and consent at `/interaction/:uid`. Everything is in the database: any replica can answer any step. */
export async function interactionRoutes(app: FastifyInstance, deps: InteractionRoutesDeps): Promise<void> {
  app.setErrorHandler((thrown, request, reply) => showError(deps, thrown, request, reply));
  app.get("/interaction/:uid", async (request: UidRequest, reply) => {
    const interaction = await open(deps, request, reply);
    if (interaction === undefined) return expired(deps, reply);
    const customer = interaction.prompt === "consent" ? await signedInCustomer(deps, interaction) : undefined;
    return customer === undefined
      ? showSignIn(deps, request, reply, interaction, {})
      : showConsent(deps, request, reply, interaction, customer, {});
  });

  app.get("/interaction/:uid/sign-in", async (request: UidRequest, reply) => {
    const interaction = await open(deps, request, reply);
    if (interaction === undefined) return expired(deps, reply);
    return showSignIn(deps, request, reply, interaction, { switching: true });
  });

  app.post("/interaction/:uid/login", async (request: UidRequest, reply) => {
    const interaction = await openForPost(deps, request, reply);
    if (interaction === undefined) return expired(deps, reply);
    const email = formText(request.body, "email")?.trim() ?? "";
    const password = formText(request.body, "password") ?? "";
    const outcome = await deps.signIn({ email, password, address: request.clientAddress });
    if (outcome.kind === "limited") {
      reply.header("retry-after", String(outcome.retryAfterSeconds));
      const problem = "Too many attempts. Wait some minutes, then try again.";
      return showSignIn(deps, request, reply, interaction, { email, problem, status: 429 });
    }
    if (outcome.kind === "refused") {
      const problem = "Email or password is not right.";
      return showSignIn(deps, request, reply, interaction, { email, problem, status: 401 });
    }
    const next = deps.interactions.signedIn(request.raw, reply.raw, interaction.uid, outcome.customer.fiUserRef);
    return reply.redirect(await next, 303);
  });

  app.post("/interaction/:uid/confirm", async (request: UidRequest, reply) => {
    const interaction = await openForPost(deps, request, reply);
    if (interaction === undefined) return expired(deps, reply);
    const customer = interaction.prompt === "consent" ? await signedInCustomer(deps, interaction) : undefined;
    if (customer === undefined) return showSignIn(deps, request, reply, interaction, { switching: true });
    return confirm(deps, request, reply, interaction, customer);
  });

  app.post("/interaction/:uid/abort", async (request: UidRequest, reply) => {
    const interaction = await openForPost(deps, request, reply);
    if (interaction === undefined) return expired(deps, reply);
    return reply.redirect(await deps.interactions.denied(interaction.uid), 303);
  });
}

async function confirm(
  deps: InteractionRoutesDeps,
  request: UidRequest,
  reply: FastifyReply,
  interaction: OpenInteraction,
  customer: Customer,
): Promise<FastifyReply> {
  const decision = await readDecision(deps, request, interaction, customer);
  if ("problem" in decision) {
    const { problem, chosen, limit } = decision;
    return showConsent(deps, request, reply, interaction, customer, { problem, chosen, limit, status: 400 });
  }
  const { uid, clientId, scopes } = interaction;
  const grantId = await deps.grantConsent({ customer, clientId, scopes, ...decision });
  return reply.redirect(await deps.interactions.granted(uid, grantId), 303);
}

interface Decision {
  readonly cardIds: readonly string[];
  readonly accountIds: readonly string[];
  readonly remember: boolean;
  readonly limitMinor: bigint | undefined;
  readonly currency: string | undefined;
}

interface Undecided {
  readonly problem: string;
  readonly chosen: ReadonlySet<string>;
  readonly limit: string | undefined;
}

async function readDecision(
  deps: InteractionRoutesDeps,
  request: UidRequest,
  interaction: OpenInteraction,
  customer: Customer,
): Promise<Decision | Undecided> {
  const { body } = request;
  const cards = await deps.customers.activeCards(customer.id);
  const limit = formText(body, "limit")?.trim();
  const ticked = ["selectedCards", "selectedCard", "selectedAccounts"].flatMap((name) => formValues(body, name));
  const undecided = (problem: string): Undecided => ({ problem, chosen: new Set(ticked), limit });
  if (interaction.scopes.includes(paymentScope)) {
    const cardIds = chosenAmong(formValues(body, "selectedCard").slice(0, 1), cards);
    const card = cards.find((each) => each.id === cardIds[0]);
    if (card === undefined) return undecided("Choose a card, or deny the payment.");
    const limitMinor = readLimit(limit, card.currency);
    if (limitMinor === "invalid") return undecided("The limit is not an amount such as 25.00.");
    return {
      cardIds,
      accountIds: [],
      remember: false,
      limitMinor,
      currency: limitMinor === undefined ? undefined : card.currency,
    };
  }
  const wallet = interaction.scopes.includes(walletEnrollScope);
  const cardIds = wallet ? chosenAmong(ticked, cards) : [];
  if (wallet && cardIds.length === 0 && cards.length > 0) return undecided("Choose at least one card, or deny.");
  const offered = showsAccounts({ scopes: new Set(interaction.scopes) })
    ? await deps.customers.openAccounts(customer.id)
    : [];
  return {
    cardIds,
    accountIds: chosenAmong(ticked, offered),
    remember: formText(body, "remember") === "yes",
    limitMinor: undefined,
    currency: undefined,
  };
}

function readLimit(text: string | undefined, currency: string): bigint | undefined | "invalid" {
  if (text === undefined || text === "") return undefined;
  try {
    return parseAmount(text, parseCurrency(currency));
  } catch (error) {
    if (error instanceof DomainError) return "invalid";
    throw error;
  }
}

async function signedInCustomer(
  deps: InteractionRoutesDeps,
  interaction: OpenInteraction,
): Promise<Customer | undefined> {
  return interaction.fiUserRef === undefined ? undefined : deps.customers.findByRef(interaction.fiUserRef);
}

function open(deps: InteractionRoutesDeps, request: UidRequest, reply: FastifyReply) {
  return deps.interactions.open(request.raw, reply.raw, request.params.uid);
}

async function openForPost(deps: InteractionRoutesDeps, request: UidRequest, reply: FastifyReply) {
  const interaction = await open(deps, request, reply);
  if (interaction !== undefined) deps.csrf.verify(request, purposeOf(interaction));
  return interaction;
}

function purposeOf(interaction: OpenInteraction): string {
  return `interaction:${interaction.uid}`;
}

async function showSignIn(
  deps: InteractionRoutesDeps,
  request: UidRequest,
  reply: FastifyReply,
  interaction: OpenInteraction,
  view: { readonly email?: string; readonly problem?: string; readonly switching?: boolean; readonly status?: number },
): Promise<FastifyReply> {
  const client = await deps.clients.find(interaction.clientId);
  const page = signInPage({
    brand: deps.brand,
    uid: interaction.uid,
    csrf: deps.csrf.token(request, reply, purposeOf(interaction)),
    clientName: client?.name ?? interaction.clientId,
    email: view.email ?? interaction.loginHint,
    problem: view.problem,
    switching: view.switching ?? interaction.prompt === "consent",
  });
  return sendPage(reply, page, { status: view.status ?? 200, formTarget });
}

async function showConsent(
  deps: InteractionRoutesDeps,
  request: UidRequest,
  reply: FastifyReply,
  interaction: OpenInteraction,
  customer: Customer,
  again: Partial<Pick<ConsentView, "problem" | "chosen" | "limit">> & { readonly status?: number },
): Promise<FastifyReply> {
  const [client, cards, accounts] = await Promise.all([
    deps.clients.find(interaction.clientId),
    deps.customers.activeCards(customer.id),
    deps.customers.openAccounts(customer.id),
  ]);
  const view: ConsentView = {
    brand: deps.brand,
    uid: interaction.uid,
    csrf: deps.csrf.token(request, reply, purposeOf(interaction)),
    clientName: client?.name ?? interaction.clientId,
    customerName: customer.displayName,
    customerEmail: customer.email,
    scopes: new Set(interaction.scopes),
    cards,
    accounts,
    chosen: again.chosen,
    problem: again.problem,
    limit: again.limit,
  };
  const page = view.scopes.has(paymentScope) ? paymentConsentPage(view) : consentPage(view);
  return sendPage(reply, page, { status: again.status ?? 200, formTarget });
}

// People come here with browsers: whatever goes wrong is told on a page.
function showError(
  deps: InteractionRoutesDeps,
  thrown: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const error = translateError(httpErrors, reasonOfHttpError(thrown));
  if (error.http >= 500) deps.log.error({ requestId: request.id, reason: error.reason, err: thrown }, "page failed");
  const { reason, http: status, message } = error;
  const page = errorPage(deps.brand, { reason, status, message, requestId: request.id });
  return sendPage(reply, page, { status, formTarget: "none" });
}

function expired(deps: InteractionRoutesDeps, reply: FastifyReply): FastifyReply {
  const text =
    "It has expired, was finished in another tab, or belongs to another browser. Go back to where you came from and start again.";
  const page = messagePage({ brand: deps.brand, kind: "warning", title: "This request is no longer open", text });
  return sendPage(reply, page, { status: 404, formTarget: "none" });
}
