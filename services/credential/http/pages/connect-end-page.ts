import type { FastifyInstance } from "fastify";
import { limitCalls } from "../../../platform/http/limit-calls.ts";
import type { RateLimiter } from "../../../platform/limits/rate-limiter.ts";
import { answerWithPages } from "../../../platform/pages/answer-with-pages.ts";
import type { Brand } from "../../../platform/pages/brand.ts";
import { messagePage } from "../../../platform/pages/messages.ts";
import { sendPage } from "../../../platform/pages/send-page.ts";
import type { Logger } from "../../../platform/telemetry/logger.ts";
import { connectEndPath } from "../../flows/link-connector.ts";
import { credentialErrors } from "../../rpc/error-table.ts";

const brand: Brand = Object.freeze({ id: "open-banking", name: "Linked accounts", color: "#2b3fa8" });
const viewsPerMinuteMax = 300;

/**
 * Where Connect leads a firm's client who has no page of his firm to come back to. It tells how it ended by Connect's code alone, and
 * changes nothing: what was connected is told by webhook.
 */
export function addConnectEndPage(
  app: FastifyInstance,
  parts: { readonly limiter: RateLimiter; readonly log: Pick<Logger, "error"> },
): void {
  void app.register(async (pages) => {
    answerWithPages(pages, { brand, errorTable: credentialErrors, log: parts.log });
    const onRequest = limitCalls(parts.limiter, { class: "connect_end_page", perMinute: viewsPerMinuteMax });
    pages.get(connectEndPath, { onRequest }, async (request, reply) => {
      const code = new URL(request.url, "http://localhost").searchParams.get("code");
      return sendPage(reply, messagePage({ brand, ...wordsFor(code) }), { formTarget: "none" });
    });
  });
}

function wordsFor(code: string | null) {
  switch (code) {
    case "200":
      return {
        kind: "success",
        title: "You are done",
        text: "Your bank has been told to share your accounts. You can close this page.",
      } as const;
    case "100":
      return {
        kind: "info",
        title: "Nothing was shared",
        text: "You left before sharing an account. The link you came by may not work again: ask for a new one.",
      } as const;
    default:
      return {
        kind: "warning",
        title: "That did not work",
        text: "Your bank could not be connected. Please ask for a new link, or try again later.",
      } as const;
  }
}
