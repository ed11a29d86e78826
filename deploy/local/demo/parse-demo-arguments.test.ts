import { expect, it } from "vitest";
import { parseDemoArguments } from "./parse-demo-arguments.ts";

it("tells the main story, or that of providers, at the ports that npm start was given", () => {
  expect(parseDemoArguments({}, [])).toMatchObject({ isOfProviders: false, ports: { gateway: 8080 } });
  const elsewhere = parseDemoArguments({ PAYMESH_PORT_SHOP: "9100" }, ["providers", "--port", "gateway=8090"]);
  expect(elsewhere).toMatchObject({ isOfProviders: true, ports: { gateway: 8090, shop: 9100 } });
});

it.each([
  [["provider"], /There is no demo "provider".*npm run demo -- providers/s],
  [["providers", "again"], /There is no demo "again"/],
  [["--ports", "gateway=1"], /'--ports'.*--port <name>=<port>/s],
  [["--port", "gate=1"], /no such port.*--port <name>=<port>/s],
])("answers %j with its usage", (given, message) => {
  expect(() => parseDemoArguments({}, given)).toThrow(message);
});
