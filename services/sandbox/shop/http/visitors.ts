import type { FastifyReply, FastifyRequest } from "fastify";
import { uuidv7 } from "../../../platform/ids/uuidv7.ts";
import { keyedHash } from "../../../platform/secrets/keyed-hash.ts";
import { randomToken } from "../../../platform/secrets/random-token.ts";
import type { Clock } from "../../../platform/time/clock.ts";
import type { Visitor, VisitorStore } from "../storage/visitor-store.ts";

const cookieName = "shop.sid";
const sessionSeconds = 30 * 24 * 60 * 60;

/** Options of {@link createVisitors}. */
export interface VisitorsOptions {
  readonly store: VisitorStore;
  readonly key: Uint8Array;
  readonly secure: boolean;
  readonly clock: Clock;
}

/** Knows browsers by a cookie whose hash is stored. */
export interface Visitors {
  /** The visitor, if this browser has been here. */
  known(request: FastifyRequest): Promise<Visitor | undefined>;
  /** The visitor, made and remembered when new. */
  welcome(request: FastifyRequest, reply: FastifyReply): Promise<Visitor>;
}

/** Opens the visitors' book. The cookie is Lax: a return from the wallet is a navigation from another site. */
export function createVisitors(options: VisitorsOptions): Visitors {
  const known = async (request: FastifyRequest): Promise<Visitor | undefined> => {
    const token = request.cookies[cookieName];
    if (token === undefined || token.length > 64) return undefined;
    return options.store.find(keyedHash(options.key, token), options.clock.now());
  };
  return {
    known,
    async welcome(request, reply) {
      const visitor = await known(request);
      if (visitor !== undefined) return visitor;
      const token = randomToken();
      const now = options.clock.now().getTime();
      const sessionId = uuidv7(now);
      await options.store.create({
        sessionId,
        tokenHash: keyedHash(options.key, token),
        expiresAt: new Date(now + sessionSeconds * 1000),
      });
      reply.setCookie(cookieName, token, {
        path: "/",
        httpOnly: true,
        sameSite: "lax",
        secure: options.secure,
        maxAge: sessionSeconds,
      });
      return { sessionId };
    },
  };
}
