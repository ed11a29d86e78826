import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { writeMetrics } from "../../platform/telemetry/metrics.ts";

/** The metrics of this process, as Prometheus reads them. */
export async function scrapeMetrics(): Promise<string> {
  const server = createServer(writeMetrics);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = server.address() as AddressInfo; // a TCP server that listens
    return await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  } finally {
    server.close();
  }
}

/** The series of one metric, named by the values of their labels; `name` with its unit and suffix and without prefix. */
export async function scrapeSeries(name: string): Promise<Record<string, number>> {
  const lines = (await scrapeMetrics()).matchAll(new RegExp(`^paymesh_${name}\\{([^}]*)\\} (\\S+)`, "gm"));
  const ownValues = (labels: string) =>
    [...labels.matchAll(/(\w+)="([^"]*)"/g)]
      .filter(([, label]) => !label?.startsWith("otel_"))
      .map(([, , text]) => text);
  return Object.fromEntries([...lines].map(([, labels = "", value]) => [ownValues(labels).join(" "), Number(value)]));
}
