import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

// A token endpoint in a process of its own that answers every refresh with a new pair, `DELAY_MS` after it was asked. It says its port.

const delayMs = Number.parseInt(process.env["DELAY_MS"] ?? "0", 10);
let tokens = 0;

const server = createServer((request, response) => {
  request.resume();
  request.on("end", () => {
    tokens += 1;
    // As long as tokens of real providers are.
    const filler = "x".repeat(700);
    const body = `{"access_token":"access-${tokens}-${filler}","refresh_token":"refresh-${tokens}-${filler}","expires_in":3600}`;
    const answer = () => response.writeHead(200, { "content-type": "application/json" }).end(body);
    if (delayMs === 0) answer();
    else setTimeout(answer, delayMs);
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo; // a TCP server that listens
  process.send?.({ port });
});
process.on("disconnect", () => process.exit(0));
