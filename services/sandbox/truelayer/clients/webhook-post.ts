import { request } from "undici";

const timeoutMs = 10_000;
/** Of the receiver's answer, only the status matters. */
const answerBytesMax = 16 * 1024;

/** Sends a webhook, once; the status of the answer, or null when none came in time. Redirects are not followed. */
export async function postWebhook(
  url: string,
  message: { readonly headers: Readonly<Record<string, string>>; readonly body: string },
  signal: AbortSignal,
): Promise<number | null> {
  try {
    const answer = await request(url, {
      method: "POST",
      headers: {
        "content-type": "application/json; charset=utf-8",
        "user-agent": "truelayer-webhooks",
        ...message.headers,
      },
      body: message.body,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    await answer.body.dump({ limit: answerBytesMax });
    return answer.statusCode;
  } catch {
    return null; // not delivered is the answer; the attempt is on record with its next time
  }
}
