import type { CountryCode, LinkTokenCreateRequest, Products } from "plaid";
import { z } from "zod";
import type {
  CallbackFacts,
  ConnectionAccess,
  ConsentAnswer,
  ConsentRequest,
  ConsentStart,
  Grant,
  ProviderCall,
} from "../connector.ts";
import { nothingOfProvider, ProviderError } from "../provider-error.ts";
import { shorter } from "../within-one-timeout.ts";
import { lastingAccountIds } from "./accounts.ts";
import { type PlaidCalls, PlaidRefusal } from "./plaid-api.ts";
import type { PlaidSettings } from "./plaid-settings.ts";

const token = z.string().min(1).max(512);
const time = z.iso.datetime({ offset: true }).transform((text) => new Date(text));
const linkTokenShape = z.looseObject({
  link_token: token,
  expiration: time,
  hosted_link_url: z.url().max(2048).nullish(),
});
const sessionsShape = z.looseObject({
  link_sessions: z
    .array(
      z.looseObject({
        results: z.looseObject({ item_add_results: z.array(z.looseObject({ public_token: token })) }).nullish(),
      }),
    )
    .nullish(),
});
const exchangeShape = z.looseObject({ access_token: token, item_id: z.string().min(1).max(255) });
const itemShape = z.looseObject({
  item: z.looseObject({
    item_id: z.string().min(1).max(255),
    institution_id: z.string().max(64).nullish(),
    institution_name: z.string().max(200).nullish(),
    consent_expiration_time: time.nullish(),
    error: z.looseObject({ error_code: z.string() }).nullish(),
  }),
});
type Item = z.infer<typeof itemShape>["item"];
const institutionShape = z.looseObject({ institution: z.looseObject({ name: z.string().max(200) }) });
const proofsShape = z.object({ linkToken: z.string(), isLost: z.boolean().default(false) });

// An enumeration of Plaid's, whose values would load its whole client.
const transactions = "transactions" as Products.Transactions;

/** What link flows work with. */
export interface LinkParts {
  readonly calls: PlaidCalls;
  readonly settings: PlaidSettings;
  readonly issuer: string;
}

/*
 * Plaid's hosted page sends the person back without a public token: whoever holds the link token asks for it. This word stands where a
 * code would.
 */
const askForPublicToken = "link-session";

/**
 * Makes a link token, for a widget and for Plaid's hosted page alike; for a renewal in update mode, which keeps the item. Where Plaid does
 * not know the item by this token any more there is nothing to update: its person links anew, and that item takes the place.
 */
export async function beginLink(parts: LinkParts, start: ConsentRequest, call: ProviderCall): Promise<ConsentStart> {
  const { reconnect } = start;
  if (reconnect === undefined) return await makeLink(parts, start, call);
  try {
    return await makeLink(parts, start, shorter(call), { accessToken: reconnect.accessToken });
  } catch (error) {
    if (!(error instanceof PlaidRefusal && error.failure === "grant_refused")) throw error;
    return await makeLink(parts, start, shorter(call), { isLost: true });
  }
}

async function makeLink(
  parts: LinkParts,
  start: ConsentRequest,
  call: ProviderCall,
  renewal: { readonly accessToken?: string; readonly isLost?: boolean } = {},
): Promise<ConsentStart> {
  const { settings } = parts;
  const back = new URL(start.redirectUri);
  back.searchParams.set("state", start.state);
  const request: LinkTokenCreateRequest = {
    client_name: settings.PLAID_CLIENT_NAME,
    language: settings.PLAID_LANGUAGE,
    // Checked to be two letters; which countries Plaid serves, Plaid says.
    country_codes: settings.PLAID_COUNTRY_CODES as CountryCode[],
    user: { client_user_id: start.userReference },
    hosted_link: { completion_redirect_uri: back.href },
    ...(settings.PLAID_WEBHOOK_URL === undefined ? {} : { webhook: settings.PLAID_WEBHOOK_URL }),
    ...(settings.PLAID_REDIRECT_URI === undefined ? {} : { redirect_uri: settings.PLAID_REDIRECT_URI }),
    ...(start.institutionId === "" ? {} : { institution_id: start.institutionId }),
    ...(renewal.accessToken === undefined
      ? { products: [transactions], transactions: { days_requested: settings.PLAID_DAYS_REQUESTED } }
      : { access_token: renewal.accessToken }),
  };
  const answer = await parts.calls.ask((api) => api.linkTokenCreate(request), linkTokenShape, call);
  return {
    linkToken: answer.link_token,
    authUrl: answer.hosted_link_url ?? undefined,
    expiresAt: answer.expiration,
    proofs: JSON.stringify({ linkToken: answer.link_token, isLost: renewal.isLost ?? false }),
  };
}

