import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type BenchWorld, startBenchWorld } from "../bench-world.ts";
import type { Measurement } from "../measure.ts";
import { benchCalls } from "./calls.ts";
import { benchWebhooks } from "./webhooks.ts";

/** What is measured in a mesh, and how. */
export interface MeshBenchOptions {
  readonly calls: boolean;
  readonly webhooks: boolean;
  readonly quick: boolean;
  readonly say: (text: string) => void;
}

/** Measures Credential as a part of the mesh, with Plaid's stand-in and with webhooks that are signed here as Wise signs its own. */
export async function benchInMesh(
  options: MeshBenchOptions,
  report: (measurement: Measurement) => void,
): Promise<Measurement[]> {
  const directory = await mkdtemp(path.join(tmpdir(), "paymesh-bench-keys-"));
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const keyFile = path.join(directory, "webhooks.pem");
  await writeFile(keyFile, publicKey.export({ type: "spki", format: "pem" }));
  let world: BenchWorld | undefined;
  try {
    world = await startBenchWorld({
      services: ["registry", "wallet", "credential", "mail", "plaid", "wise"],
      env: { credential: { WISE_WEBHOOK_PUBLIC_KEY_FILE: keyFile } },
      progress: options.say,
    });
    const measurements: Measurement[] = [];
    if (options.calls) measurements.push(...(await benchCalls(world, options.quick ? 1_000 : 10_000, report)));
    if (options.webhooks) {
      const measurement = await benchWebhooks(world, { privateKey, quick: options.quick });
      report(measurement);
      measurements.push(measurement);
    }
    return measurements;
  } finally {
    await world?.stop();
    await rm(directory, { recursive: true, force: true });
  }
}
