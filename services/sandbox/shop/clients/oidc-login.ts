import * as oidc from "openid-client";
import { DomainError } from "../../../platform/errors/domain-error.ts";

const timeoutSeconds = 10;

/** An OIDC provider this shop is a client of. */
export interface OidcSettings {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly redirectUri: string;
}

/** The payment as the customer will see it. `amount` is decimal text of major units. */
export interface PaymentOffer {
  readonly merchantId: string;
  readonly merchantName: string;
  readonly orderId: string;
  readonly amount: string;
  readonly currency: string;
}

/** What has to be remembered between leaving and coming back; none of it may be seen by the browser's owner's neighbour. */
export interface LoginSecrets {
  readonly state: string;
  readonly nonce: string;
  readonly codeVerifier: string;
}

/** Fresh state, nonce and PKCE verifier for one trip. */
export function newLoginSecrets(): LoginSecrets {
  return { state: oidc.randomState(), nonce: oidc.randomNonce(), codeVerifier: oidc.randomPKCECodeVerifier() };
}

/** The parameters of one authorisation request beside those of every request. */
export type ExtraParameters = (server: oidc.ServerMetadata) => Readonly<Record<string, string>>;

/** Talks to one provider: where to send the customer, and what comes back. */
export interface OidcLogin {
  /** The address to send the browser to; pushed first where the provider takes pushed requests (RFC 9126). */
  authorizationUrl(secrets: LoginSecrets, extra: ExtraParameters): Promise<string>;
  /**
   * Checks the answer (state, `iss`, nonce, the ID token) and exchanges the code. Returns the access token.
   * Throws `PROVIDER_REFUSED` {error} with the provider's OAuth code, `PROVIDER_UNAVAILABLE` for anything else.
   */
  accessToken(currentUrl: URL, secrets: LoginSecrets, resource?: string): Promise<string>;
}

/** Opens a provider. Discovery runs at first use and again after a failure, so the shop starts without it. */
export function createOidcLogin(settings: OidcSettings, options: { allowHttp: boolean }): OidcLogin {
  let discovered: Promise<oidc.Configuration> | undefined;
  const configuration = (): Promise<oidc.Configuration> => {
    discovered ??= discover(settings, options.allowHttp).catch((error: unknown) => {
      discovered = undefined;
      throw unavailable(error);
    });
    return discovered;
  };
  return {
    async authorizationUrl(secrets, extra) {
      const config = await configuration();
      const server = config.serverMetadata();
      const parameters = {
        redirect_uri: settings.redirectUri,
        state: secrets.state,
        nonce: secrets.nonce,
        code_challenge: await oidc.calculatePKCECodeChallenge(secrets.codeVerifier),
        code_challenge_method: "S256",
        ...extra(server),
      };
      if (server.pushed_authorization_request_endpoint === undefined) {
        return oidc.buildAuthorizationUrl(config, parameters).href;
      }
      const url = await oidc.buildAuthorizationUrlWithPAR(config, parameters).catch((error: unknown) => {
        throw translate(error);
      });
      return url.href;
    },
    async accessToken(currentUrl, secrets, resource) {
      const config = await configuration();
      const checks = {
        pkceCodeVerifier: secrets.codeVerifier,
        expectedState: secrets.state,
        expectedNonce: secrets.nonce,
        idTokenExpected: true,
      };
      const answer = await oidc
        .authorizationCodeGrant(config, currentUrl, checks, resource === undefined ? {} : { resource })
        .catch((error: unknown) => {
          throw translate(error);
        });
      return answer.access_token;
    },
  };
}

function discover(settings: OidcSettings, allowHttp: boolean): Promise<oidc.Configuration> {
  return oidc.discovery(new URL(settings.issuer), settings.clientId, settings.clientSecret, undefined, {
    timeout: timeoutSeconds,
    ...(allowHttp ? { execute: [oidc.allowInsecureRequests] } : {}),
  });
}

function translate(error: unknown): DomainError {
  if (error instanceof oidc.AuthorizationResponseError || error instanceof oidc.ResponseBodyError) {
    return new DomainError("PROVIDER_REFUSED", { error: error.error.slice(0, 64) }, { cause: error });
  }
  return unavailable(error);
}

function unavailable(cause: unknown): DomainError {
  return new DomainError("PROVIDER_UNAVAILABLE", {}, { cause });
}
