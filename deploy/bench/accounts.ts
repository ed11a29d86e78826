import { randomUUID } from "node:crypto";
import { Narrator } from "../local/demo/narrator.ts";
import { Phone } from "../local/demo/phone.ts";
import { demoWorld } from "../local/world.ts";
import type { BenchWorld } from "./bench-world.ts";
import { runLoad } from "./http-load.ts";
import { type Measurement, measure } from "./measure.ts";

const peopleCount = 4;
/** Under the limit of 600 reads a minute and person. */
const ratePerSecond = 30;

/** Measures `GET /api/mobile/accounts` for people with two banks each, at a steady rate, after a warm-up at that rate. */
export async function benchAccounts(
  world: BenchWorld,
  size: { readonly warmUpMs: number; readonly durationMs: number },
): Promise<Measurement> {
  const narrator = new Narrator(() => {});
  const tokens: string[] = [];
  for (let person = 0; person < peopleCount; person += 1) {
    const id = randomUUID().slice(0, 12);
    const phone = new Phone(world.mesh.urls, narrator, `bench-${id}@example.com`, `bench-${id}`);
    await phone.signUp("Bench Person");
    for (const { id: bankId } of demoWorld.banks) await phone.enrol(bankId, "customer1@example.com");
    tokens.push(phone.accessToken);
  }
  let sent = 0;
  const { gateway } = world.mesh.ports;
  const load = (durationMs: number) => () =>
    runLoad({
      host: "127.0.0.1",
      port: gateway,
      connections: 16,
      durationMs,
      ratePerSecond,
      next: () => {
        sent += 1;
        const token = tokens[sent % tokens.length];
        return Buffer.from(
          `GET /api/mobile/accounts HTTP/1.1\r\nhost: 127.0.0.1:${gateway}\r\nauthorization: Bearer ${token}\r\naccept: application/json\r\n\r\n`,
          "latin1",
        );
      },
      accept: (status, body) => status === 200 && body.split('"accountId"').length === 5 && !body.includes('"errors"'),
    });
  await load(size.warmUpMs)();
  return await measure(`accounts of two banks, steady ${ratePerSecond}/s`, world.pids, load(size.durationMs));
}
