import { isUuid } from "../../platform/ids/uuidv7.ts";
import { keyedHash, textsEqual } from "../../platform/secrets/keyed-hash.ts";
import { randomToken } from "../../platform/secrets/random-token.ts";
import type { ReadMoment } from "../kit/sandbox-clock.ts";
import type { AuthFlow } from "./auth-flow.ts";
import type { AuthRequest } from "./domain/auth-request.ts";
import { findBank } from "./domain/banks.ts";
import { verifierKeeps } from "./domain/pkce.ts";
import type { Settings } from "./domain/settings.ts";
import { TrueLayerError } from "./domain/truelayer-error.ts";
import type { Connection, ConnectionStore, NewTokens } from "./storage/connection-store.ts";

const tokenBytes = 48;

/** The fields of a call, from a form or from JSON. */
export type Fields = (name: string) => string | undefined;

/** A pair of tokens, as answered. */
export interface TokenAnswer {
  readonly access_token: string;
  readonly expires_in: number;
  readonly token_type: "Bearer";
  readonly refresh_token?: string;
  readonly scope: string;
}

/** What extending a connection leads to. */
export type ExtendAnswer =
  | ({ readonly action_needed: "no_action_needed" } & TokenAnswer)
  | { readonly action_needed: "authentication_needed"; readonly user_input_link: string };

/** Tokens: made, renewed, taken back. Every refusal is a `TrueLayerError`. */
export interface TokenDesk {
  /** The app proves itself. Throws `invalid_client`. */
  checkApp(clientId: string | undefined, clientSecret: string | undefined): void;
  exchange(fields: Fields): Promise<{ credentialsId: string; answer: TokenAnswer }>;
  refresh(refreshToken: string | undefined): Promise<{ credentialsId: string; answer: TokenAnswer }>;
  extend(request: ExtendRequest): Promise<{ credentialsId: string; answer: ExtendAnswer }>;
  /** Throws `not_found` for a connection that is none, or no longer. */
  remove(credentialsId: string): Promise<void>;
  /** The connection of an access token. Throws `invalid_token` for one that is unknown, replaced or too old. */
  connectionOf(accessToken: string): Promise<Connection>;
}

/** A request to extend a connection. */
export interface ExtendRequest {
  readonly refreshToken: string;
  readonly redirectUri: string;
  readonly state: string | null;
}

/** What the desk needs. */
export interface TokenDeskDeps {
  readonly app: { readonly clientId: string; readonly clientSecret: string; readonly redirectUris: readonly string[] };
  readonly origin: string;
  readonly connections: ConnectionStore;
  readonly flow: AuthFlow;
  readonly tokenPepper: Uint8Array;
  readonly moment: ReadMoment<Settings>;
}

/** Makes the desk. */
export function createTokenDesk(deps: TokenDeskDeps): TokenDesk {
  const hash = (token: string) => keyedHash(deps.tokenPepper, token);
  return {
    checkApp(clientId, clientSecret) {
      const isKnown = clientId !== undefined && textsEqual(clientId, deps.app.clientId);
      const isProven = clientSecret !== undefined && textsEqual(clientSecret, deps.app.clientSecret);
      if (!isKnown || !isProven) throw new TrueLayerError("invalid_client");
    },
    exchange: (fields) => exchange(deps, fields),
    async refresh(refreshToken) {
      if (refreshToken === undefined) throw new TrueLayerError("validation_error", "refresh_token is required.");
      const { settings, now } = await deps.moment();
      const made = newTokens(true, settings, now, deps.tokenPepper);
      const connection = await deps.connections.refresh(hash(refreshToken), made.stored, now);
      // Replaced, revoked, deleted or past its consent: TrueLayer does not tell which.
      if (connection === undefined) throw new TrueLayerError("invalid_grant");
      return { credentialsId: connection.credentialsId, answer: made.answer(connection.scopes) };
    },
    extend: (request) => extend(deps, request),
    async remove(credentialsId) {
      if (!isUuid(credentialsId) || !(await deps.connections.remove(credentialsId))) {
        throw new TrueLayerError("not_found");
      }
    },
    async connectionOf(accessToken) {
      const { now } = await deps.moment();
      const connection = await deps.connections.findByAccess(hash(accessToken));
      if (connection?.accessExpiresAt == null || connection.accessExpiresAt <= now) {
        throw new TrueLayerError("invalid_token");
      }
      return connection;
    },
  };
}

