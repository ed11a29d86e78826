import type { FastifyRequest } from "fastify";
import { keyedHash } from "../../platform/secrets/keyed-hash.ts";
import { randomToken } from "../../platform/secrets/random-token.ts";
import type { SealedBox } from "../../platform/vault/sealed-box.ts";
import { headerOf } from "../kit/http/request-fields.ts";
import type { ReadMoment } from "../kit/sandbox-clock.ts";
import { basiqError } from "./domain/basiq-error.ts";
import type { Settings } from "./domain/settings.ts";
import type { TokenGrant, TokenStore } from "./storage/token-store.ts";

/** Makes tokens and links and knows them again; they are kept as keyed hashes. */
export interface Access {
  /** A token of `/token`. Throws `too-many-requests` beyond the minute's share. */
  issueToken(scope: TokenGrant["scope"], userId: string | null): Promise<{ token: string; expiresInSeconds: number }>;
  /** The token's grant. Throws `invalid-authorization-token`. */
  find(token: string): Promise<TokenGrant>;
  /** The bearer of a call: with a server token anybody, with a client token the one user. Throws. */
  require(request: FastifyRequest, allowed: { userId?: string; client?: boolean }): Promise<TokenGrant>;
  /** Text and hash of a link or visit. */
  newSecret(): { text: string; hash: Buffer };
  hashOf(text: string): Buffer;
  seal(text: string, owner: string): Buffer;
  open(sealed: Buffer, owner: string): string;
}

/** Access under one key and one box. */
export function createAccess(deps: {
  readonly key: Uint8Array;
  readonly box: SealedBox;
  readonly tokens: TokenStore;
  readonly moment: ReadMoment<Settings>;
}): Access {
  const { key, box, tokens, moment } = deps;
  const hashOf = (text: string) => keyedHash(key, text);
  const access: Access = {
    async issueToken(scope, userId) {
      const { settings, now } = await moment();
      const token = randomToken(48);
      const { accessTokenSeconds: expiresInSeconds, tokensPerMinuteMax: perMinuteMax } = settings;
      const grant = { scope, userId, expiresAt: new Date(now.getTime() + expiresInSeconds * 1_000) };
      if (!(await tokens.add(hashOf(token), grant, { now, perMinuteMax }))) throw basiqError("too-many-requests");
      return { token, expiresInSeconds };
    },
    async find(token) {
      const { now } = await moment();
      const grant = await tokens.find(hashOf(token));
      if (grant === undefined || grant.expiresAt <= now) throw basiqError("invalid-authorization-token");
      return grant;
    },
    async require(request, { userId, client = false }) {
      const given = /^Bearer ([\w-]{20,200})$/.exec(headerOf(request, "authorization") ?? "")?.[1];
      if (given === undefined) throw basiqError("invalid-authorization-token");
      const grant = await access.find(given);
      if (grant.scope === "SERVER_ACCESS") return grant;
      if (!client || (userId !== undefined && grant.userId !== userId)) throw basiqError("forbidden-access");
      return grant;
    },
    newSecret() {
      const text = randomToken(24);
      return { text, hash: hashOf(text) };
    },
    hashOf,
    seal: (text, owner) => box.seal(text, owner),
    open: (sealed, owner) => box.open(sealed, owner).toString("utf8"),
  };
  return access;
}
