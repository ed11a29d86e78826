import { request } from "node:http";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type GatewayWorld, startGatewayWorld } from "./testing/gateway-world.ts";

let world: GatewayWorld;

beforeAll(async () => {
  world = await startGatewayWorld({
    addPages: {
      wallet: (app) => void app.get("/login", async () => ({ page: "login" })),
      credential: (app) => void app.get("/api/connectors/plaid/webhook", async () => ({ page: "webhook" })),
    },
    change: {
      domains: { wallet: ["wallet.example"], nsim: ["nsim.example"], credential: ["credential.example"] },
    },
  });
  world.behaviours.set("Router.getHealth", async () => ({ service: "nsim" }));
  world.behaviours.set("Wallet.getHealth", async () => ({ service: "wallet" }));
  world.behaviours.set("Wallet.getReadiness", async () => ({ ready: true }));
  world.behaviours.set("Wallet.listMobileBanks", async () => ({ banks: [] }));
});

afterAll(() => world?.stop());

/** fetch refuses to set Host. */
function get(host: string, path: string): Promise<{ status: number; body: Record<string, unknown> }> {
  return new Promise((resolve, reject) => {
    const sent = request(world.url + path, { headers: { host } }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as Record<string, unknown> }),
      );
    });
    sent.on("error", reject);
    sent.end();
  });
}

it("answers /health of the host that was asked", async () => {
  expect((await get("wallet.example", "/health")).body["service"]).toBe("wallet");
  expect((await get("wallet.example:8080", "/health/ready")).body["ready"]).toBe(true);
  expect((await get("nsim.example", "/health")).body["service"]).toBe("nsim");
  expect((await get("other.example", "/health")).body["service"]).toBe("nsim");
});

it("serves a surface under its own host alone, and everything under unnamed hosts", async () => {
  expect((await get("wallet.example", "/api/mobile/enrollment/banks")).status).toBe(200);
  expect(await get("nsim.example", "/api/mobile/enrollment/banks")).toMatchObject({
    status: 404,
    body: { error: "not_found" },
  });
  expect((await get("nsim.example", "/login")).status).toBe(404);
  expect((await get("wallet.example", "/login")).body).toEqual({ page: "login" });
  expect((await get("wallet.example", "/api/connectors/plaid/webhook")).status).toBe(404);
  expect((await get("credential.example", "/api/connectors/plaid/webhook")).body).toEqual({ page: "webhook" });
  expect((await get("credential.example", "/login")).status).toBe(404);
  expect((await get("127.0.0.1", "/api/mobile/enrollment/banks")).status).toBe(200);
});
