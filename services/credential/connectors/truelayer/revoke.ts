import type { SecretsToRevoke } from "../../domain/secrets-to-revoke.ts";
import type { ProviderCall } from "../connector.ts";
import { ProviderError } from "../provider-error.ts";
import { correlationIdOf, type ProviderResponse, retryAfterOf } from "../provider-http.ts";
import type { TrueLayerApi } from "./truelayer-api.ts";

/**
 * Ends a connection: by its id, and where that is refused or unknown by the access token itself, the older way, so that an answer
 * which only means that there is no such route is never taken for the end of a consent. Returns once TrueLayer has confirmed either,
 * or knows the connection by neither.
 */
export async function endConnection(api: TrueLayerApi, secrets: SecretsToRevoke, call: ProviderCall): Promise<void> {
  const { providerReference, accessToken } = secrets;
  let byId: ProviderResponse | undefined;
  if (providerReference !== undefined && providerReference !== "") {
    byId = await api.endConnection(providerReference, call);
    if (isDone(byId)) return;
    if (!isRefusal(byId)) throw unconfirmed(byId);
  }
  if (accessToken !== undefined) {
    const byToken = await api.endOwnConnection(accessToken, call);
    // A token TrueLayer does not know opens nothing any more.
    if (isDone(byToken) || isRefusal(byToken)) {
      if (byId === undefined || byId.status === 404 || isDone(byToken)) return;
      throw unconfirmed(byId);
    }
    throw unconfirmed(byToken);
  }
  if (byId !== undefined && byId.status !== 404) throw unconfirmed(byId);
}

function isDone(response: ProviderResponse): boolean {
  return response.status >= 200 && response.status <= 299;
}

function isRefusal(response: ProviderResponse): boolean {
  return [400, 401, 403, 404, 405].includes(response.status);
}

function unconfirmed(response: ProviderResponse): ProviderError {
  const correlationId = correlationIdOf(response);
  if (response.status === 429) {
    return new ProviderError("rate_limited", { correlationId, retryAfterMs: retryAfterOf(response) });
  }
  return new ProviderError("unavailable", { correlationId, detail: `status ${response.status}` });
}
