import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { parseJson } from "./parse-json.ts";

const waitMs = 25_000;
const lookEveryMs = 25;

/** A webhook as it arrived. */
export interface ReceivedWebhook {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** The exact bytes, as UTF-8. */
  readonly raw: string;
  readonly body: Record<string, unknown>;
}

/** A receiver of webhooks. */
export interface WebhookReceiver {
  readonly url: string;
  readonly received: ReceivedWebhook[];
  /** The status it answers with; 200 until set. */
  answer: (webhook: ReceivedWebhook) => number;
  /** Waits for a webhook of this kind that nobody waited for yet. */
  next(isWanted: (webhook: ReceivedWebhook) => boolean): Promise<ReceivedWebhook>;
  close(): Promise<void>;
}

/** Starts a receiver on a port of its own. */
export async function startReceiver(): Promise<WebhookReceiver> {
  const received: ReceivedWebhook[] = [];
  const taken = new Set<ReceivedWebhook>();
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer); // without an encoding, chunks are buffers
    const raw = Buffer.concat(chunks).toString("utf8");
    const webhook = { path: request.url ?? "", headers: request.headers, raw, body: parseJson(raw) };
    received.push(webhook);
    response.writeHead(receiver.answer(webhook)).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // a TCP server always has one
  const receiver: WebhookReceiver = {
    url: `http://127.0.0.1:${port}/hooks`,
    received,
    answer: () => 200,
    async next(isWanted) {
      const deadline = Date.now() + waitMs;
      for (;;) {
        const found = received.find((each) => !taken.has(each) && isWanted(each));
        if (found !== undefined) {
          taken.add(found);
          return found;
        }
        if (Date.now() > deadline) throw new Error(`no such webhook; got ${received.map((each) => each.raw)}`);
        await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
      }
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return receiver;
}
