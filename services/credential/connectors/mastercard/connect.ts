import { z } from "zod";
import type { SecretsToRevoke } from "../../domain/secrets-to-revoke.ts";
import type { CallbackFacts, ConsentAnswer, ConsentRequest, ConsentStart, Grant, ProviderCall } from "../connector.ts";
import { nothingOfProvider, ProviderError } from "../provider-error.ts";
import { parseJson } from "../provider-http.ts";
import { withinOneTimeout } from "../within-one-timeout.ts";
import { accountsOfCustomer, type MastercardAccount, refreshLogin } from "./accounts.ts";
import { findAuthorizationWindow } from "./authorization-window.ts";
import { findOrAddCustomer } from "./customers.ts";
import { type LoginAccess, readLoginAccess, writeLoginAccess } from "./login-access.ts";
import { idShape, type MastercardApi } from "./mastercard-api.ts";
import type { MastercardSettings } from "./mastercard-settings.ts";

const linkShape = z.looseObject({ link: z.url({ protocol: /^https?$/ }).max(4_096) });
const institutionShape = z.looseObject({ institution: z.looseObject({ id: idShape, name: z.string().max(200) }) });
const proofsShape = z.object({ customerId: idShape, known: z.array(idShape).max(1_000) });

/** Connect links end after this long. */
export const linkLifeMs = 2 * 3_600_000;
/** What Connect comes back with at its good end, as a query. */
const completeWord = "complete";

/** What consents work with. */
export interface ConnectParts {
  readonly api: MastercardApi;
  readonly settings: MastercardSettings;
  readonly partnerId: string;
  readonly issuer: string;
}

/** Where a Connect link leads back to, and which webhooks it sends. */
export interface ConnectLinkRequest {
  readonly customerId: string;
  /** Absent: Connect ends on a page of its own. */
  readonly redirectUri?: string | undefined;
  /** The login to repair; absent: a new one. */
  readonly loginId?: string | undefined;
}

/** Makes a Connect link that works once. */
export async function makeConnectLink(
  parts: ConnectParts,
  request: ConnectLinkRequest,
  call: ProviderCall,
): Promise<string> {
  const { loginId } = request;
  const path = loginId === undefined ? "/connect/v2/generate" : "/connect/v2/generate/fix";
  const body = {
    ...connectBody(parts, request),
    singleUseUrl: true,
    ...(loginId === undefined ? {} : { institutionLoginId: loginId }),
  };
  return (await parts.api.post(path, body, linkShape, call)).link;
}

/** What every way into Connect is asked with. */
export function connectBody(parts: ConnectParts, request: Pick<ConnectLinkRequest, "customerId" | "redirectUri">) {
  const webhook = parts.settings.OPEN_BANKING_WEBHOOK_URL;
  return {
    partnerId: parts.partnerId,
    customerId: request.customerId,
    ...(request.redirectUri === undefined ? {} : { redirectUri: request.redirectUri }),
    ...(webhook === undefined ? {} : { webhook, webhookContentType: "application/json" }),
  };
}

/** Makes the customer where there is none, and a Connect link; for a renewal one that repairs the login. */
export async function beginConnectLink(
  parts: ConnectParts,
  start: ConsentRequest,
  call: ProviderCall,
): Promise<ConsentStart> {
  const next = withinOneTimeout(call);
  const { customerId, loginId, known } = await customerOf(parts, start, next);
  const back = new URL(start.redirectUri);
  back.searchParams.set("state", start.state);
  const link = new URL(await makeConnectLink(parts, { customerId, redirectUri: back.href, loginId }, next()));
  if (loginId === undefined && start.institutionId !== "") {
    // Connect asks for the institution itself; its search is filled in.
    const name = await institutionName(parts.api, start.institutionId, next()).catch(nothingOfProvider);
    if (name !== undefined) link.searchParams.set("search", name);
  }
  const expiresAt = new Date(call.now.getTime() + linkLifeMs);
  return { authUrl: link.href, expiresAt, proofs: JSON.stringify({ customerId, known }) };
}

async function customerOf(
  parts: ConnectParts,
  start: ConsentRequest,
  next: () => ProviderCall,
): Promise<{ customerId: string; loginId: string | undefined; known: readonly string[] }> {
  if (start.reconnect !== undefined) return { ...readLoginAccess(start.reconnect.accessToken), known: [] };
  const type = parts.settings.OPEN_BANKING_CUSTOMER_TYPE;
  const customerId = await findOrAddCustomer(parts.api, { userReference: start.userReference, type }, next());
  const accounts = await accountsOfCustomer(parts.api, customerId, next());
  return { customerId, loginId: undefined, known: [...new Set(accounts.map((each) => each.institutionLoginId))] };
}

