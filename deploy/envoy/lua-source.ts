import { readFileSync } from "node:fs";
import { tokenInQueryPath } from "./http-paths.ts";
import { queryBesideBody } from "./transcoder.ts";

/** The Lua filter's text, with the contract's exceptions in front. */
export function luaSource(): string {
  const entries = Object.entries(queryBesideBody).map(
    ([path, names]) => `  ["${path}"] = { ${names.map((name) => `["${name}"] = true`).join(", ")} },`,
  );
  const refusal = `local TOKEN_IN_QUERY_PATH = "${tokenInQueryPath}"`;
  const table = ["local QUERY_BESIDE_BODY = {", ...entries, "}", refusal, ""].join("\n");
  return table + readFileSync(new URL("gateway.lua", import.meta.url), "utf8");
}