async function exchange(deps: TokenDeskDeps, fields: Fields) {
  const code = fields("code");
  const redirectUri = fields("redirect_uri");
  if (code === undefined || redirectUri === undefined) {
    throw new TrueLayerError("validation_error", "code and redirect_uri are required.");
  }
  const { settings, now } = await deps.moment();
  const codeHash = keyedHash(deps.tokenPepper, code);
  const stored = await deps.connections.findCode(codeHash);
  if (stored === undefined || stored.usedAt !== null || stored.expiresAt <= now) {
    throw new TrueLayerError("invalid_authorization_code");
  }
  const promise = { challenge: stored.codeChallenge, method: stored.challengeMethod };
  if (stored.redirectUri !== redirectUri || !verifierKeeps(promise, fields("code_verifier"))) {
    throw new TrueLayerError("invalid_grant");
  }
  const connection = await deps.connections.find(stored.credentialsId);
  if (connection === undefined) throw new TrueLayerError("invalid_grant");
  const made = newTokens(connection.scopes.includes("offline_access"), settings, now, deps.tokenPepper);
  const done = await deps.connections.exchange(codeHash, made.stored, {
    at: now,
    consentExpiresAt: new Date(now.getTime() + settings.consentSeconds * 1_000),
    authenticated: true,
  });
  if (!done) throw new TrueLayerError("invalid_authorization_code");
  return { credentialsId: stored.credentialsId, answer: made.answer(connection.scopes) };
}

async function extend(deps: TokenDeskDeps, request: ExtendRequest) {
  if (!deps.app.redirectUris.includes(request.redirectUri)) {
    throw new TrueLayerError("validation_error", "redirect_uri is not registered.");
  }
  const { settings, now } = await deps.moment();
  const refreshHash = keyedHash(deps.tokenPepper, request.refreshToken);
  const connection = await deps.connections.findByRefresh(refreshHash);
  if (connection === undefined || connection.state !== "active") throw new TrueLayerError("invalid_grant");
  const { credentialsId } = connection;
  if (needsSignIn(connection, settings, now)) {
    const link = await deps.flow.startRenewal(connection, renewalRequest(connection, request));
    const user_input_link = `${deps.origin}/auth/${link.linkId}`;
    return { credentialsId, answer: { action_needed: "authentication_needed" as const, user_input_link } };
  }
  const made = newTokens(true, settings, now, deps.tokenPepper);
  const renewal = {
    at: now,
    consentExpiresAt: new Date(now.getTime() + settings.consentSeconds * 1_000),
    authenticated: false,
  };
  const extended = await deps.connections.refresh(refreshHash, made.stored, now, renewal);
  if (extended === undefined) throw new TrueLayerError("invalid_grant");
  return { credentialsId, answer: { action_needed: "no_action_needed" as const, ...made.answer(extended.scopes) } };
}

function needsSignIn(connection: Connection, settings: Settings, now: Date): boolean {
  if (connection.consentExpiresAt <= now || settings.extension === "authentication_needed") return true;
  return settings.extension === "by_bank" && findBank(connection.providerId)?.isStrict === true;
}

function renewalRequest(connection: Connection, request: ExtendRequest): AuthRequest {
  return {
    redirectUri: request.redirectUri,
    scopes: connection.scopes,
    state: request.state,
    nonce: null,
    responseMode: "query",
    providers: [connection.providerId],
    providerId: connection.providerId,
    codeChallenge: null,
    challengeMethod: null,
  };
}

function newTokens(
  isOffline: boolean,
  settings: Settings,
  now: Date,
  pepper: Uint8Array,
): { stored: NewTokens; answer(scopes: readonly string[]): TokenAnswer } {
  const accessToken = randomToken(tokenBytes);
  const refreshToken = isOffline ? randomToken(tokenBytes) : undefined;
  return {
    stored: {
      accessHash: keyedHash(pepper, accessToken),
      accessExpiresAt: new Date(now.getTime() + settings.accessTokenSeconds * 1_000),
      refreshHash: refreshToken === undefined ? null : keyedHash(pepper, refreshToken),
    },
    answer: (scopes) => ({
      access_token: accessToken,
      expires_in: settings.accessTokenSeconds,
      token_type: "Bearer",
      ...(refreshToken === undefined ? {} : { refresh_token: refreshToken }),
      scope: scopes.join(" "),
    }),
  };
}
