import "./fastify-additions.ts";
import cookie from "@fastify/cookie";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { Logger } from "pino";
import { DomainError } from "../errors/domain-error.ts";
import { type ErrorTable, errorBody, type TranslatedError, translateError } from "../errors/error-table.ts";
import { uuidv7 } from "../ids/uuidv7.ts";
import type { PageError } from "../pages/error-page.ts";
import type { Page } from "../pages/layout.ts";
import { sendPage } from "../pages/send-page.ts";
import { addBodyParsers } from "./body-parsers.ts";
import { clientAddress, type TrustProxy } from "./client-address.ts";
import { closeSilentSockets } from "./close-silent-sockets.ts";
import { httpErrors, reasonOfHttpError } from "./http-errors.ts";
import { watchRouteMethods } from "./route-methods.ts";

const bodyLimitDefaultBytes = 64 * 1024;
const requestTimeoutMs = 30_000;
const connectionTimeoutMs = 60_000;
const parameterLengthMax = 512;

/** Certificate, key and authority of a service inside the mesh, in PEM. */
export interface ServerTls {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  readonly ca: string | Buffer;
}

/** Options of `createHttpServer`. */
export interface HttpServerOptions {
  readonly service: string;
  /** Reasons of this service; those of the platform are there already. */
  readonly errorTable: ErrorTable;
  readonly log: Pick<Logger, "info" | "warn" | "error">;
  /** With it only peers with a certificate of the same authority are let in. */
  readonly tls?: ServerTls;
  /** 64 KiB unless told. */
  readonly bodyLimitBytes?: number;
  /** Whose `x-forwarded-for` counts; the gateway's with `tls`, else nobody's. */
  readonly trustProxy?: TrustProxy;
  /** Shows an error to a browser that asked for a page; without it errors are JSON for everyone. */
  readonly errorPage?: (error: PageError) => Page;
}

/**
 * A Fastify server with the product's manners: request ids in and out, one error shape, 404 and 405 in it, safe headers,
 * JSON and forms, cookies, the caller's address in `request.clientAddress`. The caller registers routes, listens and closes.
 */
export function createHttpServer(options: HttpServerOptions): FastifyInstance {
  const trust = options.trustProxy ?? (options.tls === undefined ? "none" : "gateway");
  const shared = {
    logger: false,
    bodyLimit: options.bodyLimitBytes ?? bodyLimitDefaultBytes,
    requestTimeout: requestTimeoutMs,
    connectionTimeout: connectionTimeoutMs,
    // On close, idle keep-alive connections end at once and requests in flight are finished.
    forceCloseConnections: "idle",
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: parameterLengthMax },
  } as const;
  const app =
    options.tls === undefined
      ? Fastify(shared)
      : // The server kind is a type parameter only; every use below is the same for both.
        (Fastify({
          ...shared,
          https: { ...options.tls, requestCert: true, rejectUnauthorized: true, minVersion: "TLSv1.3" },
        }) as unknown as FastifyInstance);
  const table: ErrorTable = { ...httpErrors, ...options.errorTable };
  const methodsOf = watchRouteMethods(app);
  closeSilentSockets(app);

  app.register(cookie);
  addBodyParsers(app);
  app.decorateRequest("clientAddress", "");
  app.addHook("onRequest", async (request, reply) => {
    request.id = acceptRequestId(request.headers["x-request-id"]);
    request.clientAddress = clientAddress(request.raw, trust);
    reply.header("x-request-id", request.id);
  });
  app.addHook("onSend", async (_request, reply) => addSafeHeaders(reply));
  app.addHook("onResponse", async (request, reply) => logResponse(options.log, request, reply));
  app.setErrorHandler((thrown, request, reply) => {
    const error = reasonOfHttpError(thrown);
    return sendError(options, request, reply, translateError(table, error), error);
  });
  app.setNotFoundHandler((request, reply) => {
    const methods = methodsOf(request.url.split("?", 1)[0] ?? "");
    if (methods.length > 0) reply.header("allow", methods.join(", "));
    const error = new DomainError(methods.length > 0 ? "METHOD_NOT_ALLOWED" : "NOT_FOUND");
    return sendError(options, request, reply, translateError(table, error), error);
  });
  return app;
}

function acceptRequestId(given: string | string[] | undefined): string {
  return typeof given === "string" && /^[A-Za-z0-9._-]{8,128}$/.test(given) ? given : uuidv7();
}

function addSafeHeaders(reply: FastifyReply): void {
  const defaults: Readonly<Record<string, string>> = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
  };
  for (const [name, value] of Object.entries(defaults)) if (!reply.hasHeader(name)) reply.header(name, value);
}

// The route's pattern is logged, never the URL: a query may carry a code or a state.
function logResponse(log: HttpServerOptions["log"], request: FastifyRequest, reply: FastifyReply): void {
  log.info(
    {
      requestId: request.id,
      method: request.method,
      route: request.routeOptions.url ?? "none",
      status: reply.statusCode,
      durationMs: Math.round(reply.elapsedTime),
    },
    "http",
  );
}

function sendError(
  options: HttpServerOptions,
  request: FastifyRequest,
  reply: FastifyReply,
  error: TranslatedError,
  cause: unknown,
): FastifyReply {
  if (error.http >= 500)
    options.log.error({ requestId: request.id, reason: error.reason, err: cause }, "request failed");
  const retryAfterSeconds = error.members["retryAfterSeconds"];
  if (typeof retryAfterSeconds === "number") reply.header("retry-after", String(Math.ceil(retryAfterSeconds)));
  if (options.errorPage !== undefined && prefersHtml(request)) {
    const { reason, http: status, message } = error;
    const page = options.errorPage({ reason, status, message, requestId: request.id });
    return sendPage(reply, page, { status: error.http });
  }
  return reply.code(error.http).type("application/json; charset=utf-8").send(errorBody(error));
}

function prefersHtml(request: FastifyRequest): boolean {
  const accept = request.headers.accept ?? "";
  const html = accept.indexOf("text/html");
  const json = accept.indexOf("application/json");
  return html >= 0 && (json < 0 || html < json);
}
