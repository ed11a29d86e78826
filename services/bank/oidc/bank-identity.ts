import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import { ConfigError } from "../../platform/config/config-error.ts";
import type { Database } from "../../platform/db/open-database.ts";
import { limitCalls } from "../../platform/http/limit-calls.ts";
import { createRateLimiter } from "../../platform/limits/rate-limiter.ts";
import { startOidcExpirySweep } from "../../platform/oidc/expiry-sweep.ts";
import { createJwtAccessTokens } from "../../platform/oidc/jwt-access-tokens.ts";
import { mountProvider } from "../../platform/oidc/mount-provider.ts";
import { createOidcAdapter } from "../../platform/oidc/postgres-adapter.ts";
import { loadSigningKeys } from "../../platform/oidc/signing-keys.ts";
import type { OidcTables } from "../../platform/oidc/storage/oidc-record-store.ts";
import { createCsrf } from "../../platform/pages/csrf.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { createSealedBox } from "../../platform/vault/sealed-box.ts";
import { bankBrand } from "../http/bank-brand.ts";
import { interactionRoutes } from "../http/interaction/interaction-routes.ts";
import type { ReadBankAccess } from "../http/open-banking/bank-access.ts";
import { walletApi } from "../http/wallet-api/wallet-api.ts";
import { createConsentStore, grantEnding } from "../storage/consent-store.ts";
import { createCustomerStore } from "../storage/customer-store.ts";
import type { IdentityTables } from "../storage/identity-tables.ts";
import { createMintedTokenStore } from "../storage/minted-token-store.ts";
import { createRegisteredClients } from "../storage/registered-client-store.ts";
import { createWalletCredentialStore } from "../storage/wallet-credential-store.ts";
import type { BankKeys } from "./bank-keys.ts";
import { clientMetadata, createBankProvider, paymentScope, providerAliases } from "./bank-provider.ts";
import { createConsentTokenIssuer } from "./consent-token-issuer.ts";
import { createCredentialIssuer } from "./credential-issuer.ts";
import { type CredentialKey, createCredentialSigner } from "./credential-signer.ts";
import { createGrantConsent } from "./grant-consent.ts";
import { createInteractions } from "./interactions.ts";
import { createReadBankAccess } from "./read-bank-access.ts";
import { createReadCredential } from "./read-credential.ts";
import { createRememberedGrants } from "./remembered-grants.ts";
import { createSignIn } from "./sign-in.ts";

/**
 * Calls from one address in a minute, to the OIDC server and to the wallet API alike, unless told otherwise. A wallet's servers call for
 * all their users from few addresses.
 */
const callsPerMinuteDefault = 6_000;

/** Options of `openBankIdentity`. */
export interface BankIdentityOptions {
  readonly db: Database<IdentityTables>;
  readonly keys: BankKeys;
  readonly bsimId: string;
  readonly name: string;
  /** `{origin}/oidc`; https unless `local`. */
  readonly issuer: string;
  /** The audience of access tokens: where Open Banking is. */
  readonly openBankingUrl: string;
  readonly credentialKey: CredentialKey;
  readonly credentialLifeDays: number;
  /** Attempts to sign in at one e-mail address in 15 minutes; 60 unless told. */
  readonly signInAttemptsPerAccount?: number;
  /** Calls from one address in a minute; 6,000 unless told. */
  readonly callsPerMinute?: number;
  /** Only the local world may do without https. */
  readonly local: boolean;
  readonly clock: Clock;
  readonly log: Pick<Logger, "info" | "error">;
}

/** The bank's identity half, ready to be served. */
export interface BankIdentity {
  /** OIDC server at the issuer's path, sign-in and consent pages, wallet API. Register without a prefix. */
  readonly routes: (app: FastifyInstance) => Promise<void>;
  /** For Open Banking. */
  readonly readAccess: ReadBankAccess;
  /** Starts removing what has expired; stop it before the database closes. */
  startSweep(): { stop(): Promise<void> };
}

