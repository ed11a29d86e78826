import { request } from "undici";

const answerTimeoutMs = 5_000;
const answerBytesMax = 16 * 1024;

/** Whether the receiver answers a ping with 2xx within five seconds. */
export async function pingWebhook(
  url: string,
  message: { readonly headers: Readonly<Record<string, string>>; readonly body: string },
): Promise<boolean> {
  try {
    const answer = await request(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...message.headers },
      body: message.body,
      headersTimeout: answerTimeoutMs,
      bodyTimeout: answerTimeoutMs,
      signal: AbortSignal.timeout(answerTimeoutMs),
    });
    await answer.body.dump({ limit: answerBytesMax });
    return answer.statusCode >= 200 && answer.statusCode < 300;
  } catch {
    return false;
  }
}
