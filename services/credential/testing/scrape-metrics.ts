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
