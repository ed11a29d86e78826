import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { limitCalls } from "../../../platform/http/limit-calls.ts";
import type { RateLimiter } from "../../../platform/limits/rate-limiter.ts";
import type { Brand } from "../../../platform/pages/brand.ts";
import { linkButton } from "../../../platform/pages/components.ts";
import { createCsrf } from "../../../platform/pages/csrf.ts";
import type { SafeHtml } from "../../../platform/pages/html.ts";
import { page } from "../../../platform/pages/layout.ts";
import { sendPage } from "../../../platform/pages/send-page.ts";
import { withStyle } from "../../../platform/pages/with-style.ts";
import { principalKey } from "../../../platform/rpc/principal.ts";
import type { WebVisitors } from "../../clients/web-visitors.ts";
import type { Owner } from "../../domain/connection.ts";
import type { Caller, Dependencies } from "../../flows/dependencies.ts";
import type { Refresher } from "../../flows/refresh.ts";
import type { ConsentBrowsers } from "../consent-browsers.ts";
import { actorOfRequest, patientCaller } from "../request-caller.ts";
import { connectionsStyle } from "./connections-style.ts";

/** These pages stand beside the wallet's, and look like them. */
export const connectionsBrand: Brand = Object.freeze({ id: "connections", name: "Wallet", color: "#2b3fa8" });

/** Where an error leads on to. */
export const connectionsWayOn = Object.freeze({ label: "Connected accounts", href: "/connections" });

const viewsPerMinuteMax = 300;
const postsPerMinuteMax = 60;
// Of the gateway's 30 s, so that a slow provider leaves time for the page.
const waitMs = 15_000;

/** What the pages work with. */
export interface ConnectionPageParts {
  readonly deps: Dependencies;
  readonly refresher: Refresher;
  readonly limiter: RateLimiter;
  readonly visitors: WebVisitors;
  /** Where browsers reach the gateway. */
  readonly publicUrl: string;
  readonly browsers: ConsentBrowsers;
}

/** A request of a person who is signed in. */
export interface Visit {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly owner: Owner;
  readonly caller: Caller;
  /** For every form of his. */
  readonly csrf: string;
}

/** A page about to be sent. */
export interface View {
  readonly title: string;
  readonly body: SafeHtml;
  readonly status?: number;
  /** Whether a form of it ends at a provider; browsers hold the whole redirect chain against `form-action`. */
  readonly leadsElsewhere?: boolean;
}

/** What a page does for a person who is signed in. */
export type PageWork = (visit: Visit) => Promise<FastifyReply>;

/** Registers pages: all of them for people who are signed in, posts with a form's token alone. */
export interface PageContext {
  get(path: string, work: PageWork): void;
  post(path: string, work: PageWork): void;
  show(visit: Visit, view: View): FastifyReply;
}

/** Builds the shared manners of the pages. */
export function createPageContext(app: FastifyInstance, parts: ConnectionPageParts): PageContext {
  const { deps, limiter } = parts;
  const csrf = createCsrf({
    key: deps.storage.pageFormsKey,
    siteId: connectionsBrand.id,
    secure: parts.publicUrl.startsWith("https:"),
  });
  const countView = limitCalls(limiter, { class: "connection_page", perMinute: viewsPerMinuteMax });
  const countPost = limitCalls(limiter, { class: "connection_form", perMinute: postsPerMinuteMax });

  const forPerson = (work: PageWork, check: (request: FastifyRequest, purpose: string) => Promise<void>) => {
    return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
      await countView(request);
      const userId = await parts.visitors.userOf(request.headers.cookie);
      if (userId === undefined) return reply.redirect("/login?next=/connections", 303);
      // A form that was shown to somebody else in this browser is not this person's.
      const purpose = `connections:${userId}`;
      await check(request, purpose);
      const actor = actorOfRequest(request, principalKey({ kind: "web_user", userId, sessionId: "" }, ""));
      return await work({
        request,
        reply,
        owner: { tenant: "wallet", userId },
        caller: patientCaller(actor, waitMs),
        csrf: csrf.token(request, reply, purpose),
      });
    };
  };

  return {
    get: (path, work) =>
      void app.get(
        path,
        forPerson(work, async () => undefined),
      ),
    post: (path, work) => {
      const check = async (request: FastifyRequest, purpose: string) => {
        await countPost(request);
        csrf.verify(request, purpose);
      };
      app.post(path, forPerson(work, check));
    },
    show: ({ reply }, view) => {
      const document = page({
        title: view.title,
        body: view.body,
        brand: connectionsBrand,
        navigation: linkButton({ label: "Cards and banks", href: "/wallet", kind: "quiet", small: true }),
      });
      return sendPage(reply, withStyle(document, connectionsStyle), {
        status: view.status ?? 200,
        formTarget: view.leadsElsewhere === true ? "elsewhere" : "self",
      });
    },
  };
}
