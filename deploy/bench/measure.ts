import { setTimeout as sleep } from "node:timers/promises";
import type { LoadResult } from "./http-load.ts";
import { readUsage, type Usage } from "./process-usage.ts";

/** One line of the report. */
export interface Measurement {
  readonly label: string;
  readonly load: LoadResult;
  /** CPU microseconds a request, by process group. */
  readonly cpuMicroseconds: Readonly<Record<string, number>>;
  /** Resident memory at the end, bytes, by process group. */
  readonly residentBytes: Readonly<Record<string, number>>;
}

/** Time for what an earlier run left behind (checkpoints, connections) to settle. */
const settleMs = 1_500;

/** Runs a load and accounts for what every process used meanwhile. */
export async function measure(
  label: string,
  pids: Readonly<Record<string, number>>,
  load: () => Promise<LoadResult>,
): Promise<Measurement> {
  await sleep(settleMs);
  const before = readUsage(pids);
  const result = await load();
  const after = readUsage(pids);
  const spent = (name: string): number =>
    ((after[name]?.cpuSeconds ?? 0) - (before[name]?.cpuSeconds ?? 0)) * (1e6 / Math.max(1, result.count));
  return {
    label,
    load: result,
    cpuMicroseconds: mapUsage(after, (_, name) => Math.round(spent(name))),
    residentBytes: mapUsage(after, (usage) => usage.residentBytes),
  };
}

function mapUsage(
  usage: Readonly<Record<string, Usage>>,
  value: (usage: Usage, name: string) => number,
): Record<string, number> {
  return Object.fromEntries(Object.entries(usage).map(([name, each]) => [name, value(each, name)]));
}

/** The line as a person reads it. */
export function describeMeasurement({ label, load, cpuMicroseconds }: Measurement): string {
  const cpu = Object.entries(cpuMicroseconds)
    .filter(([, microseconds]) => microseconds >= 5)
    .sort(([, a], [, b]) => b - a)
    .map(([name, microseconds]) => `${name} ${microseconds}`)
    .join(", ");
  return [
    `${label.padEnd(38)} ${String(Math.round(load.count / load.seconds)).padStart(6)}/s  p50 ${load.p50Ms.toFixed(1)} ms  p99 ${load.p99Ms.toFixed(1)} ms  max ${load.maxMs.toFixed(0)} ms${load.wrong === 0 ? "" : `  WRONG ${load.wrong}: ${load.firstWrong}`}`,
    ...(cpu === "" ? [] : [`${" ".repeat(38)} CPU us/request: ${cpu}`]),
  ].join("\n");
}
