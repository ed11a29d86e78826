import { z } from "zod";
import { ConfigError } from "./config-error.ts";
import { holdsDemoSecret } from "./demo-secrets.ts";

/** The environment as a process is given it. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** `PAYMESH_ENV`: production when unset, so that forgetting it is the safe mistake. */
export const environmentName = z.enum(["local", "production"]).default("production");

/** A TCP port; 0 asks the system for a free one. */
export const port = z.coerce.number().int().min(0).max(65_535);

/** A secret of at least this many characters. */
export function secretText(lengthMin = 32): z.ZodString {
  return z.string().min(lengthMin, `needs at least ${lengthMin} characters`);
}

/** An absolute http or https URL without a trailing slash. */
export const httpUrl = z.url({ protocol: /^https?$/ }).transform((text) => text.replace(/\/+$/, ""));

/** `true`, `false`, `1` or `0`; false when unset. */
export const flag = z
  .enum(["true", "false", "1", "0", ""])
  .default("false")
  .transform((text) => text === "true" || text === "1");

/** A whole number within bounds, with a default. */
export function wholeNumber(bounds: { min: number; max: number; otherwise: number }): z.ZodType<number> {
  return z.coerce.number().int().min(bounds.min).max(bounds.max).default(bounds.otherwise);
}

/**
 * Reads a configuration from the environment, frozen. Throws one ConfigError that names every problem at once. Empty
 * values count as unset. Outside `PAYMESH_ENV=local` any value holding a demo secret is a problem of its own.
 * No value is ever repeated in a message: it may be a secret.
 */
export function readConfig<S extends z.ZodObject>(schema: S, env: Environment): Readonly<z.infer<S>> {
  const given: Record<string, string> = {};
  for (const name of Object.keys(schema.shape)) {
    const value = env[name];
    if (value !== undefined && value !== "") given[name] = value;
  }
  const problems = env["PAYMESH_ENV"] === "local" ? [] : demoProblems(given);
  const parsed = schema.safeParse(given);
  if (!parsed.success) problems.push(...parsed.error.issues.map((issue) => describe(issue, given)));
  if (problems.length > 0 || !parsed.success) throw new ConfigError(problems);
  return Object.freeze(parsed.data);
}

function describe(issue: z.core.$ZodIssue, given: Readonly<Record<string, string>>): string {
  const name = String(issue.path[0] ?? "configuration");
  if (issue.path.length > 0 && given[name] === undefined) return `${name} is not set`;
  return `${name}: ${issue.message}`;
}

function demoProblems(given: Readonly<Record<string, string>>): string[] {
  return Object.entries(given)
    .filter(([, value]) => holdsDemoSecret(value))
    .map(([name]) => `${name}: holds a secret of the demo world, which only PAYMESH_ENV=local may use`);
}
