import Provider from "oidc-provider";

/**
 * Lets clients keep their secrets as keyed hashes: the provider's own comparison, made for secrets kept in clear, is replaced
 * by `isSecret`. A client may send its secret in the header or in the form (RFC 6749 section 2.3.1), whichever its library
 * prefers; a client registered without a secret stays public.
 */
export function useHashedClientSecrets(
  provider: Provider,
  isSecret: (clientId: string, secret: string) => Promise<boolean>,
): void {
  Object.defineProperties(provider.Client.prototype, {
    compareClientSecret: {
      value(this: { clientId: string }, secret: string) {
        return isSecret(this.clientId, secret);
      },
    },
    clientAuthMethod: {
      configurable: true,
      get(this: { tokenEndpointAuthMethod: string }) {
        if (this.tokenEndpointAuthMethod === "none") return "none";
        return Provider.ctx?.headers.authorization === undefined ? "client_secret_post" : "client_secret_basic";
      },
    },
  });
}
