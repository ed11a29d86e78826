import type { Mesh } from "./mesh.ts";
import { providerNames } from "./provider-sandboxes.ts";
import { demoWorld } from "./world.ts";

/** What a person sees when the world is up: what runs where, who can sign in, and three things to try. */
export function renderScreen(mesh: Mesh, facts: { readyInMs: number; logDirectory: string }): string {
  const { urls } = mesh;
  const has = (name: Mesh["processes"][number]): boolean => mesh.processes.includes(name);
  const rows: [boolean, string, string][] = [
    [true, "Gateway", `${urls.gateway}   REST, gRPC, gRPC-Web, Connect; ${urls.gateway}/openapi.json`],
    [has("wallet"), "Wallet", `${urls.gateway}   OIDC issuer ${urls.oidc}`],
    [has("north-bank"), "North Bank", `${urls.banks["north-bank"]}   id north-bank`],
    [has("maple-bank"), "Maple Credit Union", `${urls.banks["maple-bank"]}   id maple-bank`],
    [has("shop"), "Demo shop", urls.shop],
    [has("mail"), "Mail catcher", `${urls.mail}   sign-in codes arrive here`],
    ...providerNames.map((name): [boolean, string, string] => [
      has(name),
      `Sandbox ${name}`,
      `${urls.providers[name]}   control API at /_control, X-Sandbox-Key: ${demoWorld.operatorKey}`,
    ]),
    [true, "Logs", facts.logDirectory],
  ];
  const lines = rows.filter(([shown]) => shown).map(([, label, text]) => `  ${label.padEnd(20)}${text}`);
  return [
    "",
    `paymesh is ready (${(facts.readyInMs / 1000).toFixed(1)} s)`,
    "",
    ...lines,
    "",
    `  Bank customers      ${demoWorld.customers.join(", ")}   password ${demoWorld.password}   at both banks`,
    `  Merchant            ${demoWorld.merchantId}   X-API-Key: ${demoWorld.merchantKey}`,
    `  Operator            X-Admin-Key: ${demoWorld.operatorKey}`,
    "",
    "Try next",
    `  1. Open ${urls.shop}, buy something with the wallet: sign up, connect a bank, pick a card.`,
    "  2. npm run demo        the same by program, step by step, with the money counted at the end",
    `  3. Open ${urls.gateway}/connections, connect accounts at the data providers; or npm run demo -- providers`,
    `  4. curl -H 'X-Admin-Key: ${demoWorld.operatorKey}' ${urls.gateway}/api/v1/registry/bsims`,
    "",
    "Ctrl-C stops everything and keeps the data; npm start -- --reset begins anew.",
    "",
  ].join("\n");
}
