import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { checkGuarantees } from "./check-guarantees.ts";
import { checkImports, describeProblem } from "./check-imports.ts";
import { checkMigrations } from "./check-migrations.ts";
import { runCommand } from "./run-command.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

interface Step {
  readonly label: string;
  run(): Promise<boolean>;
}

function program(label: string, command: string, ...args: string[]): Step {
  return { label, run: async () => (await runCommand(`${root}node_modules/.bin/${command}`, args)) === 0 };
}

function findings(label: string, find: () => readonly string[] | Promise<readonly string[]>): Step {
  return {
    label,
    run: async () => {
      const found = await find();
      for (const line of found) process.stdout.write(`  ${line}\n`);
      return found.length === 0;
    },
  };
}

const steps: readonly Step[] = [
  program("format and lint", "biome", "check", "--error-on-warnings", "."),
  program("types", "tsc", "--noEmit", "-p", "."),
  findings("imports", () => checkImports(root).map(describeProblem)),
  findings("migrations", () => checkMigrations(root)),
  program("contract lint", "buf", "lint"),
  ...(existsSync(`${root}proto/baseline.binpb`)
    ? [program("contract compatibility", "buf", "breaking", "--against", "proto/baseline.binpb")]
    : []),
  program("generated files", "node", "tools/generate.ts", "--check"),
  program("dead code", "knip"),
  ...(existsSync(`${root}docs/guarantees.md`) ? [findings("guarantees", () => checkGuarantees(root))] : []),
];

/** Runs every check that needs no server, all of them even when one fails. Resolves to whether all passed. */
export async function runChecks(): Promise<boolean> {
  let passed = true;
  for (const step of steps) {
    const startedAt = performance.now();
    const ok = await step.run();
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    process.stdout.write(`${ok ? "ok    " : "FAILED"} ${step.label} (${seconds} s)\n`);
    passed = passed && ok;
  }
  return passed;
}

if (import.meta.main) process.exitCode = (await runChecks()) ? 0 : 1;
