import type { FastifyInstance } from "fastify";
import pino from "pino";
import { createHttpServer } from "../../platform/http/create-http-server.ts";
import type { Brand } from "../../platform/pages/brand.ts";
import { html, type SafeHtml } from "../../platform/pages/html.ts";
import { page } from "../../platform/pages/layout.ts";
import { sendPage } from "../../platform/pages/send-page.ts";
import { withStyle } from "../../platform/pages/with-style.ts";
import type { CaughtMessage, Mailbox } from "./mailbox.ts";

const brand: Brand = { id: "mail", name: "Mail catcher", color: "#4b3f8f" };
const messagesShownMax = 100;
const mailStyle = ".received{margin-bottom:.75rem}";

/** Options of {@link createMailPages}. */
export interface MailPagesOptions {
  readonly mailbox: Mailbox;
  readonly log?: Parameters<typeof createHttpServer>[0]["log"];
}

/** The catcher's page, newest message first, and its JSON, newest last. The caller listens and closes. */
export function createMailPages(options: MailPagesOptions): FastifyInstance {
  const app = createHttpServer({
    service: "mail",
    errorTable: {},
    log: options.log ?? pino({ level: "silent" }),
  });
  app.get<{ Querystring: { to?: string | string[] } }>("/api/messages", async (request) => ({
    messages: options.mailbox.list(addressOf(request.query.to)),
  }));
  app.get<{ Querystring: { to?: string | string[] } }>("/", async (request, reply) =>
    sendPage(reply, mailPage(options.mailbox.list(addressOf(request.query.to)), addressOf(request.query.to))),
  );
  app.get("/health", async () => ({ status: "healthy", service: "mail", timestamp: new Date().toISOString() }));
  return app;
}

function addressOf(to: string | string[] | undefined): string | undefined {
  return Array.isArray(to) ? to[0] : to;
}

function mailPage(messages: readonly CaughtMessage[], to: string | undefined) {
  const newestFirst = messages.slice(-messagesShownMax).reverse();
  const document = page({
    title: "Caught mail",
    brand,
    body: html`<h1>Caught mail</h1>
<p class="lead">Everything the demo world sends ends here; nothing leaves this machine.</p>
<form method="get" action="/" class="panel"><div class="field"><label for="to">Show mail to</label>
<input id="to" name="to" type="email" value="${to ?? ""}" placeholder="anyone"></div>
<button type="submit" class="button secondary small">Show</button></form>
${newestFirst.length === 0 ? html`<section class="panel"><p>No message yet. Reload after the wallet has sent a code.</p></section>` : newestFirst.map(messageView)}`,
  });
  return withStyle(document, mailStyle);
}

function messageView(message: CaughtMessage): SafeHtml {
  const lines = message.text.trim().split("\n");
  const time = message.receivedAt.slice(11, 19);
  return html`<article class="panel"><h2>${message.subject}</h2>
<p class="hint received">to ${message.to} at <time datetime="${message.receivedAt}">${time} UTC</time></p>
${lines.map((line) => lineView(line.trim()))}</article>`;
}

/** A code alone on its line stands out, an address alone can be followed. */
function lineView(line: string): SafeHtml | undefined {
  if (line === "") return undefined;
  if (/^\d{4,8}$/.test(line)) return html`<p class="amount">${line}</p>`;
  return /^https?:\/\/\S+$/.test(line) ? html`<p><a href="${line}">${line}</a></p>` : html`<p>${line}</p>`;
}
