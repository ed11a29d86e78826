/** The environment does not make a valid configuration. `message` has one line for each problem, for the operator. */
export class ConfigError extends Error {
  constructor(problems: readonly string[], options?: { readonly cause?: unknown }) {
    super(problems.join("\n"), options);
    this.name = "ConfigError";
  }
}