/** Puts the identity half together; makes or loads the signing keys. Throws a ConfigError for an http issuer outside local. */
export async function openBankIdentity(options: BankIdentityOptions): Promise<BankIdentity> {
  const { db, keys, clock, issuer } = options;
  const secure = checkIssuer(issuer, options.local);
  const brand = bankBrand(options);
  const clients = createRegisteredClients(db);
  const customers = createCustomerStore(db);
  const consents = createConsentStore(db);
  const credentials = createWalletCredentialStore(db);
  const tokens = createMintedTokenStore(db);
  const signer = createCredentialSigner({ key: options.credentialKey, issuer });
  const adapter = createOidcAdapter({
    db,
    clock,
    findClient: async (clientId) => {
      const client = await clients.find(clientId);
      return client && clientMetadata(client, secure);
    },
    onGrantEnd: grantEnding(clock),
  });
  const box = createSealedBox({ keys: new Map([["k1", keys.sealing]]), currentKeyId: "k1" });
  const jwks = await loadSigningKeys({ db, box, algs: ["RS256"] });
  const audience = options.openBankingUrl;
  const jwtAccessTokens = createJwtAccessTokens({ adapter, jwks, issuer, audience: [audience] });
  const pepper = keys.tokenPepper;
  const provider = createBankProvider({
    issuer,
    audience,
    brand,
    secure,
    adapter,
    jwks,
    jwtAccessTokens,
    cookieKeys: [keys.cookies],
    secretPepper: pepper,
    customers,
    clients,
    remembered: createRememberedGrants({ consents, customers, clock, audience, neverFor: paymentScope }),
    issueCredential: createCredentialIssuer({
      consents,
      credentials,
      signer,
      pepper,
      lifeDays: options.credentialLifeDays,
      clock,
    }),
    issueConsentToken: createConsentTokenIssuer({ consents, tokens, clients, pepper, clock }),
  });
  provider.on("server_error", (_ctx, error) => options.log.error({ err: error }, "oidc request failed"));
  const interactions = createInteractions(provider);
  const limiter = createRateLimiter({ db });
  const perMinute = options.callsPerMinute ?? callsPerMinuteDefault;
  const walletDeps = {
    bsimId: options.bsimId,
    issuer,
    origin: new URL(issuer).origin,
    cardTokenKey: keys.cardToken,
    readCredential: createReadCredential({ signer, credentials, pepper }),
    credentials,
    customers,
    tokens,
    interactions,
    clock,
    log: options.log,
  };
  return {
    async routes(app) {
      mountProvider(app, {
        provider,
        prefix: new URL(issuer).pathname.replace(/\/$/, ""),
        aliases: providerAliases,
        onRequest: limitCalls(limiter, { class: "oidc", perMinute }),
      });
      await app.register(interactionRoutes, {
        brand,
        csrf: createCsrf({ key: keys.csrf, siteId: brand.id, secure }),
        interactions,
        signIn: createSignIn({
          customers,
          limiter,
          ...(options.signInAttemptsPerAccount === undefined
            ? {}
            : { attemptsPerAccount: options.signInAttemptsPerAccount }),
        }),
        grantConsent: createGrantConsent({ provider, consents, clock, audience }),
        customers,
        clients,
        log: options.log,
      });
      await app.register(walletApi, {
        prefix: "/api/wallet",
        ...walletDeps,
        countCall: limitCalls(limiter, { class: "wallet_api", perMinute }),
      });
    },
    readAccess: createReadBankAccess({ tokens: jwtAccessTokens, consents, clock }),
    startSweep: () =>
      startOidcExpirySweep({ db: db as Pick<Database<OidcTables>, "query" | "hot">, clock, log: options.log }),
  };
}

function checkIssuer(issuer: string, local: boolean): boolean {
  const { protocol, pathname } = new URL(issuer);
  const problems: string[] = [];
  if (protocol !== "https:" && !local) problems.push("BSIM_AUTH_URL: the issuer must be https");
  if (pathname === "/") problems.push("BSIM_AUTH_URL: the issuer needs a path, such as /oidc");
  if (problems.length > 0) throw new ConfigError(problems);
  return protocol === "https:";
}