/** The customer a login, or the beginning of a consent, belongs to. */
export function customerOfSecrets({ providerReference, proofs }: SecretsToRevoke): string | undefined {
  if (proofs === undefined) return providerReference;
  return proofsShape.parse(parseJson(proofs)).customerId;
}

/** Connect's return: our state is in the address we gave; it brings a word in place of a code. */
export function readConnectReturn(query: URLSearchParams): CallbackFacts {
  const isComplete = query.get("code") === "200";
  return {
    state: query.get("state") ?? "",
    code: isComplete ? completeWord : "",
    iss: "",
    error: isComplete ? "" : "access_denied",
  };
}

/**
 * The login a person has connected: Connect says only that he is done, so it is the one that was not there before, or the one
 * authorized last. Repaired ones are asked anew while he is there.
 */
export async function completeConnectLink(
  parts: ConnectParts,
  answer: ConsentAnswer,
  call: ProviderCall,
): Promise<Grant> {
  const next = withinOneTimeout(call);
  if (answer.reconnect !== undefined) {
    const access = readLoginAccess(answer.reconnect.accessToken);
    await refreshLogin(parts.api, answer.reconnect.accessToken, halfOf(next())).catch(unlessEnded);
    const accounts = await accountsOfCustomer(parts.api, access.customerId, next());
    const account = accounts.find((each) => each.institutionLoginId === access.loginId);
    if (account === undefined) throw refused();
    return await grantOf(parts, { access, account }, next);
  }
  const { customerId, known } = proofsShape.parse(parseJson(answer.proofs));
  const accounts = await accountsOfCustomer(parts.api, customerId, next());
  const isReplay = answer.iss === undefined;
  const account = connectedLast(accounts, { known, institutionId: answer.institutionId, isReplay });
  if (account === undefined) throw refused();
  return await grantOf(parts, { access: { customerId, loginId: account.institutionLoginId }, account }, next);
}

function connectedLast(
  accounts: readonly MastercardAccount[],
  { known, institutionId, isReplay }: { known: readonly string[]; institutionId: string; isReplay: boolean },
): MastercardAccount | undefined {
  const isNew = (each: MastercardAccount) => !known.includes(each.institutionLoginId);
  // A replay undoes what a process died over: a login that was there before may be somebody's connection.
  const candidates = accounts.some(isNew) || isReplay ? accounts.filter(isNew) : accounts;
  const since = (each: MastercardAccount) => each.authorizationStartDate ?? each.createdDate ?? 0;
  const rank = (each: MastercardAccount) => Number(each.institutionId === institutionId);
  return candidates.toSorted((one, other) => rank(other) - rank(one) || since(other) - since(one))[0];
}

/** What a login is as a grant. */
export async function grantOf(
  parts: ConnectParts,
  { access, account }: { access: LoginAccess; account: MastercardAccount },
  next: () => ProviderCall,
): Promise<Grant> {
  const { institutionId } = account;
  const window = await findAuthorizationWindow(parts.api, access.loginId, next()).catch(nothingOfProvider);
  const told = account.authorizationEndDate ?? undefined;
  const endsAt = window?.kind === "window" ? window.endsAt : undefined;
  return {
    accessToken: writeLoginAccess(access),
    accessTokenExpiresAt: undefined,
    consentExpiresAt: endsAt ?? (told === undefined ? undefined : new Date(told * 1_000)),
    issuer: parts.issuer,
    institutionId,
    institutionName: (await institutionName(parts.api, institutionId, next()).catch(nothingOfProvider)) ?? "",
    ownerReference: access.loginId,
    // Connect's webhooks name the customer; those about one login name it beside him.
    providerReference: access.customerId,
    profileEmail: "",
    profileName: "",
  };
}

async function institutionName(api: MastercardApi, institutionId: string, call: ProviderCall): Promise<string> {
  if (!idShape.safeParse(institutionId).success) throw new ProviderError("not_found");
  return (await api.get(`/institution/v2/institutions/${institutionId}`, institutionShape, call)).institution.name;
}

function halfOf(call: ProviderCall): ProviderCall {
  return { ...call, timeoutMs: Math.max(1, Math.floor(call.timeoutMs / 2)) };
}

/** An institution may take minutes, and goes on without us; only a login that is gone matters here. */
function unlessEnded(error: unknown): void {
  if (error instanceof ProviderError && error.failure !== "grant_refused") return;
  throw error;
}

function refused(): ProviderError {
  return new ProviderError("forbidden", { oauthError: "access_denied", detail: "left without a login" });
}
