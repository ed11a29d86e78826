/**
 * What a program that a test starts takes over from the test's own environment: where programs are, and the cache without which it would
 * compile everything anew.
 */
export const inheritedEnvironment: Readonly<Record<string, string | undefined>> = {
  PATH: process.env["PATH"],
  NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"],
};
