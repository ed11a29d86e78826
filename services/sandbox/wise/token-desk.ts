import { randomUUID } from "node:crypto";
import { keyedHash, textsEqual } from "../../platform/secrets/keyed-hash.ts";
import type { Moment, ReadMoment } from "../kit/sandbox-clock.ts";
import type { Settings } from "./domain/settings.ts";
import { invalidToken, tokenError } from "./domain/wise-error.ts";
import type { AuthorizationStore } from "./storage/authorization-store.ts";
import type { Bearer, GrantStore, WiseGrant } from "./storage/grant-store.ts";

/** Tokens as answered. */
export interface TokenAnswer {
  readonly access_token: string;
  readonly token_type: "bearer";
  readonly expires_in: number;
  readonly expires_at: string;
  readonly refresh_token?: string;
  readonly refresh_token_expires_in?: number;
  readonly refresh_token_expires_at?: string;
  readonly scope: string;
  readonly created_at?: string;
}

/** Tokens: made, renewed, checked. Every refusal is a `WiseError`. */
export interface TokenDesk {
  /** The application proves itself. Throws `invalid_client`. */
  checkApp(credentials: { readonly username: string; readonly password: string } | undefined): void;
  exchange(code: string, redirectUri: string): Promise<{ grant: WiseGrant; answer: TokenAnswer }>;
  refresh(refreshToken: string): Promise<{ grant: WiseGrant; answer: TokenAnswer }>;
  forApplication(): Promise<TokenAnswer>;
  /** Throws `invalid_token`. */
  bearerOf(accessToken: string): Promise<Bearer>;
}

/** What the desk needs. */
export interface TokenDeskDeps {
  readonly app: { readonly clientId: string; readonly clientSecret: string };
  readonly authorizations: AuthorizationStore;
  readonly grants: GrantStore;
  readonly tokenPepper: Uint8Array;
  readonly moment: ReadMoment<Settings>;
}

/** Makes the desk. */
export function createTokenDesk(deps: TokenDeskDeps): TokenDesk {
  const { app, authorizations, grants } = deps;
  const hash = (token: string) => keyedHash(deps.tokenPepper, token);
  return {
    checkApp(credentials) {
      const isKnown = credentials !== undefined && textsEqual(credentials.username, app.clientId);
      const isProven = credentials !== undefined && textsEqual(credentials.password, app.clientSecret);
      if (!isKnown || !isProven) throw tokenError("invalid_client");
    },
    async exchange(code, redirectUri) {
      const moment = await deps.moment();
      const used = await authorizations.useCode(hash(code), redirectUri, moment.now);
      if (used === undefined) throw tokenError("invalid_grant", "Invalid authorization code");
      const made = newTokens(moment, hash);
      const grant = await grants.add(used, { access: made.access, refresh: made.refresh }, moment.now);
      return { grant, answer: made.answer(made.refreshToken) };
    },
    async refresh(refreshToken) {
      const moment = await deps.moment();
      const made = newTokens(moment, hash);
      const rotates = moment.settings.refreshRotates;
      const refresh = rotates ? made.refresh : undefined;
      const grant = await grants.refresh(hash(refreshToken), { access: made.access, refresh }, moment.now);
      // Used before, too old, or the person took the account back: Wise does not tell which.
      if (grant === undefined) throw tokenError("invalid_grant");
      return { grant, answer: made.answer(rotates ? made.refreshToken : refreshToken) };
    },
    async forApplication() {
      const made = newTokens(await deps.moment(), hash);
      await grants.addApplicationToken(made.access);
      return made.answer(undefined);
    },
    async bearerOf(accessToken) {
      const { now } = await deps.moment();
      const bearer = await grants.bearerOf(hash(accessToken), now);
      if (bearer === undefined) throw invalidToken(accessToken);
      return bearer;
    },
  };
}

function newTokens({ settings, now }: Moment<Settings>, hash: (token: string) => Buffer) {
  const [accessToken, refreshToken] = [randomUUID(), randomUUID()];
  const after = (seconds: number) => new Date(now.getTime() + seconds * 1_000);
  const expiresAt = after(settings.accessTokenSeconds);
  const refreshExpiresAt = after(settings.refreshTokenSeconds);
  return {
    access: { hash: hash(accessToken), expiresAt },
    refresh: { hash: hash(refreshToken), expiresAt: refreshExpiresAt },
    refreshToken,
    answer: (given: string | undefined): TokenAnswer => ({
      access_token: accessToken,
      token_type: "bearer",
      expires_in: settings.accessTokenSeconds,
      expires_at: expiresAt.toISOString(),
      scope: "transfers",
      ...(given !== undefined && {
        refresh_token: given,
        refresh_token_expires_in: settings.refreshTokenSeconds,
        refresh_token_expires_at: refreshExpiresAt.toISOString(),
        created_at: now.toISOString(),
      }),
    }),
  };
}
