import type { FastifyReply, FastifyRequest } from "fastify";
import { keyedHash, textsEqual } from "../../platform/secrets/keyed-hash.ts";
import { randomToken } from "../../platform/secrets/random-token.ts";

/** As long as a consent can be under way. */
const maxAgeSeconds = 4 * 60 * 60;
const valuePattern = /^[A-Za-z0-9_-]{43}\.[A-Za-z0-9_-]{43}$/;

/** Knows a browser again that began a consent, when it comes back from the provider. */
export interface ConsentBrowsers {
  /** Marks the browser for four hours, as this person's; resolves to its mark, a secret. Several consents of his share it. */
  mark(request: FastifyRequest, reply: FastifyReply, userId: string): string;
  /** The mark a browser carries, if any. Whose it is the consent says that was begun with it. */
  of(request: FastifyRequest): string | undefined;
}

/**
 * Marks browsers by a cookie: random, signed together with the person, HttpOnly, and sent along from the provider's page since the
 * return is a navigation by GET (SameSite=Lax). A mark that another site or another person planted is replaced before it is used.
 */
export function createConsentBrowsers(options: {
  readonly key: Uint8Array;
  readonly secure: boolean;
}): ConsentBrowsers {
  const cookieName = `${options.secure ? "__Host-" : ""}connections.consent`;
  const sign = (nonce: string, userId: string) =>
    keyedHash(options.key, `cookie\n${userId}\n${nonce}`).toString("base64url");
  const read = (request: FastifyRequest) => {
    const value = request.cookies[cookieName];
    return value !== undefined && valuePattern.test(value) ? value : undefined;
  };
  return {
    mark: (request, reply, userId) => {
      const present = read(request);
      const [nonce = "", signature = ""] = present?.split(".") ?? [];
      const fresh = randomToken(32);
      const isHis = present !== undefined && textsEqual(signature, sign(nonce, userId));
      const mark = isHis ? present : `${fresh}.${sign(fresh, userId)}`;
      reply.setCookie(cookieName, mark, {
        path: "/",
        httpOnly: true,
        sameSite: "lax",
        secure: options.secure,
        maxAge: maxAgeSeconds,
      });
      return mark;
    },
    of: read,
  };
}
