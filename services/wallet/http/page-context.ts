import type { FastifyReply, FastifyRequest } from "fastify";
import { limitCalls } from "../../platform/http/limit-calls.ts";
import { createCsrf } from "../../platform/pages/csrf.ts";
import type { SafeHtml } from "../../platform/pages/html.ts";
import { page } from "../../platform/pages/layout.ts";
import type { FormTarget } from "../../platform/pages/security-headers.ts";
import { sendPage } from "../../platform/pages/send-page.ts";
import { withStyle } from "../../platform/pages/with-style.ts";
import type { OutgoingCall } from "../clients/credential-connections.ts";
import { readWebSession } from "../flows/web-session.ts";
import type { OidcDeps } from "../oidc/oidc-deps.ts";
import { findUserById, type User } from "../storage/users-store.ts";
import type { WebSession } from "../storage/web-sessions-store.ts";
import { walletBrand } from "./wallet-brand.ts";
import { walletStyle } from "./wallet-style.ts";

const postsPerMinuteMax = 300;
const callTimeoutMs = 15_000;

/** Who is at the browser: a session, and the person where it has one. */
export interface Visitor {
  readonly session: WebSession | undefined;
  readonly user: User | undefined;
}

/** A page about to be sent. */
export interface View {
  readonly title: string;
  readonly body: SafeHtml;
  readonly status?: number;
  /** `elsewhere` unless told: most of these forms end at a bank or a merchant. */
  readonly formTarget?: FormTarget;
  readonly navigation?: SafeHtml;
}

/** What every page of the wallet does the same way. */
export interface PageContext {
  visitor(request: FastifyRequest): Promise<Visitor>;
  token(request: FastifyRequest, reply: FastifyReply, purpose: string): string;
  /** Checks the form's token and counts the post against its sender's limit. Throws `PAGE_EXPIRED`, `RATE_LIMITED`. */
  verify(request: FastifyRequest, purpose: string): Promise<void>;
  show(reply: FastifyReply, view: View): FastifyReply;
  /** Deadline, signal and request id for what is asked of others on behalf of this request. */
  call(request: FastifyRequest): OutgoingCall;
}

/** Builds the shared manners of the wallet's pages. */
export function createPageContext(deps: OidcDeps): PageContext {
  const secure = deps.settings.oidcIssuer.startsWith("https:");
  const csrf = createCsrf({ key: deps.keys.csrf, siteId: "wsim", secure });
  const countPost = limitCalls(deps.limiter, { class: "wallet_page", perMinute: postsPerMinuteMax });
  return {
    async visitor(request) {
      const session = await readWebSession(deps, request.headers.cookie);
      const userId = session?.userId ?? undefined;
      return { session, user: userId === undefined ? undefined : await findUserById(deps.db.query, userId) };
    },
    token: (request, reply, purpose) => csrf.token(request, reply, purpose),
    async verify(request, purpose) {
      await countPost(request);
      csrf.verify(request, purpose);
    },
    show(reply, view) {
      const document = page({
        title: view.title,
        body: view.body,
        brand: walletBrand,
        ...(view.navigation === undefined ? {} : { navigation: view.navigation }),
      });
      return sendPage(reply, withStyle(document, walletStyle), {
        status: view.status ?? 200,
        formTarget: view.formTarget ?? "elsewhere",
      });
    },
    call: (request) => ({ timeoutMs: callTimeoutMs, requestId: request.id }),
  };
}
