import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { createBankHttp } from "./bank-http.ts";

const http = createBankHttp();
const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/pay`; // listening on TCP
}

const post = (url: string, timeoutMs = 2_000) => http.post({ url, headers: {}, body: "{}", timeoutMs });

describe("createBankHttp", () => {
  it("gives status and text of an answer, whatever they are", async () => {
    const url = await serve((_request, response) => response.writeHead(418).end("né"));
    expect(await post(url)).toEqual({ kind: "answer", status: 418, text: "né" });
  });

  it("does not follow a redirect", async () => {
    const url = await serve((request, response) => {
      if (request.url === "/pay") response.writeHead(307, { location: "/other" }).end();
      else response.end("followed");
    });
    expect(await post(url)).toMatchObject({ kind: "answer", status: 307 });
  });

  it("gives up at the deadline, also in the middle of an answer", async () => {
    const silent = await serve(() => undefined);
    expect(await post(silent, 50)).toEqual({ kind: "timeout", sent: true });
    const halfway = await serve((_request, response) => response.writeHead(200).write("{"));
    expect(await post(halfway, 50)).toEqual({ kind: "timeout", sent: true });
  });

  it("cuts off an answer that is too large", async () => {
    const url = await serve((_request, response) => response.end("x".repeat(80 * 1_024)));
    expect(await post(url)).toEqual({ kind: "network", sent: true });
  });

  it("knows that nothing was sent where nobody listens or a header cannot be written", async () => {
    expect(await post("http://127.0.0.1:1/pay")).toEqual({ kind: "network", sent: false });
    const url = await serve((_request, response) => response.end("{}"));
    const call = { url, headers: { "x-api-key": "a\nb" }, body: "{}", timeoutMs: 1_000 };
    expect(await http.post(call)).toEqual({ kind: "network", sent: false });
  });

  it("says sent when the connection is cut after the request", async () => {
    const url = await serve((request) => request.socket.destroy());
    expect(await post(url)).toEqual({ kind: "network", sent: true });
  });
});
