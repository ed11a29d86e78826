/**
 * Secrets of the local demo world. They are public by being here, so nothing that is not `local` may run with one: the
 * configuration reader refuses them by value, and services that store secrets refuse to start over a stored one.
 */
export const demoSecrets: readonly string[] = Object.freeze([
  "demo-operator-key",
  "demo-merchant-key",
  "demo-merchant-secret",
  "demo-password",
]);

/** Whether a value is, or contains, a secret of the demo world. */
export function holdsDemoSecret(value: string): boolean {
  return demoSecrets.some((secret) => value.includes(secret));
}
