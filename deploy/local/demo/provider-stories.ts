import type { ProviderName } from "../provider-sandboxes.ts";
import { demoWorld } from "../world.ts";
import type { Narrator } from "./narrator.ts";
import { type Json, listOf, rest, textOf } from "./rest.ts";

/** Words a purchase of the demo is found by; what a provider tells back holds them. */
export const newsText = "DEMO BOOKSHOP";

/** A stand-in's control API, by which news is made at the provider. */
export class SandboxControl {
  readonly #origin: string;
  readonly #narrator: Narrator;

  constructor(origin: string, narrator: Narrator) {
    this.#origin = origin;
    this.#narrator = narrator;
  }

  get(path: string): Promise<Json> {
    return this.#call("GET", path, undefined, 200);
  }

  post(path: string, body: Json, expect = 200): Promise<Json> {
    return this.#call("POST", path, body, expect);
  }

  #call(method: "GET" | "POST", path: string, body: Json | undefined, expect: number): Promise<Json> {
    return rest(this.#narrator, {
      method,
      url: `${this.#origin}/_control${path}`,
      headers: { "x-sandbox-key": demoWorld.operatorKey },
      ...(body === undefined ? {} : { body }),
      expect,
      quiet: method === "GET",
    });
  }
}

/** How a person connects at a provider's stand-in, and how news is made there. */
export interface ProviderStory {
  readonly provider: ProviderName;
  /** As the list of institutions names it. */
  readonly institution: string;
  /** Who signs in on the provider's page. */
  readonly username: string;
  readonly password: string;
  /** Makes news at the provider, which tells of it by a webhook: a purchase named `newsText`, or bookings taken back. */
  makeNews(control: SandboxControl, accountId: string): Promise<"purchase" | "removals">;
}

/** The newest row of a stand-in's list, which is the connection this run has just made. */
async function newest(control: SandboxControl, path: string, list: string, id: string): Promise<string> {
  const [row] = listOf(await control.get(path), list);
  return textOf(row ?? {}, id);
}

/** One entry a provider. Those that are not set up where the demo runs are passed over. */
export const providerStories: readonly ProviderStory[] = [
  {
    provider: "truelayer",
    institution: "Thames & Tyne Bank",
    username: "john",
    password: "doe",
    makeNews: async (control, accountId) => {
      await control.post("/transactions", { accountId, amount: -12.34, description: newsText }, 201);
      return "purchase";
    },
  },
  {
    provider: "plaid",
    institution: "First Platypus Bank",
    username: "user_good",
    password: "pass_good",
    makeNews: async (control) => {
      const item = await newest(control, "/items", "items", "itemId");
      await control.post(`/items/${item}/transactions`, { remove: 2 });
      return "removals";
    },
  },
  {
    provider: "mastercard",
    institution: "FinBank",
    username: "demo",
    password: "go",
    makeNews: async (control, accountId) => {
      const customerId = await newest(control, "/logins", "logins", "customerId");
      await control.post(`/accounts/${accountId}/transactions`, { amount: -12.34, description: newsText }, 201);
      await control.post(`/customers/${customerId}/aggregate`, {});
      await control.post("/events", { customerId, eventType: "done" }, 202);
      return "purchase";
    },
  },
  {
    provider: "basiq",
    institution: "Hooli Bank",
    username: "gavinBelson",
    password: "hooli2016",
    makeNews: async (control) => {
      const connection = await newest(control, "/connections", "connections", "connectionId");
      await control.post(`/connections/${connection}/transactions`, { minor: -1234, description: newsText });
      return "purchase";
    },
  },
  {
    provider: "wise",
    institution: "Wise",
    username: "oliver",
    password: "wilson",
    makeNews: async (control, accountId) => {
      const balanceId = Number.parseInt(accountId, 10);
      await control.post("/transactions", { balanceId, amount: -12.34, description: newsText }, 201);
      return "purchase";
    },
  },
];
