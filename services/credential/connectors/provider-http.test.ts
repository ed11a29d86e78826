import { getEventListeners, once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { answerTooLarge, openProviderHttp, type ProviderHttp } from "./provider-http.ts";

let server: Server;
let http: ProviderHttp;
let url: string;
beforeAll(async () => {
  server = createServer((request, response) => {
    // An answer that never comes.
    if (request.url === "/never") return;
    const length = Number.parseInt(new URL(request.url ?? "", "http://local").searchParams.get("length") ?? "0", 10);
    response.writeHead(200, { "content-type": "application/json" });
    for (let sent = 0; sent < length; sent += 65_536) response.write(" ".repeat(Math.min(65_536, length - sent)));
    response.end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // a TCP server's address is one
  http = openProviderHttp();
});
afterAll(async () => {
  await http?.close();
  server?.closeAllConnections();
  server?.close();
});

const ask = (length: number) =>
  http.send({ url: `${url}/?length=${length}`, method: "GET" }, { now: new Date(), timeoutMs: 5_000 });

it("reads an answer of 1 MiB, and says of a larger one that it is too large, so that less can be asked for", async () => {
  expect((await ask(1024 * 1024)).text.length).toBe(1024 * 1024);
  await expect(ask(1024 * 1024 + 1)).rejects.toMatchObject({ failure: "unavailable", detail: answerTooLarge });
});

it("sends nothing once the right to ask is over, and waits for no answer longer than that", async () => {
  let requests = 0;
  server.on("request", () => {
    requests += 1;
  });
  const never = (endsAtMs: number) =>
    http.send({ url: `${url}/never`, method: "GET" }, { now: new Date(), timeoutMs: 60_000, endsAtMs });
  await expect(never(performance.now() - 1)).rejects.toMatchObject({ failure: "rate_limited", mayHaveActed: false });
  expect(requests).toBe(0);
  await expect(never(performance.now() + 100)).rejects.toMatchObject({ failure: "unavailable", mayHaveActed: true });
  expect(requests).toBe(1);
});

it("sends nothing when the right to ask ended while a connection was opened", async () => {
  const unconnected = openProviderHttp();
  let requests = 0;
  server.on("request", () => {
    requests += 1;
  });
  const endsAtMs = performance.now() + 60_000;
  const asked = unconnected.send({ url, method: "GET" }, { now: new Date(), timeoutMs: 60_000, endsAtMs });
  // As after a standstill: the time is over, and no timer has been heard of yet.
  const clock = vi.spyOn(performance, "now").mockReturnValue(endsAtMs);
  await expect(asked).rejects.toMatchObject({ failure: "rate_limited", mayHaveActed: false });
  clock.mockRestore();
  expect(requests).toBe(0);
  const sent = await unconnected.send({ url, method: "GET" }, { now: new Date(), timeoutMs: 60_000, endsAtMs });
  expect([sent.status, requests]).toEqual([200, 1]);
  await unconnected.close();
});

it("ends a request by its time or with its caller, and leaves nothing at a caller's signal", async () => {
  const never = (call: { timeoutMs: number; signal?: AbortSignal }) =>
    http.send({ url: `${url}/never`, method: "GET" }, { now: new Date(), ...call });
  const caller = new AbortController();
  const late = never({ timeoutMs: 50, signal: caller.signal });
  await expect(late).rejects.toMatchObject({ failure: "unavailable", detail: "TimeoutError", mayHaveActed: true });
  expect(getEventListeners(caller.signal, "abort")).toEqual([]);
  const left = never({ timeoutMs: 60_000, signal: caller.signal });
  caller.abort(Object.assign(new Error("gone"), { code: "CALLER_GONE" }));
  await expect(left).rejects.toMatchObject({ failure: "unavailable", detail: "CALLER_GONE" });
  await expect(never({ timeoutMs: 60_000, signal: caller.signal })).rejects.toMatchObject({ detail: "CALLER_GONE" });
});
