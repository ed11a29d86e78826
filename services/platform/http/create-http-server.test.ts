import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { DomainError } from "../errors/domain-error.ts";
import { GrpcCode } from "../errors/grpc-code.ts";
import { errorPage } from "../pages/error-page.ts";
import { formValues } from "./body-parsers.ts";
import { createHttpServer, type HttpServerOptions } from "./create-http-server.ts";

const brand = { id: "test", name: "Test Bank", color: "#1d4f91" };
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function serve(options: Partial<HttpServerOptions> = {}) {
  const lines: unknown[] = [];
  const write = (line: unknown) => void lines.push(line);
  const app = createHttpServer({
    service: "test",
    errorTable: {
      TEAPOT: { code: GrpcCode.FAILED_PRECONDITION, http: 418, error: "teapot", message: "I am a teapot" },
    },
    log: { info: write, warn: write, error: write },
    bodyLimitBytes: 1000,
    ...options,
  });
  app.post("/echo", async (request) => request.body);
  app.post("/signed", { config: { rawBody: true } }, async (request) => request.rawBody?.toString("base64"));
  app.get("/things/:id", async (request) => ({ from: request.clientAddress }));
  app.get("/teapot", async () => {
    throw new DomainError("TEAPOT");
  });
  app.get("/broken", async () => {
    throw new Error("password=hunter2");
  });
  const origin = await app.listen({ host: "127.0.0.1", port: 0 });
  closing.push(() => app.close());
  return { origin, lines, app };
}

const json = { "content-type": "application/json" };
const form = { "content-type": "application/x-www-form-urlencoded" };

describe("createHttpServer", () => {
  it("answers unknown paths, wrong methods and malformed bodies in the one error shape", async () => {
    const { origin } = await serve();
    const cases: [Response, number, string][] = [
      [await fetch(`${origin}/nowhere`), 404, "not_found"],
      [await fetch(`${origin}/things/7`, { method: "PUT" }), 405, "method_not_allowed"],
      [await fetch(`${origin}/echo`, { method: "POST", headers: json, body: "{oops" }), 400, "bad_request"],
      [
        await fetch(`${origin}/echo`, { method: "POST", headers: json, body: '{"__proto__":{"admin":true}}' }),
        400,
        "bad_request",
      ],
      [
        await fetch(`${origin}/echo`, { method: "POST", headers: json, body: JSON.stringify("x".repeat(2000)) }),
        413,
        "payload_too_large",
      ],
      [
        await fetch(`${origin}/echo`, { method: "POST", headers: { "content-type": "text/csv" }, body: "a" }),
        415,
        "unsupported_media_type",
      ],
      [await fetch(`${origin}/teapot`), 418, "teapot"],
    ];
    for (const [response, status, error] of cases) {
      expect(response.status).toBe(status);
      expect(await response.json()).toMatchObject({
        error,
        message: expect.any(String),
        code: expect.any(Number),
        details: [],
      });
    }
    expect(cases[1]?.[0].headers.get("allow")).toContain("GET");
  });

  it("tells nothing of an unforeseen error, and logs it with the request's id", async () => {
    const { origin, lines } = await serve();
    const response = await fetch(`${origin}/broken`, { headers: { "x-request-id": "request-4711" } });
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain("hunter2");
    expect(response.headers.get("x-request-id")).toBe("request-4711");
    expect(lines).toContainEqual(expect.objectContaining({ requestId: "request-4711", reason: "INTERNAL" }));
  });

  it("makes a request id when the given one could forge a log line", async () => {
    const { origin } = await serve();
    const response = await fetch(`${origin}/nowhere`, { headers: { "x-request-id": "a b{}" } });
    expect(response.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("never logs the query of a URL", async () => {
    const { origin, lines } = await serve();
    await fetch(`${origin}/things/7?code=secret-code`);
    expect(JSON.stringify(lines)).not.toContain("secret-code");
  });

  it("takes an empty JSON body as the empty message, and repeated form fields as a list", async () => {
    const { origin } = await serve();
    const empty = await fetch(`${origin}/echo`, { method: "POST", headers: json });
    expect(await empty.json()).toEqual({});
    const repeated = await fetch(`${origin}/echo`, { method: "POST", headers: form, body: "card=a&card=b&toString=c" });
    expect(await repeated.json()).toEqual({ card: ["a", "b"], toString: "c" });
  });

  it("keeps the exact bytes where a route asks for them", async () => {
    const { origin } = await serve();
    const body = '{ "a" :  1.0 }';
    const response = await fetch(`${origin}/signed`, { method: "POST", headers: json, body });
    expect(Buffer.from(await response.text(), "base64").toString()).toBe(body);
  });

  it("believes x-forwarded-for from a trusted proxy alone, and then only the entry that proxy wrote", async () => {
    const headers = { "x-forwarded-for": "6.6.6.6, 203.0.113.9" };
    const closed = await serve();
    expect(await (await fetch(`${closed.origin}/things/1`, { headers })).json()).toEqual({ from: "127.0.0.1" });
    const behindProxy = await serve({ trustProxy: "peer" });
    expect(await (await fetch(`${behindProxy.origin}/things/1`, { headers })).json()).toEqual({ from: "203.0.113.9" });
    const gatewayOnly = await serve({ trustProxy: "gateway" });
    expect(await (await fetch(`${gatewayOnly.origin}/things/1`, { headers })).json()).toEqual({ from: "127.0.0.1" });
  });

  it("shows a page to a browser and JSON to a program", async () => {
    const { origin } = await serve({
      errorPage: (error) => errorPage(brand, error, { whereabouts: "Pages are at /things." }),
    });
    const asBrowser = { headers: { accept: "text/html,application/xhtml+xml,*/*" } };
    const browser = await fetch(`${origin}/teapot`, asBrowser);
    expect(browser.headers.get("content-type")).toContain("text/html");
    expect(await browser.text()).toMatch(/I am a teapot.*Reference /s);
    const nowhere = await fetch(`${origin}/nowhere`, asBrowser);
    expect(nowhere.status).toBe(404);
    const told = await nowhere.text();
    expect(told).toContain("There is no page at this address. Pages are at /things.");
    expect(told).toContain("<title>Page not found · Test Bank</title>");
    expect(told).not.toContain("Reference");
    expect((await fetch(`${origin}/teapot`)).headers.get("content-type")).toContain("application/json");
  });

  it("sets headers that keep answers out of caches, frames and guesses", async () => {
    const { origin } = await serve();
    const { headers } = await fetch(`${origin}/things/1`);
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("content-security-policy")).toContain("default-src 'none'");
  });

  it("closes without waiting for an idle connection", async () => {
    const { origin, app } = await serve();
    const socket = connect(Number(new URL(origin).port), "127.0.0.1");
    await new Promise((resolve) => socket.once("connect", resolve));
    const started = performance.now();
    await app.close();
    expect(performance.now() - started).toBeLessThan(10_000);
    socket.destroy();
  });
});

describe("formValues", () => {
  it("takes nothing from the prototype of a body", () => {
    expect(formValues({}, "constructor")).toEqual([]);
    expect(formValues("text", "length")).toEqual([]);
  });
});
