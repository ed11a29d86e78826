import { expect, it } from "vitest";
import { problemsOf } from "./check-imports.ts";

it.each([
  ["services/router/rpc/a.ts", 'import { x } from "../../wallet/domain/x.ts";', "no service imports another"],
  ["services/platform/db/a.ts", 'import { x } from "../../router/domain/x.ts";', "the platform knows no service"],
  ["services/router/domain/a.ts", 'import { request } from "undici";', "domain code imports only"],
  ["services/router/domain/a.ts", 'import {\n  a,\n} from "../storage/a.ts";', "domain code imports only"],
  ["services/router/rpc/a.ts", 'import pg from "pg";', "SQL belongs to storage"],
  [
    "services/router/storage/a.ts",
    'import { R } from "../../../gen/es/paymesh/router/v1/router_pb.js";',
    "contracts belong",
  ],
])("refuses in %s: %s", (file, source, rule) => {
  expect(
    problemsOf(file, source)
      .map((problem) => problem.rule)
      .join(),
  ).toContain(rule);
});

it("allows what the architecture allows", () => {
  const source = [
    'import { DomainError } from "../../platform/errors/domain-error.ts";',
    'import { a } from "./a.ts";',
    'export { b } from "./b.ts";',
  ].join("\n");
  expect(problemsOf("services/router/domain/c.ts", source)).toEqual([]);
  expect(problemsOf("services/router/storage/c.ts", 'import pg from "pg";')).toEqual([]);
});
