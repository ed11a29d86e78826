import type { FastifyReply } from "fastify";
import type { Page } from "./layout.ts";
import { type FormTarget, pageHeaders } from "./security-headers.ts";

/** Options of `sendPage`. */
export interface SendPageOptions {
  /** 200 unless told. */
  readonly status?: number;
  /** `self` unless told; `elsewhere` for a form that ends in a redirect to another origin. */
  readonly formTarget?: FormTarget;
}

/** Answers with a page and the headers that belong to it. */
export function sendPage(reply: FastifyReply, page: Page, options: SendPageOptions = {}): FastifyReply {
  return reply
    .code(options.status ?? 200)
    .headers(pageHeaders(page, options.formTarget ?? "self"))
    .send(page.text);
}