/** Plaid's return: our state is in the address we gave; the stand-in brings the public token along. */
export function readLinkReturn(query: URLSearchParams): CallbackFacts {
  return {
    state: query.get("state") ?? "",
    code: query.get("public_token") ?? askForPublicToken,
    iss: "",
    error: query.get("error") ?? "",
  };
}

/** Exchanges the public token; in update mode there is nothing to exchange, and the item must have healed. */
export async function completeLink(parts: LinkParts, answer: ConsentAnswer, call: ProviderCall): Promise<Grant> {
  const { isLost } = readProofs(answer);
  if (answer.reconnect !== undefined && !isLost) return await completeUpdate(parts, answer.reconnect, call);
  const publicToken = answer.code === askForPublicToken ? await publicTokenOf(parts, answer, call) : answer.code;
  const exchanged = await parts.calls.ask(
    (api) => api.itemPublicTokenExchange({ public_token: publicToken }),
    exchangeShape,
    call,
  );
  const { access_token: accessToken, item_id: itemId } = exchanged;
  // The token exists nowhere else by now: what is only good to know must not lose it.
  const item = await fetchItem(parts, accessToken, call).catch(nothingOfProvider);
  const grant = await grantOf(parts, { accessToken, itemId, item, institutionId: answer.institutionId }, call);
  return isLost ? { ...grant, takesPlace: true } : grant;
}

function readProofs({ proofs }: ConsentAnswer): z.infer<typeof proofsShape> {
  return proofsShape.parse(JSON.parse(proofs));
}

async function completeUpdate(parts: LinkParts, access: ConnectionAccess, call: ProviderCall): Promise<Grant> {
  const item = await fetchItem(parts, access.accessToken, call);
  // He left the page without signing in.
  if (item.error !== null && item.error !== undefined) throw refused();
  const { accessToken, institutionId } = access;
  const grant = await grantOf(parts, { accessToken, itemId: item.item_id, item, institutionId }, call);
  return { ...grant, keepsToken: true };
}

async function publicTokenOf(parts: LinkParts, answer: ConsentAnswer, call: ProviderCall): Promise<string> {
  const { linkToken } = readProofs(answer);
  const told = await parts.calls.ask((api) => api.linkTokenGet({ link_token: linkToken }), sessionsShape, call);
  const results = (told.link_sessions ?? []).flatMap((session) => session.results?.item_add_results ?? []);
  const first = results[0];
  if (first === undefined) throw refused();
  return first.public_token;
}

async function fetchItem(parts: LinkParts, accessToken: string, call: ProviderCall): Promise<Item> {
  return (await parts.calls.ask((api) => api.itemGet({ access_token: accessToken }), itemShape, call)).item;
}

async function grantOf(
  parts: LinkParts,
  facts: { accessToken: string; itemId: string; item: Item | undefined; institutionId: string },
  call: ProviderCall,
): Promise<Grant> {
  const { accessToken, itemId, item } = facts;
  const institutionId = item?.institution_id ?? facts.institutionId;
  return {
    accessToken,
    accessTokenExpiresAt: undefined,
    consentExpiresAt: item?.consent_expiration_time ?? undefined,
    issuer: parts.issuer,
    institutionId,
    institutionName: item?.institution_name ?? (await institutionNameOf(parts, institutionId, call)),
    // Plaid knows no person behind items of one bank.
    ownerReference: itemId,
    providerReference: itemId,
    lastingAccountIds: await lastingAccountIds(parts.calls, accessToken, shorter(call)).catch(nothingOfProvider),
    profileEmail: "",
    profileName: "",
  };
}

async function institutionNameOf(parts: LinkParts, institutionId: string, call: ProviderCall): Promise<string> {
  if (institutionId === "") return "";
  const request = {
    institution_id: institutionId,
    country_codes: parts.settings.PLAID_COUNTRY_CODES as CountryCode[], // as in beginLink
  };
  const told = await parts.calls
    .ask((api) => api.institutionsGetById(request), institutionShape, call)
    .catch(nothingOfProvider);
  return told?.institution.name ?? "";
}

function refused(): ProviderError {
  return new ProviderError("forbidden", { oauthError: "access_denied", detail: "left without a consent" });
}
