import { type KeyObject, sign } from "node:crypto";
import type { BenchWorld } from "../bench-world.ts";
import { runLoad } from "../http-load.ts";
import { type Measurement, measure } from "../measure.ts";

const connections = 32;
/** A provider's address may send 12,000 a minute. */
const webhooksMax = 9_000;
const warmUpMax = 2_000;

/**
 * Measures webhooks from the gateway to their row: RSA signatures as Wise makes them, all different, made before the clock runs. What
 * is done about them happens at the same time.
 */
export async function benchWebhooks(
  world: BenchWorld,
  options: { privateKey: KeyObject; quick: boolean },
): Promise<Measurement> {
  const count = options.quick ? 200 : webhooksMax;
  const warmUp = requestsOf(world, options.privateKey, options.quick ? 50 : warmUpMax);
  await send(world, warmUp);
  const requests = requestsOf(world, options.privateKey, count);
  return await measure(`webhooks, RSA, ${connections} connections`, world.pids, () => send(world, requests));
}

function send(world: BenchWorld, requests: readonly Buffer[]): ReturnType<typeof runLoad> {
  let sent = 0;
  return runLoad({
    host: "127.0.0.1",
    port: world.mesh.ports.gateway,
    connections,
    durationMs: 60_000,
    next: () => requests[sent++],
    accept: (status) => status === 200,
  });
}

let made = 0;
function requestsOf(world: BenchWorld, privateKey: KeyObject, count: number): Buffer[] {
  return Array.from({ length: count }, () => {
    made += 1;
    const now = new Date().toISOString();
    const resource = { type: "balance-account", id: made, profile_id: 10_000_000 + made };
    const body = JSON.stringify({
      data: { resource, amount: 10, currency: "EUR", occurred_at: now },
      subscription_id: "00000000-0000-4000-8000-000000000001",
      event_type: "balances#update",
      schema_version: "3.0.0",
      sent_at: now,
    });
    const signature = sign("sha256", Buffer.from(body), privateKey).toString("base64");
    const head = [
      "POST /api/connectors/wise/webhook HTTP/1.1",
      `host: 127.0.0.1:${world.mesh.ports.gateway}`,
      "content-type: application/json",
      `x-signature-sha256: ${signature}`,
      `x-delivery-id: 00000000-0000-4000-8000-${String(made).padStart(12, "0")}`,
      `content-length: ${body.length}`,
    ].join("\r\n");
    return Buffer.from(`${head}\r\n\r\n${body}`, "latin1");
  });
}
