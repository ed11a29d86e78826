import type { FastifyInstance, FastifyRequest } from "fastify";
import { completeEnrolment, type EnrolmentResult } from "../flows/complete-enrolment.ts";
import type { WalletDeps } from "../flows/wallet-deps.ts";
import { readWebSession } from "../flows/web-session.ts";
import type { EnrolmentVia } from "../storage/attempts-store.ts";

/** Longer than the exchange at the bank may take, shorter than a browser's patience. */
const callbackTimeoutMs = 28_000;
const deepLink = "mwsim://enrollment/callback";

/**
 * The redirects that end a walk to a bank: `/api/mobile/enrollment/callback/:bsimId` for phones,
 * `/api/enrollment/callback/:bsimId` for the wallet's pages, `/auth/callback/:bsimId` on the OIDC origin for the payment page.
 * Always 302; what is wrong is told in the target's query.
 */
export function registerEnrolmentCallbacks(app: FastifyInstance, deps: WalletDeps): void {
  app.get("/api/mobile/enrollment/callback/:bsimId", async (request, reply) => {
    const result = await complete(deps, request, "mobile");
    return reply.redirect(mobileTarget(result), 302);
  });
  app.get("/api/enrollment/callback/:bsimId", async (request, reply) => {
    const result = await complete(deps, request, "web");
    if (result.ok && result.cookie !== undefined) reply.header("set-cookie", result.cookie);
    return reply.redirect(webTarget(deps, result), 302);
  });
  app.get("/auth/callback/:bsimId", async (request, reply) => {
    const result = await complete(deps, request, "oidc");
    return reply.redirect(paymentPageTarget(deps, result), 302);
  });
}

async function complete(deps: WalletDeps, request: FastifyRequest, via: EnrolmentVia): Promise<EnrolmentResult> {
  const text = (members: unknown, name: string): string | undefined => {
    // A repeated parameter arrives as a list; RFC 6749, section 3.1 forbids that, so it counts as absent.
    const value = (members as Readonly<Record<string, unknown>>)[name];
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const { query } = request;
  const callback = {
    via,
    bsimId: text(request.params, "bsimId") ?? "",
    state: text(query, "state"),
    code: text(query, "code"),
    iss: text(query, "iss"),
    error: text(query, "error"),
    errorDescription: text(query, "error_description"),
    webSession: via === "mobile" ? undefined : await readWebSession(deps, request.headers.cookie),
  };
  try {
    return await completeEnrolment(deps, callback, {
      timeoutMs: callbackTimeoutMs,
      requestId: request.id,
    });
  } catch (cause) {
    deps.log.error({ err: cause, requestId: request.id, bankId: callback.bsimId }, "enrolment callback failed");
    return { ok: false, error: "callback_failed", message: undefined, resumeUid: undefined };
  }
}

function mobileTarget(result: EnrolmentResult): string {
  const query = result.ok
    ? { success: "true", bsimId: result.bsimId, bankName: result.bankName, cardCount: String(result.cardCount) }
    : { success: "false", error: result.error, ...(result.message === undefined ? {} : { message: result.message }) };
  return `${deepLink}?${encodeQuery(query)}`;
}

/** Spaces as %20: deep links are read by URL parsers that do not know `+`. */
function encodeQuery(query: Readonly<Record<string, string>>): string {
  return Object.entries(query)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join("&");
}

function webTarget(deps: Pick<WalletDeps, "settings">, result: EnrolmentResult): string {
  const { appUrl } = deps.settings;
  if (result.ok) return `${appUrl}/wallet?${encodeQuery({ enrolled: result.bsimId })}`;
  return `${appUrl}/enroll?${encodeQuery(failureQuery(result))}`;
}

/** Back into the payment; a walk that cannot be told from any other ends on the wallet's own page. */
function paymentPageTarget(deps: Pick<WalletDeps, "settings">, result: EnrolmentResult): string {
  if (result.resumeUid === undefined) return webTarget(deps, result);
  const page = `${deps.settings.oidcIssuer}/interaction/${encodeURIComponent(result.resumeUid)}`;
  const query = result.ok ? { enrolled: result.bsimId } : failureQuery(result);
  return `${page}?${encodeQuery(query)}`;
}

function failureQuery(result: Extract<EnrolmentResult, { ok: false }>): Record<string, string> {
  return { error: result.error, ...(result.message === undefined ? {} : { message: result.message }) };
}
