import { describeMeasurement, type Measurement } from "../measure.ts";
import { benchRefresh } from "./refresh.ts";

const parts = ["refresh"] as const;

/** `npm run bench -- credential [refresh]`: measures the Credential service, all of it or the parts named. Throws for an unknown part. */
export async function benchCredential(
  names: readonly string[],
  options: { quick: boolean; say: (text: string) => void },
): Promise<Measurement[]> {
  const unknown = names.find((name) => !parts.some((part) => part === name));
  if (unknown !== undefined) throw new Error(`unknown part ${unknown}; there are: ${parts.join(", ")}`);
  const wanted = names.length === 0 ? parts : parts.filter((part) => names.includes(part));
  const report = (measurement: Measurement): void => options.say(describeMeasurement(measurement));
  const measurements: Measurement[] = [];
  if (wanted.includes("refresh")) {
    const size = options.quick
      ? { few: 500, many: 2_000, due: 1_000, steadyMs: 4_000 }
      : { few: 10_000, many: 1_000_000, due: 100_000, steadyMs: 60_000 };
    measurements.push(...(await benchRefresh(size, report)));
  }
  return measurements;
}
