import {
  allowInsecureRequests,
  ClientSecretPost,
  Configuration,
  type CustomFetchOptions,
  customFetch,
  enableNonRepudiationChecks,
  type ServerMetadata,
} from "openid-client";
import { z } from "zod";
import { isAllowedUrl } from "../../domain/provider-urls.ts";
import type { ProviderCall } from "../connector.ts";
import { ProviderError } from "../provider-error.ts";
import { correlationIdOf, type ProviderHttp, parseAnswer } from "../provider-http.ts";
import type { BankTarget } from "./bank-target.ts";

const cacheMs = 10 * 60_000;
const cachedBanksMax = 500;

const endpoint = z.string().max(2048);
// OpenID Connect Discovery 1.0, section 3, as far as we use it; everything else passes through to the library.
const metadataShape = z.looseObject({
  issuer: endpoint,
  authorization_endpoint: endpoint,
  token_endpoint: endpoint,
  jwks_uri: endpoint,
  userinfo_endpoint: endpoint.optional(),
  revocation_endpoint: endpoint.optional(),
});

/** What a bank's discovery document says. */
export type BankMetadata = z.infer<typeof metadataShape>;

/** Finds out how a bank's OIDC server is called, and keeps that for ten minutes. */
export interface BankOidc {
  metadata(target: BankTarget, call: ProviderCall): Promise<BankMetadata>;
  /** A configuration of openid-client for one act: its requests have this call's limits. */
  configure(target: BankTarget, call: ProviderCall): Promise<Configuration>;
}

/** Makes the cache. `insecureAllowed` admits http issuers and endpoints, for the local world alone. */
export function createBankOidc(http: ProviderHttp, insecureAllowed: boolean): BankOidc {
  const cache = new Map<string, { metadata: BankMetadata; until: number }>();

  const metadata = async (target: BankTarget, call: ProviderCall): Promise<BankMetadata> => {
    const { issuer } = target.bank;
    const cached = cache.get(issuer);
    if (cached !== undefined && cached.until > call.now.getTime()) return cached.metadata;
    const found = await discover(http, issuer, insecureAllowed, call);
    if (cache.size >= cachedBanksMax) cache.clear();
    cache.set(issuer, { metadata: found, until: call.now.getTime() + cacheMs });
    return found;
  };

  return {
    metadata,
    configure: async (target, call) => {
      const found = await metadata(target, call);
      const { clientId, clientSecret } = target.client;
      // The shape above checked the members we rely on; the library checks the others where it uses them.
      const configuration = new Configuration(found as ServerMetadata, clientId, {}, ClientSecretPost(clientSecret));
      if (insecureAllowed) allowInsecureRequests(configuration);
      // The id token's signature is checked too, although it comes straight from the bank: it names whose accounts these are.
      enableNonRepudiationChecks(configuration);
      configuration[customFetch] = (url: string, options: CustomFetchOptions) => fetchByHttp(http, call, url, options);
      return configuration;
    },
  };
}

async function discover(
  http: ProviderHttp,
  issuer: string,
  insecureAllowed: boolean,
  call: ProviderCall,
): Promise<BankMetadata> {
  if (!isAllowedUrl(issuer, insecureAllowed)) throw new ProviderError("unavailable", { detail: "issuer is not https" });
  const url = `${issuer.replace(/\/+$/, "")}/.well-known/openid-configuration`;
  const metadata = parseAnswer(await http.send({ url, method: "GET" }, call), metadataShape);
  // A document that speaks for another issuer would let one bank stand in for another.
  if (metadata.issuer.replace(/\/+$/, "") !== issuer.replace(/\/+$/, "")) {
    throw new ProviderError("unavailable", { detail: "discovery names another issuer" });
  }
  const endpoints = [
    metadata.authorization_endpoint,
    metadata.token_endpoint,
    metadata.jwks_uri,
    metadata.userinfo_endpoint,
    metadata.revocation_endpoint,
  ];
  for (const address of endpoints) {
    if (address !== undefined && !isAllowedUrl(address, insecureAllowed)) {
      throw new ProviderError("unavailable", { detail: "an endpoint is not https" });
    }
  }
  return metadata;
}

async function fetchByHttp(
  http: ProviderHttp,
  call: ProviderCall,
  url: string,
  options: CustomFetchOptions,
): Promise<Response> {
  const body = options.body instanceof URLSearchParams ? options.body.toString() : options.body;
  if (body !== undefined && body !== null && typeof body !== "string") throw new Error("only forms are sent to banks");
  const method = options.method === "POST" ? "POST" : "GET";
  const answer = await http.send({ url, method, headers: options.headers, body: body ?? undefined }, call);
  // Said in our own errors: the library knows neither limits nor the bank's id of the call.
  if (answer.status === 429 || answer.status >= 500) parseAnswer(answer, z.unknown());
  const bodyAllowed = answer.status !== 204 && answer.status !== 304;
  const correlationId = correlationIdOf(answer);
  const headers = { "content-type": answer.contentType, ...(correlationId && { "x-correlation-id": correlationId }) };
  return new Response(bodyAllowed ? answer.text : null, { status: answer.status, headers });
}
