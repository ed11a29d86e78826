import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";

/** One import that the architecture does not allow. */
export interface ImportProblem {
  readonly file: string;
  readonly imported: string;
  readonly rule: string;
}

const importPattern =
  /(?:^|\n)\s*(?:import|export)\s[^;]*?from\s+"([^"]+)"|(?:^|\n)\s*import\s+"([^"]+)"|\bimport\("([^"]+)"\)/g;
const services = ["registry", "router", "wallet", "credential", "bank"];

/**
 * Holds the tree to its import rules: domain code is pure, no service imports another, the platform knows no service, SQL
 * libraries stay in storage, generated descriptors in rpc and clients. Test files may reach further.
 */
export function checkImports(root: string): ImportProblem[] {
  const files = globSync(["services/**/*.ts", "deploy/**/*.ts", "e2e/**/*.ts"], { cwd: root });
  return files
    .filter((file) => !isTest(file))
    .flatMap((file) => problemsOf(file, readFileSync(join(root, file), "utf8")));
}

function isTest(file: string): boolean {
  return file.endsWith(".test.ts") || file.includes("/testing/");
}

/** The problems of one file, for its path from the repository's root. */
export function problemsOf(file: string, source: string): ImportProblem[] {
  const problems: ImportProblem[] = [];
  for (const match of source.matchAll(importPattern)) {
    const specifier = match[1] ?? match[2] ?? match[3] ?? "";
    const imported = specifier.startsWith(".") ? normalize(join(dirname(file), specifier)) : specifier;
    const rule = brokenRule(file, imported);
    if (rule !== undefined) problems.push({ file, imported: specifier, rule });
  }
  return problems;
}

function brokenRule(file: string, imported: string): string | undefined {
  const [top, owner = "", room = ""] = file.split("/");
  const [importedTop, importedOwner = ""] = imported.split("/");
  if (top === "services" && importedTop === "services") {
    if (owner === "platform" && importedOwner !== "platform") return "the platform knows no service";
    if (importedOwner !== owner && services.includes(importedOwner)) return "no service imports another";
  }
  if (top === "services" && services.includes(owner) && room === "domain") {
    const domain = imported.startsWith(`services/${owner}/domain/`);
    const pure = /^services\/platform\/(money|time|errors|ids)\//.test(imported);
    const computed = /^node:(assert|crypto|buffer)/.test(imported) || imported === "zod";
    if (!domain && !pure && !computed) return "domain code imports only domain code and money, time, errors and ids";
  }
  if (/^(pg|kysely|graphile-worker)$/.test(imported) && !mayUseSql(file)) return "SQL belongs to storage";
  if (imported.startsWith("gen/es/paymesh/") && !mayUseContracts(file)) return "contracts belong to rpc and clients";
  return undefined;
}

function mayUseSql(file: string): boolean {
  return (
    /^services\/[^/]+\/storage\//.test(file) ||
    /^services\/sandbox\/[^/]+\/storage\//.test(file) ||
    /^services\/platform\/(db|jobs|oidc|limits|testing)\//.test(file) ||
    file.startsWith("deploy/")
  );
}

function mayUseContracts(file: string): boolean {
  return (
    /^services\/[^/]+\/(rpc|clients)\//.test(file) ||
    /^services\/[^/]+\/main\.ts$/.test(file) ||
    /^(deploy|e2e|tools)\//.test(file)
  );
}

/** A line a reader can act on. */
export function describeProblem(problem: ImportProblem): string {
  return `${relative(".", problem.file)} imports ${problem.imported}: ${problem.rule}`;
}
