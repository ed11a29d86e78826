import { writeFileSync } from "node:fs";
import path from "node:path";
import { stringify } from "yaml";
import { readContract } from "../deploy/envoy/contract.ts";
import { containerGatewayOptions } from "../deploy/envoy/gateway-options.ts";
import { renderBootstrap } from "../deploy/envoy/render-bootstrap.ts";
import { renderOpenapi } from "./openapi/render-openapi.ts";

/**
 * Writes what is rendered by programs of ours: the OpenAPI document from the descriptors with comments, and the gateway's
 * configuration for a container from those without.
 */
export function renderArtifacts(input: { documented: Uint8Array; plain: Uint8Array; directory: string }): void {
  const openapi = renderOpenapi(readContract(input.documented));
  writeFileSync(path.join(input.directory, "openapi", "paymesh.json"), `${JSON.stringify(openapi, null, 2)}\n`);
  const bootstrap = renderBootstrap(readContract(input.plain), containerGatewayOptions);
  const notice = "# Rendered from the contract by npm run generate; do not edit.\n";
  const yaml = stringify(bootstrap, { aliasDuplicateObjects: false, lineWidth: 120 });
  writeFileSync(path.join(input.directory, "envoy", "envoy.yaml"), notice + yaml);
}
