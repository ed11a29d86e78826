import type { FastifyInstance, onRequestAsyncHookHandler } from "fastify";
import type Provider from "oidc-provider";

/** Options of `mountProvider`. */
export interface MountOptions {
  readonly provider: Provider;
  /** The path of the issuer, such as `/oidc`; empty for an issuer without a path. */
  readonly prefix: string;
  /** Older spellings of the provider's paths: from, to; without the prefix. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** Paths answered here, without the prefix, when the issuer has no path of its own; everything below the prefix otherwise. */
  readonly paths?: readonly string[];
  /** Runs before each request: the place to limit callers. */
  readonly onRequest?: onRequestAsyncHookHandler;
}

/**
 * Serves an oidc-provider below a prefix of a Fastify server. The body is left to the provider. The scheme is the issuer's
 * whatever stands in front: with a TLS proxy before us cookies must be marked secure all the same.
 */
export function mountProvider(app: FastifyInstance, options: MountOptions): void {
  const { provider, prefix } = options;
  const issuer = new URL(provider.issuer);
  provider.proxy = true;
  const answer = provider.callback();
  const aliases = new Map(Object.entries(options.aliases ?? {}));
  const patterns = options.paths ?? ["/*"];
  app.register(async (scope) => {
    if (options.onRequest !== undefined) scope.addHook("onRequest", options.onRequest);
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (_request, _payload, done) => done(null));
    for (const pattern of patterns) {
      scope.route({
        method: ["GET", "POST", "OPTIONS"],
        url: `${prefix}${pattern}`,
        handler: async (request, reply) => {
          const { raw } = request;
          const [path = "/", query] = (raw.url ?? "/").slice(prefix.length).split(/\?(.*)/s, 2);
          const known = aliases.get(path) ?? path;
          raw.url = query === undefined ? known : `${known}?${query}`;
          // The provider builds its addresses from these: they are the issuer's, not what a caller claims.
          raw.headers["x-forwarded-proto"] = issuer.protocol.slice(0, -1);
          raw.headers["x-forwarded-host"] = issuer.host;
          Object.assign(raw, { baseUrl: prefix });
          reply.raw.setHeader("x-request-id", request.id);
          reply.raw.setHeader("x-content-type-options", "nosniff");
          reply.raw.setHeader("x-frame-options", "DENY");
          reply.raw.setHeader("referrer-policy", "no-referrer");
          // Replaced on our own pages; script-src is there so that the provider can add the hash of its form_post page.
          reply.raw.setHeader(
            "content-security-policy",
            "default-src 'none'; script-src 'none'; base-uri 'none'; frame-ancestors 'none'",
          );
          reply.hijack();
          await answer(raw, reply.raw);
        },
      });
    }
  });
}
