import { readFileSync } from "node:fs";
import { queryBesideBody } from "./transcoder.ts";

/** The Lua filter's text, with the contract's exceptions in front. */
export function luaSource(): string {
  const entries = Object.entries(queryBesideBody).map(
    ([path, names]) => `  ["${path}"] = { ${names.map((name) => `["${name}"] = true`).join(", ")} },`,
  );
  const table = ["local QUERY_BESIDE_BODY = {", ...entries, "}", ""].join("\n");
  return table + readFileSync(new URL("gateway.lua", import.meta.url), "utf8");
}
