import { readFileSync } from "node:fs";
import { Narrator } from "../../deploy/local/demo/narrator.ts";
import type { Mesh } from "../../deploy/local/mesh.ts";

const inAddresses = /[?&](?:code|state|nonce|id_token|code_challenge)=([\w.~-]{16,})/g;
const inAnswers = /"(?:accessToken|refreshToken|deviceCredential|challenge|cardToken|card_token)"\s*:\s*"([^"]{16,})"/g;
const secretNames = /(KEY|SECRET|PEPPER)$/;

/** Tells nobody anything, and remembers every secret that passes in the demo's requests, redirects and answers. */
export class SecretKeeper extends Narrator {
  readonly secrets = new Set<string>();

  constructor() {
    super(() => undefined);
  }

  override exchange(_method: string, url: string, answer: string): void {
    for (const text of [url, answer]) {
      for (const [, secret = ""] of text.matchAll(inAddresses)) this.secrets.add(secret);
      for (const [, secret = ""] of text.matchAll(inAnswers)) this.secrets.add(secret);
    }
  }
}

/** Every secret the mesh's programs were given: keys, peppers, client secrets, passwords of the database. */
export function secretsGivenTo(mesh: Mesh): string[] {
  return mesh.processes.flatMap((name) => {
    const env = Object.entries(mesh.environment(name));
    const named = env.flatMap(([key, value]) => (secretNames.test(key) ? [value] : []));
    const file = mesh.environment(name)["CREDENTIAL_ENCRYPTION_KEYS_FILE"];
    const lines = file === undefined ? [] : readFileSync(file, "utf8").split("\n");
    named.push(...lines.flatMap((line) => /^\d+:(.+)$/.exec(line)?.[1] ?? []));
    const url = mesh.environment(name)["DATABASE_URL"];
    return url === undefined ? named : [...named, new URL(url).password];
  });
}
