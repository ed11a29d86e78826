import { describeMeasurement, type Measurement } from "../measure.ts";
import { benchAudit } from "./audit.ts";
import { benchInMesh } from "./mesh.ts";
import { benchRefresh } from "./refresh.ts";
import { benchVault, vaultShareMin, vaultShares } from "./vault.ts";

/** What there is to measure. */
export const credentialParts: readonly string[] = ["vault", "audit", "calls", "webhooks", "refresh"];

/**
 * `npm run bench -- credential [vault] [audit] [calls] [webhooks] [refresh]`: measures the Credential service, all of it or the parts
 * named. A vault slower than its share of the bare cipher is said, and makes the run fail at its end.
 */
export async function benchCredential(
  names: readonly string[],
  options: { quick: boolean; say: (text: string) => void },
): Promise<Measurement[]> {
  const wanted = names.length === 0 ? credentialParts : names;
  const report = (measurement: Measurement): void => options.say(describeMeasurement(measurement));
  const measurements: Measurement[] = [];
  if (wanted.includes("vault")) {
    const measured = await benchVault(options.quick ? 500 : 8_000, report);
    const { seal, open } = vaultShares(measured);
    options.say(`The vault seals at ${percent(seal)} and opens at ${percent(open)} of the bare cipher's speed.`);
    // A quick run is too short to judge by.
    if (!options.quick && Math.min(seal, open) < vaultShareMin) {
      options.say(`That is less than ${percent(vaultShareMin)}, which it must not be.`);
      process.exitCode = 1;
    }
    measurements.push(...measured);
  }
  if (wanted.includes("audit")) measurements.push(...(await benchAudit(options.quick ? 500 : 5_000, report)));
  const [calls, webhooks] = [wanted.includes("calls"), wanted.includes("webhooks")];
  if (calls || webhooks) measurements.push(...(await benchInMesh({ ...options, calls, webhooks }, report)));
  if (wanted.includes("refresh")) {
    const size = options.quick
      ? { few: 500, many: 2_000, due: 1_000, steadyMs: 4_000 }
      : { few: 10_000, many: 1_000_000, due: 100_000, steadyMs: 60_000 };
    measurements.push(...(await benchRefresh(size, report)));
  }
  return measurements;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
