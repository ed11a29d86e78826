import type { FastifyReply, FastifyRequest } from "fastify";
import { DomainError } from "../errors/domain-error.ts";
import { formText } from "../http/body-parsers.ts";
import { keyedHash, textsEqual } from "../secrets/keyed-hash.ts";
import { randomToken } from "../secrets/random-token.ts";

/** Options of `createCsrf`. */
export interface CsrfOptions {
  /** The same on every replica of this site, and its own: no other key is derived from it. */
  readonly key: string | Uint8Array;
  /** Service or bank id: cookies ignore ports, so each site's cookie has its own name. */
  readonly siteId: string;
  /** True where the site is served over https. */
  readonly secure: boolean;
}

/** Tokens for forms. */
export interface Csrf {
  /**
   * The token for a form of `purpose` (what it does and to which object, such as `consent:<uid>`), good for this browser
   * alone. Sets the browser's cookie when it has none.
   */
  token(request: FastifyRequest, reply: FastifyReply, purpose: string): string;
  /** Checks field `_csrf` of a posted form. Throws `PAGE_EXPIRED`. */
  verify(request: FastifyRequest, purpose: string): void;
}

const browserIdPattern = /^[A-Za-z0-9_-]{43}$/;
const maxAgeSeconds = 24 * 60 * 60;

/**
 * Signed double submit: a random id in an HttpOnly cookie, and in the form an HMAC of that id and the form's purpose. Another
 * site can neither read the cookie nor compute the token; a token of one form is of no use in another.
 */
export function createCsrf(options: CsrfOptions): Csrf {
  const cookieName = `${options.secure ? "__Host-" : ""}${options.siteId}.csrf`;
  const sign = (browserId: string, purpose: string) =>
    keyedHash(options.key, `csrf\n${options.siteId}\n${browserId}\n${purpose}`).toString("base64url");
  return {
    token(request, reply, purpose) {
      let browserId = request.cookies[cookieName];
      if (browserId === undefined || !browserIdPattern.test(browserId)) {
        browserId = randomToken(32);
        // Several forms of one page share the cookie set by the first.
        request.cookies[cookieName] = browserId;
        reply.setCookie(cookieName, browserId, {
          path: "/",
          httpOnly: true,
          sameSite: "lax",
          secure: options.secure,
          maxAge: maxAgeSeconds,
        });
      }
      return sign(browserId, purpose);
    },
    verify(request, purpose) {
      const browserId = request.cookies[cookieName];
      const given = formText(request.body, "_csrf");
      if (browserId === undefined || given === undefined || !textsEqual(given, sign(browserId, purpose))) {
        throw new DomainError("PAGE_EXPIRED");
      }
    },
  };
}
